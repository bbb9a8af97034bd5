"""The selectors of an access review as the text that authorizers read, and what could not be read of them.

What cannot be read is left out: selectors only narrow, so what is asked then is at least what was meant.
Source: kubernetes.io KEP-4601; pkg/registry/authorization/util for the texts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kijabi.api import labels, selectors

_LABELS = {"In": "in", "NotIn": "notin"}


def read(asked: dict[str, Any], key: str) -> tuple[str, str]:
    """``key`` is fieldSelector or labelSelector. (text, problem): the problem is empty or the evaluation error."""
    selector = asked.get(key) or {}
    parse, one_text = (selectors.parse_fields, _field) if key == "fieldSelector" else (labels.parse, _label)
    requirements = selector.get("requirements") or ()
    if not requirements:
        text = str(selector.get("rawSelector") or "")
        return (text, "") if _reads(parse, text) else ("", _problem(key, ""))
    terms = [one_text(one) for one in requirements]
    good = [term for term in terms if term and _reads(parse, term)]
    return ",".join(good), "" if len(good) == len(terms) else _problem(key, ",".join(good))


def _problem(key: str, kept: str) -> str:
    return f"spec.resourceAttributes.{key} {'partially ' if kept else ''}ignored due to parse error"


def _reads(parse: Callable[[str], Any], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _field(one: dict[str, Any]) -> str:
    operator, values = one.get("operator"), one.get("values") or []
    if operator not in ("In", "NotIn") or len(values) != 1:
        return ""
    return f"{one.get('key', '')}{'=' if operator == 'In' else '!='}{selectors.escape(values[0])}"


def _label(one: dict[str, Any]) -> str:
    key, operator, values = one.get("key", ""), one.get("operator"), one.get("values") or []
    if operator in ("Exists", "DoesNotExist"):
        return "" if values else f"{'' if operator == 'Exists' else '!'}{key}"
    if operator not in _LABELS or not values:
        return ""
    return f"{key} {_LABELS[operator]} ({','.join(values)})"
