import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kijabi.kit import jsons, yamls


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1:20", "1:20"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("0644", 0o644),
        ("0o644", 0o644),
        ("0x1F", 31),
        ("-12", -12),
        ("08", 8.0),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        (".5", 0.5),
        (".inf", math.inf),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("1.2.3", "1.2.3"),
        ("'12'", "12"),
    ],
)
def test_yaml_scalars(text: str, value: object) -> None:
    assert yamls.loads(f"a: {text}") == {"a": value}


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\x00", "a: &x [*x, *y]"])
def test_what_is_not_yaml_is_refused(text: str) -> None:
    with pytest.raises(yamls.Malformed):
        yamls.loads(text)


def test_yaml_documents_come_without_the_empty_ones() -> None:
    assert yamls.loads_all("a: 1\n---\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]


def test_yaml_written_is_yaml_read() -> None:
    value = {"text": "yes", "number": "012", "list": [1, None, True], "키": "값", "shared": [{"a": 1}] * 2}
    assert yamls.loads(yamls.dumps(value)) == value
    assert "&" not in yamls.dumps(value)


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.booleans(), st.none(), st.integers(-(2**63), 2**63 - 1))))
@example({"y": "n", "a": "1e3", "b": "0o7", "c": "0644", "d": "~", "e": "1:20", "f": "2020-01-01"})
def test_whatever_is_written_as_yaml_is_read_as_it_was(document: dict[str, object]) -> None:
    printable = {key: value for key, value in document.items() if f"{key}{value}".isprintable()}
    assert yamls.loads(yamls.dumps(printable)) == printable


def test_json_is_refused_when_nested_too_deep_to_be_written_again() -> None:
    deep = b"[" * 201 + b"]" * 201
    with pytest.raises(jsons.Malformed, match="depth"):
        jsons.loads(deep)
    assert jsons.dumps(jsons.loads(b"[" * 200 + b"]" * 200))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"a": 1, "b": {"a": 2}}', []),
        (b'{"a": 1, "a": 2}', ["a"]),
        (b'{"s": {"r": 1, "r": 2, "r": 3}}', ["s.r", "s.r"]),
        (b'{"c": [{"n": 1}, {"n": 1, "n": 2}]}', ["c[1].n"]),
    ],
    ids=["none", "top", "thrice", "in a list"],
)
def test_duplicate_keys_are_found_by_path(text: bytes, found: list[str]) -> None:
    assert jsons.duplicate_keys(text) == found
