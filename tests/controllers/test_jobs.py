"""Jobs decided by tables."""

from typing import Any

import pytest

import pods as p
from kijabi.controllers.job import backoff, indexes, plan, policies, tracking, view

HELD = ("batch.kubernetes.io/job-tracking",)


def job(*, status: p.Object | None = None, **spec: Any) -> p.Object:
    chosen = {"parallelism": 2, "completions": 4, "backoffLimit": 6, "completionMode": "NonIndexed", **spec}
    return p.owner("Job", "sum", version="batch/v1", status=status, **chosen)


def look(
    of: p.Object, *there: p.Object, released: tuple[str, ...] = (), record: backoff.Record | None = None
) -> view.View:
    return view.View(of, there, frozenset(released), record or backoff.Record(), p.NOW)


def worker(name: str, phase: str = "Running", index: int | None = None, **more: Any) -> p.Object:
    notes = {indexes.ANNOTATION: str(index)} if index is not None else {}
    return p.pod(name, phase=phase, finalizers=HELD, annotations={**notes, **more.pop("notes", {})}, **more)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((), ""), ((1,), "1"), ((1, 2), "1,2"), ((1, 2, 3), "1-3"), ((0, 2, 3, 5, 6, 7, 9), "0,2,3,5-7,9")],
)
def test_indexes_have_a_text_form(numbers: tuple[int, ...], text: str) -> None:
    assert indexes.text(numbers) == text
    assert indexes.parse(text, 10) == frozenset(numbers)


@pytest.mark.parametrize(
    ("text", "completions", "expected"), [("0-9", 3, {0, 1, 2}), ("x,1,3-y", 5, {1}), ("7", 5, set()), ("", 5, set())]
)
def test_what_cannot_be_read_or_is_beyond_is_left_out(text: str, completions: int, expected: set[int]) -> None:
    assert indexes.parse(text, completions) == expected


ENDED = {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 42}}}]}
DISRUPTED = {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}


@pytest.mark.parametrize(
    ("rule", "status", "expected"),
    [
        ({"onExitCodes": {"operator": "In", "values": [42]}}, ENDED, True),
        ({"onExitCodes": {"operator": "In", "values": [1]}}, ENDED, False),
        ({"onExitCodes": {"operator": "NotIn", "values": [1]}}, ENDED, True),
        ({"onExitCodes": {"operator": "In", "values": [42], "containerName": "d"}}, ENDED, False),
        ({"onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}, DISRUPTED, True),
        ({"onPodConditions": [{"type": "DisruptionTarget", "status": "False"}]}, DISRUPTED, False),
    ],
)
def test_failure_rules_match_exit_codes_and_conditions(rule: p.Object, status: p.Object, expected: bool) -> None:
    verdict = policies.judge({"rules": [{"action": "Ignore", **rule}]}, p.pod(phase="Failed", status=status))
    assert verdict.counts is not expected


@pytest.mark.parametrize(
    ("rules", "succeeded", "expected"),
    [
        ([{"succeededIndexes": "0,2"}], {0, 1}, ""),
        ([{"succeededIndexes": "0,2"}], {0, 2}, "Matched rules at index 0"),
        ([{"succeededIndexes": "0-3", "succeededCount": 2}], {1, 3}, "Matched rules at index 0"),
        ([{"succeededIndexes": "9"}, {"succeededCount": 2}], {1, 3}, "Matched rules at index 1"),
        ([{"succeededCount": 0}], set(), ""),
    ],
)
def test_success_rules(rules: list[p.Object], succeeded: set[int], expected: str) -> None:
    assert policies.satisfied({"rules": rules}, 5, succeeded) == expected


def ended(name: str, phase: str, ago: float) -> p.Object:
    finished = {"terminated": {"exitCode": 1, "finishedAt": p.stamp(ago)}}
    return p.pod(name, phase=phase, status={"containerStatuses": [{"name": "c", "state": finished}]})


@pytest.mark.parametrize(
    ("succeeded", "failed", "failures", "wait"),
    [
        ([], [], 2, 20.0),
        ([], [5.0], 3, 35.0),
        ([3.0], [5.0], 0, 0.0),
        ([5.0], [3.0], 1, 7.0),
        ([], [1.0] * 20, 22, 599.0),
    ],
    ids=["as before", "one more", "success after failure", "failure after success", "never over ten minutes"],
)
def test_failures_add_up_until_a_success(
    succeeded: list[float], failed: list[float], failures: int, wait: float
) -> None:
    record = backoff.Record(2, p.NOW).after(
        [ended(f"s{ago}", "Succeeded", ago) for ago in succeeded], [ended(f"f{ago}", "Failed", ago) for ago in failed]
    )
    assert (record.failures, record.wait(p.NOW)) == (failures, wait)


@pytest.mark.parametrize(
    ("spec", "status", "there", "create", "delete"),
    [
        ({}, {}, [], 2, 0),
        ({}, {"succeeded": 3}, [], 1, 0),
        ({}, {"succeeded": 3}, [worker("a"), worker("b")], 0, 1),
        ({}, {}, [worker("a", "Succeeded")], 2, 0),
        ({"parallelism": 0}, {}, [worker("a")], 0, 1),
        ({"suspend": True}, {}, [worker("a"), worker("b")], 0, 2),
        ({"completions": None, "parallelism": 3}, {}, [], 3, 0),
        ({"completions": None, "parallelism": 3}, {"succeeded": 1}, [worker("a")], 0, 0),
        ({"podReplacementPolicy": "Failed"}, {}, [worker("a", going=True)], 1, 0),
        ({"podReplacementPolicy": "TerminatingOrFailed", "backoffLimit": 0}, {}, [worker("a", going=True)], 0, 0),
    ],
    ids=[
        "parallelism",
        "what is left",
        "too many",
        "one has succeeded",
        "none wanted",
        "suspended",
        "work queue",
        "work queue after a success",
        "terminating ones count while they go",
        "or count as failed",
    ],
)
def test_pods_are_made_and_deleted(
    spec: p.Object, status: p.Object, there: list[p.Object], create: int, delete: int
) -> None:
    made = plan.plan(look(job(status=status, **spec), *there))
    assert (len(made.create), len(made.delete)) == (create, delete)


def test_a_failure_delays_the_next_pod() -> None:
    failed = worker("a", "Failed", status=ended("a", "Failed", 4)["status"])
    made = plan.plan(look(job(completions=1), failed))
    assert (made.create, made.again) == ([], 6.0)


def test_indexes_that_are_done_or_at_work_are_not_started_again() -> None:
    indexed = job(completionMode="Indexed", completions=6, parallelism=4, status={"completedIndexes": "0-1"})
    made = plan.plan(look(indexed, worker("a", index=3), worker("twin", index=3, age=10)))
    assert [pod["metadata"]["name"] for pod in made.delete] == ["twin"]
    made = plan.plan(look(indexed, worker("a", index=3)))
    assert [pod["spec"]["hostname"] for pod in made.create] == ["sum-2", "sum-4", "sum-5"]
    assert made.create[0]["metadata"]["generateName"] == "sum-2-"
    assert made.create[0]["metadata"]["finalizers"] == list(HELD)


def test_the_replacement_of_an_index_inherits_its_failures() -> None:
    limited = job(completionMode="Indexed", completions=1, parallelism=1, backoffLimitPerIndex=3)
    failed = worker("a", "Failed", index=0, notes={view.FAILURES: "1"}, status=ended("a", "Failed", 3600)["status"])
    seen = look(limited, failed)
    made = plan.plan(seen)
    assert made.create[0]["metadata"]["annotations"][view.FAILURES] == "2"
    # Until that one is made, the failed pod is kept: nobody else remembers the count.
    assert tracking.count(seen, tracking.begin(seen, tracking.Pods(0, 0, 0)), None).release == []


@pytest.mark.parametrize(
    ("spec", "status", "there", "kind", "reason"),
    [
        ({"backoffLimit": 0}, {}, [worker("a", "Failed")], "FailureTarget", "BackoffLimitExceeded"),
        ({"backoffLimit": 1}, {}, [worker("a", "Failed")], None, ""),
        ({"activeDeadlineSeconds": 60}, {"startTime": p.stamp(61)}, [], "FailureTarget", "DeadlineExceeded"),
        ({"activeDeadlineSeconds": 60, "suspend": True}, {"startTime": p.stamp(61)}, [], None, ""),
        (
            {"completionMode": "Indexed", "backoffLimitPerIndex": 0, "maxFailedIndexes": 0},
            {},
            [worker("a", "Failed", 0)],
            "FailureTarget",
            "MaxFailedIndexesExceeded",
        ),
        (
            {"completionMode": "Indexed", "backoffLimitPerIndex": 0},
            {"completedIndexes": "1-3"},
            [worker("a", "Failed", 0)],
            "FailureTarget",
            "FailedIndexes",
        ),
        (
            {"completionMode": "Indexed", "successPolicy": {"rules": [{"succeededCount": 1}]}},
            {},
            [worker("a", "Succeeded", 0), worker("b", index=1)],
            "SuccessCriteriaMet",
            "SuccessPolicy",
        ),
        (
            {},
            {"conditions": [{"type": "FailureTarget", "status": "True", "reason": "R", "message": "m"}]},
            [worker("a")],
            "Failed",
            "R",
        ),
    ],
)
def test_how_a_job_ends(spec: p.Object, status: p.Object, there: list[p.Object], kind: str | None, reason: str) -> None:
    made = plan.plan(look(job(status=status, **spec), *there))
    assert (made.outcome["type"], made.outcome["reason"]) == (kind, reason) if made.outcome else kind is None
    if kind is not None:
        assert made.delete == [pod for pod in there if pod["status"]["phase"] == "Running"]


def count(seen: view.View, outcome: p.Object | None = None) -> tracking.Count:
    return tracking.count(seen, tracking.begin(seen, tracking.Pods(0, 0, 0)), outcome)


def test_a_pod_is_counted_in_three_steps_and_never_twice() -> None:
    done = worker("a", "Succeeded")
    first = count(look(job(), done))
    assert first.status["uncountedTerminatedPods"] == {"succeeded": ["uid-a"]}
    assert (first.status.get("succeeded", 0), first.release) == (0, [done])
    # Crashed before the finalizer went: the uid is there, so it is not noted again.
    again = count(look(job(status=first.status), done))
    assert again.status["uncountedTerminatedPods"] == {"succeeded": ["uid-a"]}
    # Crashed before the number was written: the finalizer is gone.
    bare = {**done, "metadata": {**done["metadata"], "finalizers": []}}
    after = count(look(job(status=first.status), bare))
    assert (after.status["succeeded"], after.status["uncountedTerminatedPods"]) == (1, {})
    # The informer is late and still shows the finalizer.
    late = count(look(job(status=after.status), done, released=("uid-a",)))
    assert (late.status["succeeded"], late.release) == (1, [])


def test_a_failing_job_counts_its_running_pods_as_failed() -> None:
    outcome = plan.condition("FailureTarget", "R", "m", p.NOW)
    made = count(look(job(), worker("a")), outcome)
    assert made.status["uncountedTerminatedPods"] == {"failed": ["uid-a"]}
    assert [item["type"] for item in made.status["conditions"]] == ["FailureTarget"]
    assert made.outcome is not None
    assert made.outcome["type"] == "Failed"
    assert not tracking.finish(made, p.NOW)
    tracking.settle(made.status, set())
    assert tracking.finish(made, p.NOW)
    assert made.status["failed"] == 1


def test_ignored_failures_are_not_counted() -> None:
    policy = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}
    lost = worker("a", "Failed", status=DISRUPTED)
    made = count(look(job(podFailurePolicy=policy, backoffLimit=0), lost))
    assert (made.status["uncountedTerminatedPods"], made.release) == ({}, [lost])
