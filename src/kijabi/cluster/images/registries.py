"""Whether images can be pulled, or have to come from this machine's packages."""

from __future__ import annotations

import http.client
import ssl

DEFAULT_REGISTRY = "docker.io"
_PATIENCE = 3.0


def answers(host: str = DEFAULT_REGISTRY, patience: float = _PATIENCE) -> bool:
    """Whether the registry gives any answer over HTTPS within ``patience`` seconds; a proxy's refusal is none."""
    connection = http.client.HTTPSConnection(host, timeout=patience, context=ssl.create_default_context())
    try:
        connection.request("HEAD", "/v2/")
        return connection.getresponse().status not in (403, 407, 502, 503, 504)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
