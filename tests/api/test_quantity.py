"""Quantities: canonical text, exact arithmetic, upstream's refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kijabi.api import quantity

CANONICAL = [
    ("0", "0"),
    ("1", "1"),
    ("0.5", "500m"),
    (".5", "500m"),
    ("5.", "5"),
    ("+1", "1"),
    ("-1.5", "-1500m"),
    ("1000", "1k"),
    ("1000000", "1M"),
    ("1500m", "1500m"),
    ("1024Mi", "1Gi"),
    ("1.5Gi", "1536Mi"),
    ("0.5Ki", "512"),
    ("1.1Ki", "1126400m"),
    ("1e3", "1e3"),
    ("1E3", "1e3"),
    ("12e6", "12e6"),
    ("1E", "1E"),
    ("0.1n", "1n"),
    ("0.0001m", "100n"),
    ("0Gi", "0"),
]


@pytest.mark.parametrize(("text", "expected"), CANONICAL, ids=[text for text, _ in CANONICAL])
def test_text_is_written_canonically(text: str, expected: str) -> None:
    assert str(quantity.parse(text)) == expected


@pytest.mark.parametrize("text", ["", "abc", "1Xi", "1 Gi", "1..2", "１"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(quantity.Malformed, match="quantities must match the regular expression"):
        quantity.parse(text)


@pytest.mark.parametrize("text", ["1e", "1mm", "1KM", "Gi1", "--1"])
def test_unknown_suffixes_are_refused(text: str) -> None:
    with pytest.raises(quantity.Malformed, match="unable to parse quantity's suffix"):
        quantity.parse(text)


@pytest.mark.parametrize(
    ("text", "value", "milli"), [("1500m", 2, 1500), ("1", 1, 1000), ("100u", 1, 1), ("-1500m", -2, -1500)]
)
def test_value_and_milli_round_away_from_zero(text: str, value: int, milli: int) -> None:
    assert (quantity.parse(text).value(), quantity.parse(text).milli()) == (value, milli)


def test_worth_is_compared_whatever_the_family() -> None:
    assert quantity.parse("1") == quantity.parse("1000m")
    assert quantity.parse("1Ki") > quantity.parse("1k")
    assert hash(quantity.parse("1k")) == hash(quantity.parse("1e3"))


def test_huge_exponents_do_not_eat_the_memory() -> None:
    assert quantity.parse("1e999999999").nanos > 0


amounts = st.builds(
    lambda n, suffix: f"{n}{suffix}",
    st.integers(-(10**12), 10**12),
    st.sampled_from(["", "n", "u", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "e3", "e-3"]),
)


@given(amounts)
def test_canonical_text_is_stable_and_worth_the_same(text: str) -> None:
    parsed = quantity.parse(text)
    again = quantity.parse(str(parsed))
    assert str(again) == str(parsed)
    assert again == parsed


@given(amounts, amounts)
def test_sums_are_exact(left: str, right: str) -> None:
    total = quantity.parse(left) + quantity.parse(right)
    assert total - quantity.parse(right) == quantity.parse(left)


def test_resource_lists_add_up_name_by_name() -> None:
    first, second = quantity.resource_list({"cpu": "1", "memory": "1Gi"}), quantity.resource_list({"cpu": "500m"})
    assert quantity.texts(quantity.total(first, second)) == {"cpu": "1500m", "memory": "1Gi"}
