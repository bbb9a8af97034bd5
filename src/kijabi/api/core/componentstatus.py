"""ComponentStatuses: read-only, deprecated, computed by the API server when asked for."""

from __future__ import annotations

from typing import Any

from kijabi.api import printing, served
from kijabi.api.resource import Object

RESOURCE = served.find("v1", "componentstatuses")
COLUMNS = (
    printing.NAME,
    printing.text("Status", "Status of the component conditions"),
    printing.text("Message", "Message of the component conditions"),
    printing.text("Error", "Error of the component conditions"),
)


def columns(obj: Object, now: float) -> list[Any]:
    for condition in obj.get("conditions") or ():
        if condition.get("type") == "Healthy":
            status = "Healthy" if condition.get("status") == "True" else "Unhealthy"
            return [printing.name(obj), status, condition.get("message", ""), condition.get("error", "")]
    return [printing.name(obj), "Unknown", "", ""]
