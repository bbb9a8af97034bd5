"""What a server serves: its resources, preferred version by preferred version.

For what must work on every kind there is, custom resources included: the garbage collector and namespace deletion.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from kijabi.api import errors
from kijabi.api.resource import Object, Resource
from kijabi.client import rest, transport


@dataclass(frozen=True, slots=True)
class Found:
    """``failed`` are the group versions that did not answer (an aggregated API that is down), with the reason."""

    resources: list[Resource]
    failed: dict[str, str] = field(default_factory=dict)


async def preferred(client: rest.Client) -> Found:
    """Every resource once, in its group's preferred version. Subresources are named in ``Resource.subresources``."""
    core, groups = await asyncio.gather(client.raw("GET", "/api"), client.raw("GET", "/apis"))
    versions: list[str] = list(core.get("versions") or ())
    versions += [group["preferredVersion"]["groupVersion"] for group in groups.get("groups") or ()]
    answers = await asyncio.gather(*(_version(client, version) for version in versions))
    found: list[Resource] = []
    failed = {}
    for version, answer in zip(versions, answers, strict=True):
        if isinstance(answer, str):
            failed[version] = answer
        else:
            found += answer
    return Found(found, failed)


async def _version(client: rest.Client, version: str) -> list[Resource] | str:
    path = f"/apis/{version}" if "/" in version else f"/api/{version}"
    try:
        listed = await client.raw("GET", path)
    except (errors.ApiError, transport.Unreachable) as error:
        return str(error)
    return of_list(version, listed)


def of_list(version: str, listed: Object) -> list[Resource]:
    """The resources of an APIResourceList."""
    group, _, number = version.rpartition("/")
    entries = listed.get("resources") or []
    below: dict[str, list[str]] = {}
    for entry in entries:
        plural, _, subresource = entry["name"].partition("/")
        if subresource:
            below.setdefault(plural, []).append(subresource)
    return [
        Resource(
            entry.get("group") or group,
            entry.get("version") or number,
            entry["name"],
            entry["kind"],
            bool(entry["namespaced"]),
            verbs=tuple(entry.get("verbs") or ()),
            subresources=tuple(below.get(entry["name"], ())),
        )
        for entry in entries
        if "/" not in entry["name"]
    ]
