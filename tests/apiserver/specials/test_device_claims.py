"""Who may ask for devices that others use."""

from __future__ import annotations

from typing import Any

import pytest

from kijabi.apiserver.specials import device_claims


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ([], ""),
        ([{"exactly": {"adminAccess": False}}], ""),
        ([{"exactly": {}}, {"exactly": {"adminAccess": True}}], "spec.devices.requests[1].adminAccess"),
        ([{"firstAvailable": [{}, {"adminAccess": True}]}], "spec.devices.requests[0].adminAccess"),
    ],
)
def test_what_asks_for_admin_access(requests: list[Any], expected: str) -> None:
    assert device_claims.wanted({"devices": {"requests": requests}}) == expected
