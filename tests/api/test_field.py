"""How values stand in messages."""

import pytest

from kijabi.api import errors, field


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", '"plain"'),
        ("\0", r'"\x00"'),
        ("\x7f", r'"\x7f"'),
        ('a\n\t"\\', r'"a\n\t\"\\"'),
        ("\b\v\a", r'"\b\v\a"'),
        ("\u200b", r'"\u200b"'),
        ("\U000e0001", r'"\U000e0001"'),
        ("ü", '"ü"'),
    ],
)
def test_texts_are_quoted_as_go_quotes_them(text: str, quoted: str) -> None:
    assert field.quoted(text) == quoted
    assert str(field.invalid("spec.x", text, "no")) == f"spec.x: Invalid value: {quoted}: no"
    assert errors.not_found("pods", text).message == f"pods {quoted} not found"
