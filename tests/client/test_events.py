from typing import Any

from kijabi.client import events

POD = {"kind": "Pod", "namespace": "ns", "name": "web", "uid": "1"}


def decide(correlator: events.Correlator, message: str, now: float, **about: Any) -> events.Verdict:
    return correlator.decide({**POD, **about}, "Warning", "BackOff", message, now)


def test_the_same_event_again_has_the_same_key_whatever_version_the_object_has() -> None:
    correlator = events.Correlator()
    first = decide(correlator, "no", 0, resourceVersion="1")
    assert decide(correlator, "no", 1, resourceVersion="2") == first
    assert decide(correlator, "another", 2).key != first.key


def test_the_tenth_different_message_within_ten_minutes_is_combined() -> None:
    correlator = events.Correlator()
    verdicts = [decide(correlator, f"message {number}", number) for number in range(12)]
    assert [verdict.message for verdict in verdicts[:9]] == [f"message {number}" for number in range(9)]
    assert verdicts[9].message == "(combined from similar events): message 9"
    assert verdicts[9].key == verdicts[11].key


def test_messages_further_apart_than_ten_minutes_are_not_combined() -> None:
    correlator = events.Correlator()
    verdicts = [decide(correlator, f"message {number}", number * 601.0) for number in range(12)]
    assert verdicts[-1].message == "message 11"


def test_an_object_that_makes_too_many_is_silenced_and_slowly_heard_again() -> None:
    correlator = events.Correlator()
    skipped = [decide(correlator, "no", 0.0).skip for _ in range(26)]
    assert skipped == [False] * 25 + [True]
    assert decide(correlator, "no", 299.0).skip
    assert not decide(correlator, "no", 301.0).skip
    assert not decide(correlator, "no", 0.0, uid="2").skip


def test_a_reference_names_what_there_is() -> None:
    obj = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n", "uid": "u", "resourceVersion": "4"}}
    assert events.reference(obj) == {
        "kind": "Node", "apiVersion": "v1", "name": "n", "uid": "u", "resourceVersion": "4",
    }  # fmt: skip
