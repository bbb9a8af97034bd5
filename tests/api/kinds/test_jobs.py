"""Jobs: policies about pods that fail, indexes, what may change, and what may be said in a status."""

from __future__ import annotations

from typing import Any

import pytest

from kijabi.api.batch import indexes

POD = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}
BASE: dict[str, Any] = {"spec": {"template": {"spec": POD}}}
INDEXED: dict[str, Any] = {"spec": {"template": {"spec": POD}, "completionMode": "Indexed", "completions": 5}}
RULE = "spec.podFailurePolicy.rules[0]"
STARTED = ("status.startTime", "2026-01-01T00:00:00Z")


def condition(kind: str) -> dict[str, str]:
    return {"type": kind, "status": "True"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1, 42]}}, []),
        (
            {"onExitCodes": {"operator": "In", "values": [1]}},
            [f'{RULE}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'],
        ),
        (
            {"action": "Ignore"},
            [f"{RULE}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"],
        ),
        (
            {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1]}},
            [f'{RULE}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set'],
        ),
        (
            {"action": "Count", "onExitCodes": {"operator": "In", "values": [2, 0, 2]}},
            [
                f"{RULE}.onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
                f"{RULE}.onExitCodes.values[2]: Duplicate value: 2",
                f"{RULE}.onExitCodes.values: Invalid value: [2,0,2]: must be ordered",
            ],
        ),
        (
            {"action": "Count", "onExitCodes": {"operator": "NotIn", "values": [1], "containerName": "other"}},
            [
                f'{RULE}.onExitCodes.containerName: Invalid value: "other": must be one of the container or '
                "initContainer names in the pod template"
            ],
        ),
        ({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}, []),
    ],
)
def test_rules_about_pods_that_fail(trial: Any, rule: dict[str, Any], expected: list[str]) -> None:
    assert trial("batch/v1", "Job", BASE).create(("spec.podFailurePolicy", {"rules": [rule]})) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([{"succeededIndexes": "0,2-4"}], []),
        (
            [],
            [
                "spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy "
                "is specified"
            ],
        ),
        (
            [{"succeededCount": 3, "succeededIndexes": "1-2"}],
            [
                "spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 (the "
                "number of indexes in the specified succeededIndexes field)"
            ],
        ),
        (
            [{"succeededIndexes": "3,1"}],
            [
                'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "3,1": error parsing succeededIndexes: '
                "non-increasing order, previous: 3, current: 1"
            ],
        ),
    ],
)
def test_when_an_indexed_job_is_done(trial: Any, rules: list[dict[str, Any]], expected: list[str]) -> None:
    assert trial("batch/v1", "Job", INDEXED).create(("spec.successPolicy", {"rules": rules})) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([("spec.managedBy", "example.com/mine")], []),
        (
            [("spec.managedBy", "mine")],
            [
                'spec.managedBy: Invalid value: "mine": must be a domain-prefixed path (such as "acme.io/foo")',
            ],
        ),
        ([("spec.managedBy", "")], ["spec.managedBy: Required value"]),
        (
            [("spec.completionMode", "Other")],
            ['spec.completionMode: Unsupported value: "Other": supported values: "NonIndexed", "Indexed"'],
        ),
        (
            [("spec.template.spec.restartPolicy", "Always")],
            ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
        ),
        (
            [("spec.selector", {"matchLabels": {"a": "b"}}), ("spec.manualSelector", True)],
            ["spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`"],
        ),
        (
            [("spec.completionMode", "Indexed"), ("spec.completions", 1), ("metadata.name", "a.b")],
            ['metadata.name: Invalid value: "a.b": will not able to create pod with invalid DNS label: a.b-0'],
        ),
    ],
)
def test_what_a_job_must_be(trial: Any, changes: list[tuple[str, Any]], expected: list[str]) -> None:
    assert trial("batch/v1", "Job", BASE).create(*changes) == expected


def test_labels_of_the_template_are_the_jobs_own_unless_it_has_some(trial: Any) -> None:
    job = trial("batch/v1", "Job", BASE)
    bare, labelled = job.made(), job.made(("metadata.labels", {"mine": "x"}))
    assert bare["metadata"]["labels"] == bare["spec"]["template"]["metadata"]["labels"]
    assert bare["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "x"
    assert labelled["metadata"]["labels"] == {"mine": "x"}


RESTING = (("spec.suspend", True),)


@pytest.mark.parametrize(
    ("change", "before", "refused"),
    [
        (("spec.template.spec.nodeSelector", {"a": "b"}), (), "spec.template"),
        (("spec.template.spec.nodeSelector", {"a": "b"}), RESTING, ""),
        (("spec.template.spec.containers[0].resources", {"requests": {"cpu": "1"}}), RESTING, ""),
        (("spec.template.spec.containers[0].image", "j:1"), RESTING, "spec.template.spec"),
        (("spec.template.spec.nodeSelector", {"a": "b"}), (*RESTING, STARTED), "spec.template"),
        (
            ("spec.template.spec.nodeSelector", {"a": "b"}),
            (*RESTING, STARTED, ("status.conditions", [condition("Suspended")])),
            "",
        ),
        (("spec.parallelism", 9), (), ""),
        (("spec.completions", 9), (), "spec.completions"),
    ],
)
def test_what_may_change(trial: Any, change: tuple[str, Any], before: Any, refused: str) -> None:
    found = trial("batch/v1", "Job", BASE).update(change, before=before)
    assert [text.partition(":")[0] for text in found] == ([refused] if refused else [])
    assert all(text.endswith("field is immutable") for text in found)


def test_an_indexed_job_grows_in_both_numbers_at_once(trial: Any) -> None:
    job = trial("batch/v1", "Job", INDEXED)
    assert job.update(("spec.completions", 7), ("spec.parallelism", 7)) == []
    assert job.update(("spec.completions", 7)) == [
        "spec.completions: Invalid value: 7: can only be modified in tandem with spec.parallelism"
    ]


DONE = [condition("SuccessCriteriaMet"), condition("Complete")]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"active": 1, "ready": 1}, []),
        ({"active": 1, "ready": 2}, ["status.ready: Invalid value: 2: cannot set more ready pods than active"]),
        (
            {"completionTime": "2026-01-01T00:01:00Z"},
            [
                'status.completionTime: Invalid value: "2026-01-01T00:01:00Z": cannot set completionTime when there is '
                "no Complete=True condition"
            ],
        ),
        (
            {"startTime": "2026-01-01T00:02:00Z", "completionTime": "2026-01-01T00:01:00Z", "conditions": DONE},
            [
                'status.completionTime: Invalid value: "2026-01-01T00:01:00Z": must be equal to or after `startTime`',
            ],
        ),
        (
            {"startTime": "2026-01-01T00:00:00Z", "conditions": [condition("Failed")]},
            [
                "status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true "
                "condition"
            ],
        ),
        (
            {"conditions": [condition("FailureTarget"), condition("Failed")], "active": 1},
            [
                "status.active: Invalid value: 1: active>0 is invalid for finished job",
                "status.startTime: Required value: startTime is required for finished job",
            ],
        ),
        (
            {"uncountedTerminatedPods": {"succeeded": ["a", ""], "failed": ["a"]}},
            [
                'status.uncountedTerminatedPods.succeeded[1]: Invalid value: "": must not be empty',
                'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
            ],
        ),
        (
            {"completedIndexes": "0"},
            [
                'status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed '
                "completion mode"
            ],
        ),
    ],
)
def test_what_a_status_may_say(trial: Any, status: dict[str, Any], expected: list[str]) -> None:
    assert trial("batch/v1", "Job", BASE).status(("status", status)) == expected


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({"failed": 2}, {"failed": 1}, "status.failed: Invalid value: 1: cannot decrease the failed counter"),
        (
            {"startTime": "2026-01-01T00:00:00Z"},
            {"startTime": "2026-01-01T00:00:01Z"},
            'status.startTime: Invalid value: "2026-01-01T00:00:01Z": field is immutable for unsuspended job once set',
        ),
        (
            {"conditions": [condition("FailureTarget")]},
            {"conditions": []},
            "status.conditions: Invalid value: cannot disable the terminal FailureTarget=True condition",
        ),
    ],
)
def test_what_a_status_may_not_take_back(
    trial: Any, before: dict[str, Any], now: dict[str, Any], expected: str
) -> None:
    found = trial("batch/v1", "Job", BASE).status(("status", now), before=(("status", before),))
    assert found == [expected]


@pytest.mark.parametrize(
    ("one", "other", "shared"), [("0-3", "2", 2), ("0,4", "1-3", None), ("x,3", "3", 3), ("", "1", None)]
)
def test_indexes_in_two_texts(one: str, other: str, shared: int | None) -> None:
    assert indexes.overlap(one, other, 9) == shared


def test_indexes_are_intervals() -> None:
    assert indexes.parse("0,2-4", 5) == [(0, 0), (2, 4)]
    assert indexes.count(indexes.parse("0,2-4", 5)) == 4
    with pytest.raises(indexes.Malformed, match='too large index: "4"'):
        indexes.parse("0,2-4", 4)


CRON: dict[str, Any] = {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": POD}}}}}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec.schedule", "@hourly", []),
        ("spec.schedule", "1-2-3 * * * *", ['spec.schedule: Invalid value: "1-2-3 * * * *": too many hyphens: 1-2-3']),
        (
            "spec.schedule",
            "TZ=Nowhere * * * * *",
            [
                'spec.schedule: Invalid value: "TZ=Nowhere * * * * *": provided bad location Nowhere: unknown time '
                "zone Nowhere",
                'spec.schedule: Invalid value: "TZ=Nowhere * * * * *": cannot use TZ or CRON_TZ in schedule, use '
                "timeZone field instead",
            ],
        ),
        ("spec.timeZone", "Asia/Seoul", []),
        (
            "spec.timeZone",
            "Mars/Olympus",
            ['spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus'],
        ),
        (
            "metadata.name",
            "a" * 53,
            [f'metadata.name: Invalid value: "{"a" * 53}": must be no more than 52 characters'],
        ),
        (
            "spec.jobTemplate.spec.manualSelector",
            True,
            ['spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"'],
        ),
    ],
)
def test_what_a_cron_job_must_be(trial: Any, path: str, value: Any, expected: list[str]) -> None:
    assert trial("batch/v1", "CronJob", CRON).create((path, value)) == expected


def test_a_zone_in_a_schedule_stays_where_it_was_but_not_beside_the_field(trial: Any) -> None:
    cron, old = trial("batch/v1", "CronJob", CRON), (("spec.schedule", "TZ=UTC 0 * * * *"),)
    assert cron.update(("spec.schedule", "TZ=UTC 1 * * * *"), before=old) == []
    assert cron.update(("spec.timeZone", "UTC"), before=old) == [
        'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use both timeZone field and TZ or CRON_TZ in schedule'
    ]
