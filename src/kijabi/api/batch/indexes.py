"""Indexes of Indexed jobs as a text: ``0,2-5,9``, in rising order."""

from __future__ import annotations

Interval = tuple[int, int]


class Malformed(ValueError):
    """Not such a text; the message is upstream's."""


def _number(text: str, completions: int) -> int:
    try:
        found = int(text)
    except ValueError as error:
        raise Malformed(f'cannot convert string to integer for index: "{text}"') from error
    if found >= completions:
        raise Malformed(f'too large index: "{text}"')
    return found


def _interval(text: str, completions: int) -> Interval:
    limits = text.split("-")
    if len(limits) > 2:
        raise Malformed(
            f'the fragment "{text}" violates the requirement that an index interval can have at most two parts '
            "separated by '-'"
        )
    first = last = _number(limits[0], completions)
    if len(limits) == 2:
        last = _number(limits[1], completions)
        if first >= last:
            raise Malformed(f"non-increasing order, previous: {first}, current: {last}")
    return first, last


def parse(text: str, completions: int) -> list[Interval]:
    """The intervals, both ends counted in. ``Malformed`` where one is not below ``completions`` or out of order."""
    found: list[Interval] = []
    for part in text.split(",") if text else ():
        first, last = _interval(part, completions)
        if found and found[-1][1] >= first:
            raise Malformed(f"non-increasing order, previous: {found[-1][1]}, current: {first}")
        found.append((first, last))
    return found


def count(intervals: list[Interval]) -> int:
    return sum(last - first + 1 for first, last in intervals)


def overlap(one: str, other: str, completions: int) -> int | None:
    """The first index that is in both texts; parts that cannot be read count for nothing."""
    pairs = ((a, b) for a in _readable(one, completions) for b in _readable(other, completions))
    shared = [max(a[0], b[0]) for a, b in pairs if a[0] <= b[1] and b[0] <= a[1]]
    return min(shared, default=None)


def _readable(text: str, completions: int) -> list[Interval]:
    found = []
    for part in text.split(",") if text else ():
        try:
            found.append(_interval(part, completions))
        except Malformed:
            continue
    return found
