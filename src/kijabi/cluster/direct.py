"""Single requests to a cluster's API server for verbs that live for a second.

``client`` is the road for everything that runs; this one is the standard library's, because importing an event loop
and an HTTP client takes a third of a second, which is a third of the time in which ``up`` has an API server ready.
"""

from __future__ import annotations

import base64
import http.client
import ssl
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any

from kijabi.api import errors as api_errors
from kijabi.api.resource import Object, Resource
from kijabi.cluster import errors
from kijabi.kit import jsons, yamls


class Api:
    """As whom a kubeconfig speaks. Raises ``api.errors`` for a status of 400 and above, ``Unreachable`` for none."""

    def __init__(self, kubeconfig: Path) -> None:
        try:
            config = yamls.loads(kubeconfig.read_bytes())
        except FileNotFoundError as error:
            raise errors.NotRunning(f"{kubeconfig} is missing: run `kijabi up` again") from error
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server: str = cluster["server"]
        self._tls = ssl.create_default_context(cadata=_decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as pair:
            # ssl reads a certificate and its key from files only.
            pair.write(_decode(user["client-certificate-data"]) + _decode(user["client-key-data"]))
            pair.flush()
            self._tls.load_cert_chain(pair.name)

    def request(
        self, method: str, path: str, body: Any = None, *, server: str = "", kind: str = "application/json"
    ) -> Any:
        """One exchange; JSON in, JSON (or text) out. ``server`` is another than the API server, with the same trust."""
        address = urllib.parse.urlsplit(server or self.server)
        connection = http.client.HTTPSConnection(address.hostname or "", address.port, timeout=10, context=self._tls)
        try:
            headers = {"Accept": "application/json, */*", "Content-Type": kind, "User-Agent": "kijabi"}
            connection.request(method, path, jsons.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{server or self.server} does not answer: {error}") from error
        finally:
            connection.close()
        return _read(answer, data)

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object | None:
        try:
            found: Object = self.request("GET", resource.path(namespace, name))
        except api_errors.ApiError as error:
            if error.code == 404:
                return None
            raise
        return found

    def list(self, resource: Resource, namespace: str = "", *, labels: str = "") -> list[Object]:
        query = f"?{urllib.parse.urlencode({'labelSelector': labels})}" if labels else ""
        return list(self.request("GET", resource.path(namespace) + query).get("items") or ())

    def ensure(self, resource: Resource, wanted: Object) -> None:
        """Create it, or bring what is there to the same fields (a merge patch).

        It looks first: to create a Service that exists fails on its address before it fails on its name.
        """
        meta = wanted["metadata"]
        namespace = meta.get("namespace", "")
        if self.get(resource, meta["name"], namespace) is None:
            self.request("POST", resource.path(namespace), wanted)
        else:
            path = resource.path(namespace, meta["name"])
            self.request("PATCH", path, wanted, kind="application/merge-patch+json")

    def delete(self, resource: Resource, name: str, namespace: str = "") -> None:
        """That it is not there is fine."""
        try:
            self.request("DELETE", resource.path(namespace, name))
        except api_errors.ApiError as error:
            if error.code != 404:
                raise


class Unreachable(errors.NotRunning):
    """No answer came."""


def _read(answer: http.client.HTTPResponse, data: bytes) -> Any:
    is_json = (answer.headers.get_content_type() or "").endswith("json")
    try:
        content = jsons.loads(data) if is_json and data else data.decode(errors="replace")
    except jsons.Malformed:
        content = data.decode(errors="replace")
    if answer.status >= 400:
        status = content if isinstance(content, dict) else {"message": str(content)[:500], "code": answer.status}
        raise api_errors.from_status(status, answer.status)
    return content


def _decode(text: str) -> bytes:
    return base64.b64decode(text)
