"""Lifecycle hooks: postStart and preStop.

Source: the documented "Container Lifecycle Hooks"; upstream's texts. A tcpSocket hook fails, as the API documents.
"""

from __future__ import annotations

from typing import Any

from kijabi.kit import clock
from kijabi.node.cri import contract
from kijabi.node.kubelet import pods
from kijabi.node.kubelet.probes import check

_HTTP_TIMEOUT = 60.0


class Failure(Exception):
    """The hook failed; the text is for the log and the container's status, never for an event."""


class Hooks:
    def __init__(
        self, runtime: contract.Runtime, checker: check.Checker, timepiece: clock.Clock = clock.SYSTEM
    ) -> None:
        self._runtime = runtime
        self._checker = checker
        self._clock = timepiece

    async def run(self, pod: pods.Object, target: check.Target, hook: dict[str, Any]) -> None:
        where = f'for Container "{target.container["name"]}" in Pod "{pods.describe(pod)}" failed'
        if hook.get("exec"):
            await self._exec(hook["exec"].get("command") or [], target, where)
        elif hook.get("httpGet"):
            await self._http(hook["httpGet"], target, where)
        elif hook.get("sleep"):
            await self._clock.sleep(float(hook["sleep"]["seconds"]))
        else:
            raise Failure(f"Cannot run handler: invalid handler: {hook}")

    async def _exec(self, command: list[str], target: check.Target, where: str) -> None:
        shown = "[" + " ".join(command) + "]"
        try:
            done = await self._runtime.exec_sync(target.container_id, command, 0)
        except contract.RuntimeFailure as error:
            raise Failure(f'Exec lifecycle hook ({shown}) {where} - error: {error}, message: ""') from error
        if done.exit_code != 0:
            output = (done.stdout + done.stderr).decode(errors="replace")
            why = f"command '{' '.join(command)}' exited with {done.exit_code}: {done.stderr.decode(errors='replace')}"
            raise Failure(f'Exec lifecycle hook ({shown}) {where} - error: {why}, message: "{output}"')

    async def _http(self, action: dict[str, Any], target: check.Target, where: str) -> None:
        try:
            result = await self._checker.http(action, target, _HTTP_TIMEOUT, "kube-lifecycle/1.36")
        except check.Errored as error:
            raise Failure(f"HTTP lifecycle hook ({action.get('path', '')}) {where} - error: {error}") from error
        # Any answer will do; only a request that got none has failed.
        if not result.success and not result.output.startswith("HTTP probe failed with statuscode"):
            raise Failure(f"HTTP lifecycle hook ({action.get('path', '')}) {where} - error: {result.output}")
