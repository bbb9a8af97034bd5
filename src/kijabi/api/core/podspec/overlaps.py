"""Files of a volume whose paths get in each other's way: one is the other, or lies below it."""

from __future__ import annotations

from collections.abc import Iterable

from kijabi.api.resource import Object

# (path, what it comes from)
_File = tuple[str, str]


def find(volumes: list[Object]) -> list[str]:
    found: list[str] = []
    for volume in volumes:
        name = volume.get("name", "")
        for kind, told, label in _WITH_ITEMS:
            source = volume.get(kind)
            if source and source.get("items"):
                what = f'{label} "{source.get(told, "")}"' if told else label
                found += _among(_files(source, ""), name, what, [])
        projected = volume.get("projected")
        if projected:
            found += _projected(projected, name)
    return found


_WITH_ITEMS = (
    ("configMap", "name", "ConfigMap"),
    ("secret", "secretName", "Secret"),
    ("downwardAPI", "", "DownwardAPI"),
)


def _files(source: Object, what: str) -> list[_File]:
    return [(item.get("path", ""), what) for item in source.get("items") or ()]


def _projected(projected: Object, name: str) -> list[str]:
    found: list[str] = []
    there: list[_File] = []
    for part in projected.get("sources") or ():
        if not part:
            found.append(f'volume "{name}" (Projected) has no sources provided')
            continue
        found += _among(_part(part), name, "Projected", there)
    return found


def _part(part: Object) -> list[_File]:
    for kind, label in (("configMap", "ConfigMap"), ("secret", "Secret")):
        source = part.get(kind)
        if source and source.get("items"):
            return _files(source, f'{label} "{source.get("name", "")}"')
    downward = part.get("downwardAPI")
    if downward and downward.get("items"):
        return _files(downward, "DownwardAPI")
    token = part.get("serviceAccountToken")
    return [(token.get("path", ""), "ServiceAccountToken")] if token else []


def _among(files: Iterable[_File], name: str, what: str, there: list[_File]) -> list[str]:
    """The clashes of each file with those before it, which are added to ``there``."""
    found: list[str] = []
    for path, source in files:
        one = (path.rstrip("/"), source)
        for other in there:
            if _clash(one[0], other[0]):
                found.append(f'volume "{name}" ({what}): overlapping paths: {_shown(one)} with {_shown(other)}')
        there.append(one)
    return found


def _clash(left: str, right: str) -> bool:
    if not left or not right:
        return False
    return f"{right}/".startswith(f"{left}/") or f"{left}/".startswith(f"{right}/")


def _shown(one: _File) -> str:
    return f'"{one[0]}" ({one[1]})' if one[1] else f'"{one[0]}"'
