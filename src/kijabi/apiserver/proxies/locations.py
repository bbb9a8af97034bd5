"""Where a proxied request goes and with which query: pure functions of the pod, the node and the request.

Source: the API reference's pod log, exec, attach, portforward and proxy operations; upstream's texts.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from kijabi.api import errors, field, timestamps
from kijabi.api.predicates import pods
from kijabi.apiserver import contract

Object = contract.Object
Query = Mapping[str, Sequence[str]]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_NEGATIVE = "must be greater than or equal to 0"
_NOT_POSITIVE = "must be greater than 0"


def split(text: str) -> tuple[str, str, str] | None:
    """(scheme, name, port) of ``name``, ``name:port`` or ``scheme:name:port``; None for anything else."""
    parts = text.split(":")
    scheme, name, port = ["", *parts, ""] if len(parts) == 1 else ["", *parts] if len(parts) == 2 else parts[:3]
    known = len(parts) <= 3 and scheme in ("", "http", "https") and _NAME.fullmatch(name)
    # A single empty part of three is "no port"; of two it is a mistake that upstream lets pass as well.
    return (scheme or "http", name, port) if known and (port == "" or _is_port(port)) else None


def _is_port(text: str) -> bool:
    if text.isdecimal():
        return 0 < int(text) < 65536
    return bool(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", text))


def container(pod: Object, asked: str) -> str:
    """The container meant: the one asked for, or the only one. Raises BadRequest."""
    name = pod["metadata"]["name"]
    ephemeral = pod["spec"].get("ephemeralContainers") or ()
    everyone = [one.get("name", "") for one in (*pods.containers(pod), *ephemeral)]
    if asked:
        if asked not in everyone:
            raise errors.BadRequest(f"container {asked} is not valid for pod {name}")
        return asked
    plain = pod["spec"].get("containers") or []
    if len(plain) == 1:
        return str(plain[0]["name"])
    text = f"a container name must be specified for pod {name}"
    raise errors.BadRequest(f"{text}, choose one of: [{' '.join(everyone)}]" if plain else text)


def host(pod: Object) -> str:
    """The node a pod is on. Raises BadRequest where it has none yet."""
    node = pod["spec"].get("nodeName", "")
    if not node:
        raise errors.BadRequest(f"pod {pod['metadata']['name']} does not have a host assigned")
    return str(node)


def _flag(query: Query, name: str) -> bool:
    values = query.get(name)
    # As upstream converts a query parameter: there and not "false" or "0", also when empty.
    return bool(values) and values[0].lower() not in ("false", "0")  # type: ignore[index]


def _integer(query: Query, name: str) -> int | None:
    values = query.get(name)
    if not values or not values[0]:
        return None
    try:
        return int(values[0])
    except ValueError as error:
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{values[0]}": invalid syntax') from error


def log_query(query: Query, pod_name: str) -> str:
    """The kubelet's query for a log request. Raises Invalid, BadRequest."""
    numbers = {name: _integer(query, name) for name in ("sinceSeconds", "tailLines", "limitBytes")}
    since = (query.get("sinceTime") or [""])[0]
    problems = _log_problems(numbers, since)
    if problems:
        raise errors.invalid("PodLogOptions", pod_name, problems)
    wanted = [(name, "true") for name in ("follow", "previous", "timestamps") if _flag(query, name)]
    wanted += [(name, str(number)) for name, number in numbers.items() if number is not None]
    if since:
        wanted.append(("sinceTime", _time(since)))
    stream = (query.get("stream") or [""])[0]
    if stream and stream != "All":
        wanted.append(("stream", stream))
    return urlencode(sorted(wanted))


def _log_problems(numbers: Mapping[str, int | None], since: str) -> list[field.Error]:
    found = []
    seconds, lines, size = numbers["sinceSeconds"], numbers["tailLines"], numbers["limitBytes"]
    if lines is not None and lines < 0:
        found.append(field.invalid("tailLines", lines, _NEGATIVE))
    if size is not None and size < 1:
        found.append(field.invalid("limitBytes", size, _NOT_POSITIVE))
    if seconds is not None and since:
        found.append(field.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif seconds is not None and seconds < 1:
        found.append(field.invalid("sinceSeconds", seconds, _NOT_POSITIVE))
    return found


def _time(text: str) -> str:
    try:
        return timestamps.canonical(text)
    except timestamps.Malformed as error:
        raise errors.BadRequest(str(error)) from error


# The API's names of the streams, and the kubelet's.
_STREAMS = (("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty"))


def stream_query(query: Query, *, command: bool) -> str:
    """The kubelet's query for exec (with a command) or attach. Whether it makes sense is the kubelet's to say."""
    wanted = [(short, "1") for name, short in _STREAMS if _flag(query, name)]
    if command:
        wanted += [("command", word) for word in query.get("command") or ()]
    return urlencode(wanted)


def port_forward_query(query: Query) -> str:
    """``ports``, which only WebSocket clients name up front, as one parameter of the kubelet's."""
    ports = [port for value in query.get("ports") or () for port in value.split(",")]
    for port in ports:
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise errors.BadRequest(f'unable to parse "{port}" as a port')
    return urlencode({"port": ",".join(ports)}) if ports else ""


def kubelet_path(kind: str, pod: Object, inside: str = "") -> str:
    """``/exec/NS/POD/CONTAINER``."""
    meta = pod["metadata"]
    parts = [kind, meta["namespace"], meta["name"], *([inside] if inside else [])]
    return "/" + "/".join(quote(part, safe="") for part in parts)


def kubelet_address(node: Object, preferred: Sequence[str]) -> tuple[str, int]:
    """Host and port of a node's kubelet. Raises InternalError where the node says no address of a preferred type."""
    status = node.get("status") or {}
    by_type: dict[str, str] = {}
    for one in status.get("addresses") or ():
        by_type.setdefault(one.get("type", ""), one.get("address", ""))
    port = int(((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or 10250)
    for kind in preferred:
        if by_type.get(kind):
            return by_type[kind], port
    listed = " ".join(f"{{{kind} {address}}}" for kind, address in by_type.items())
    raise errors.ApiError(f"no preferred addresses found; known addresses: [{listed}]")


def pod_location(pod: Object, port: str) -> tuple[str, int]:
    """Address and port that a request to a pod's proxy goes to. Raises BadRequest."""
    address = (pod.get("status") or {}).get("podIP", "")
    check_proxyable(address)
    if port.isdecimal():
        return address, int(port)
    declared = [one for part in pod["spec"].get("containers") or () for one in part.get("ports") or ()]
    for one in declared:
        if not port or one.get("name") == port:
            return address, int(one["containerPort"])
    if port:
        raise errors.BadRequest(f'no port named "{port}" found in pod {pod["metadata"]["name"]}')
    return address, 0


def check_proxyable(address: str) -> None:
    """Refuses what would let a caller reach the server's own loopback or link."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError as error:
        raise errors.BadRequest("address not allowed") from error
    if parsed.is_loopback or parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified:
        raise errors.BadRequest("address not allowed")


def service_port(service: Object, port: str) -> str:
    """The name of a service port given by name or number. Raises ServiceUnavailable for a number it has not."""
    if not port.isdecimal():
        return port
    for one in service["spec"].get("ports") or ():
        if one.get("port") == int(port):
            return str(one.get("name", ""))
    name = service["metadata"]["name"]
    raise errors.ServiceUnavailable(f'no service port {port} found for service "{name}"')


def service_backends(slices: Sequence[Object], port_name: str) -> list[tuple[str, int]]:
    """Addresses and ports of the ready pods behind a service's port."""
    found = []
    for one in slices:
        ports = [int(port["port"]) for port in one.get("ports") or () if (port.get("name") or "") == port_name]
        if not ports:
            continue
        for endpoint in one.get("endpoints") or ():
            ready = (endpoint.get("conditions") or {}).get("ready", True)
            # Only to pods: an address that somebody wrote into a slice may be anything.
            if ready is not False and (endpoint.get("targetRef") or {}).get("kind") == "Pod":
                found += [(address, ports[0]) for address in (endpoint.get("addresses") or ())[:1]]
    return found


def remainder(raw_path: str, namespaced: bool) -> str | None:
    """What of a path stands below ``/proxy``, still encoded; None where not even a slash does."""
    segments = raw_path.split("?")[0].split("/")
    # "", api, v1, [namespaces, NS,] RESOURCE, NAME, proxy
    below = segments[8 if namespaced else 6 :]
    return "/" + "/".join(below) if len(segments) > (8 if namespaced else 6) else None
