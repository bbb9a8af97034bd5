"""ServiceAccounts."""

from __future__ import annotations

from typing import Any

from kijabi.api import printing, served
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "serviceaccounts")
COLUMNS = (printing.NAME, printing.AGE)


def columns(obj: Object, now: float) -> list[Any]:
    return [printing.name(obj), printing.age(obj, now)]
