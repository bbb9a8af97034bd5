"""Sets of completion indexes and their text form: ``1,3-5,7``."""

from __future__ import annotations

from collections.abc import Iterable

from kijabi.api.resource import Object

ANNOTATION = "batch.kubernetes.io/job-completion-index"


def parse(text: str, completions: int) -> frozenset[int]:
    """The indexes below ``completions``; what cannot be read is left out, for the text may be somebody else's."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            continue
        found.update(range(int(first), min(int(last) if dash else int(first), completions - 1) + 1))
    return frozenset(found)


def text(indexes: Iterable[int]) -> str:
    """Two neighbours are a list (``1,2``), three or more a range (``1-3``)."""
    spans: list[list[int]] = []
    for index in sorted(indexes):
        if spans and index == spans[-1][1] + 1:
            spans[-1][1] = index
        else:
            spans.append([index, index])
    return ",".join(_span(first, last) for first, last in spans)


def _span(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"


def of(pod: Object) -> int | None:
    """The completion index of a pod; None where it has none that can be read."""
    value = (pod["metadata"].get("annotations") or {}).get(ANNOTATION, "")
    return int(value) if value.isdecimal() else None
