import pytest

from kijabi.kit import backoff


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (1, 1), (2, 2), (4, 8), (5, 10), (5000, 10)],
    ids=["none yet", "first", "doubles", "still below", "capped", "no overflow"],
)
def test_delays_double_up_to_the_ceiling(failures: int, seconds: float) -> None:
    assert backoff.Policy(base=1, ceiling=10).delay(failures) == seconds


def test_jitter_only_adds() -> None:
    delays = {backoff.Policy(base=1, ceiling=10, jitter=0.5).delay(1) for _ in range(50)}
    assert len(delays) > 1
    assert all(1 <= delay <= 1.5 for delay in delays)


def test_items_back_off_apart_and_start_afresh_when_forgotten() -> None:
    items = backoff.PerItem(backoff.Policy(base=1, ceiling=10))
    assert [items.fail("a"), items.fail("a"), items.fail("b")] == [1, 2, 1]
    items.forget("a")
    assert (items.fail("a"), items.failures("a"), items.failures("b")) == (1, 1, 1)
