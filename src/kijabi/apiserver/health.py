"""/healthz, /livez and /readyz, each of them also check by check below its path.

Source: "Kubernetes API health endpoints".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kijabi.apiserver import responses
from kijabi.kit import http

# Gives what is wrong, empty where nothing is.
Check = Callable[[], str]

ROOTS = ("healthz", "livez", "readyz")


class Health:
    """``checks`` by name, in order. ``ready_only`` are those that say nothing about being alive."""

    def __init__(self, checks: Mapping[str, Check], ready_only: Mapping[str, Check]) -> None:
        self._live = {"ping": lambda: "", **checks}
        self._ready = {**self._live, **ready_only}

    def paths(self) -> list[str]:
        found = []
        for root in ROOTS:
            found.append(f"/{root}")
            found += [f"/{root}/{name}" for name in self._of(root)]
        return found

    def _of(self, root: str) -> dict[str, Check]:
        return self._ready if root == "readyz" else self._live

    def page(self, request: http.Request) -> http.Response | None:
        root, _, name = request.path.strip("/").partition("/")
        checks = self._of(root)
        if name:
            check = checks.get(name)
            if check is None:
                return None
            problem = check()
            return responses.text("ok") if not problem else _failed(f"internal server error: {problem}\n")
        return self._all(request, root, checks)

    def _all(self, request: http.Request, root: str, checks: dict[str, Check]) -> http.Response:
        excluded = set(request.query.get("exclude", []))
        lines, failed = [], []
        for name, check in checks.items():
            if name in excluded:
                excluded.discard(name)
                lines.append(f"[+]{name} excluded: ok")
                continue
            # What went wrong is in the server's log; the outside only hears which check it was.
            if check():
                failed.append(name)
                lines.append(f"[-]{name} failed: reason withheld")
            else:
                lines.append(f"[+]{name} ok")
        if excluded:
            named = ", ".join(f'"{name}"' for name in sorted(excluded))
            lines.append(f"warn: some health checks cannot be excluded: no matches for {named}")
        if failed:
            return _failed("\n".join([*lines, f"{root} check failed", ""]))
        if "verbose" in request.query:
            return responses.text("\n".join([*lines, f"{root} check passed", ""]))
        return responses.text("ok")


def _failed(text: str) -> http.Response:
    return responses.text(text, 500)
