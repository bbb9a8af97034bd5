"""Times, Go durations and ages."""

import pytest

from kijabi.api import timestamps


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.999Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05+09:00", "2026-01-01T18:04:05Z"),
        ("1960-01-01T00:00:00Z", "1960-01-01T00:00:00Z"),
    ],
)
def test_times_become_utc_seconds(text: str, expected: str) -> None:
    assert timestamps.canonical(text) == expected


def test_micro_times_have_six_decimals() -> None:
    assert timestamps.canonical_micro("2026-01-02T03:04:05.1Z") == "2026-01-02T03:04:05.100000Z"
    assert timestamps.format_micro(1.5) == "1970-01-01T00:00:01.500000Z"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'),
        ("2026-01-02", 'parsing time "2026-01-02" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        ("2026-13-02T03:04:05Z", 'parsing time "2026-13-02T03:04:05Z": month out of range'),
        ("2026-02-30T03:04:05Z", 'parsing time "2026-02-30T03:04:05Z": day out of range'),
    ],
)
def test_bad_times_are_explained_as_go_does(text: str, message: str) -> None:
    with pytest.raises(timestamps.Malformed) as error:
        timestamps.parse(text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m30s", 330), ("1h", 3600), ("-1.5s", -1.5), ("150ms", 0.15), ("0", 0), ("1h0m0.5s", 3600.5)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert timestamps.parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(330, "5m30s"), (3600, "1h0m0s"), (0, "0s"), (1.5, "1.5s"), (0.15, "150ms"), (-61, "-1m1s")]
)
def test_durations_are_written(seconds: float, text: str) -> None:
    assert timestamps.format_duration(seconds) == text


@pytest.mark.parametrize("text", ["", "5", "5x", "s", "1h5"])
def test_bad_durations_are_refused(text: str) -> None:
    with pytest.raises(timestamps.Malformed, match="time: "):
        timestamps.parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (600, "10m"),
        (10799, "179m"),
        (3600 * 7 + 60, "7h1m"),
        (3600 * 47, "47h"),
        (86400 * 3 + 3600 * 4, "3d4h"),
        (86400 * 8, "8d"),
        (86400 * 365 * 3 + 86400, "3y1d"),
        (86400 * 365 * 9, "9y"),
    ],
)
def test_ages_are_short(seconds: float, text: str) -> None:
    assert timestamps.human(seconds) == text
