import asyncio
import gzip
import os

import orjson
import pytest

from kijabi.apiserver.audit import backends
from kijabi.kit import clock, tasks

EVENT = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Metadata",
    "auditID": "1",
    "stage": "RequestReceived",
    "requestURI": "/api/v1/pods",
    "verb": "list",
    "user": {"username": "ann", "groups": ["a", "b"]},
    "sourceIPs": ["10.0.0.1"],
    "requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z",
    "stageTimestamp": "2026-01-01T00:00:00.000000Z",
}


def test_the_legacy_line():
    assert backends.as_legacy(EVENT).decode() == (
        '2026-01-01T00:00:00.000000Z AUDIT: id="1" stage="RequestReceived" ip="10.0.0.1" method="list" user="ann" '
        'groups="\\"a\\",\\"b\\"" as="<self>" asgroups="<lookup>" user-agent="" namespace="<none>" '
        'uri="/api/v1/pods" response="<deferred>"\n'
    )


async def test_a_full_file_is_put_aside(tmp_path):
    now = clock.FakeClock()
    path = tmp_path / "audit.log"
    file = backends.open_log(str(path), backends.Rotation(megabytes=1, days=0, files=2, compress=True), now)
    line = b"x" * 600_000 + b"\n"
    for _ in range(5):
        file.write(line)
        await now.advance(1.0)
    file.close()
    aside = sorted(tmp_path.glob("audit-*.log.gz"))
    assert len(aside) == 2, "the oldest are gone"
    assert gzip.decompress(aside[0].read_bytes()) == line
    assert path.read_bytes() == line
    assert path.stat().st_mode & 0o777 == 0o600


async def test_old_files_go_by_age(tmp_path):
    now = clock.FakeClock()
    old = tmp_path / "audit-2020-01-01T00-00-00.000.log"
    old.write_bytes(b"")
    os.utime(old, (now.time() - 3 * 86_400,) * 2)
    file = backends.open_log(str(tmp_path / "audit.log"), backends.Rotation(days=2, files=0), now)
    file.write(b"x\n")
    file.rotate()
    file.close()
    assert not old.exists()


class Refusing:
    def __init__(self):
        self.seen = []

    async def write(self, events):
        self.seen += events
        raise OSError("no space left on device")

    async def close(self):
        return None


@pytest.mark.parametrize(
    ("mode", "stage", "goes_on"),
    [
        ("blocking", "RequestReceived", True),
        ("blocking-strict", "RequestReceived", False),
        ("blocking-strict", "ResponseComplete", True),
    ],
)
async def test_only_a_strict_backend_refuses(mode, stage, goes_on):
    writer = Refusing()
    backend = backends.in_mode(mode, "log", writer, backends.Batch(), clock.SYSTEM)
    assert await backend.take({**EVENT, "stage": stage}) is goes_on
    assert len(writer.seen) == 1


def test_an_unknown_mode():
    with pytest.raises(backends.Unusable, match="invalid audit webhook mode now, allowed modes are"):
        backends.in_mode("now", "webhook", Refusing(), backends.Batch(), clock.SYSTEM)


async def test_batches_go_when_they_are_full_and_when_their_time_is_up():
    now = clock.FakeClock()
    sent: asyncio.Queue[list[str]] = asyncio.Queue()

    async def post(body):
        await sent.put([event["auditID"] for event in orjson.loads(body)["items"]])
        return 200

    backend = backends.in_mode("batch", "webhook", backends.Webhook(post, 1.0, now), backends.Batch(10, 2, 30.0), now)
    async with tasks.nursery("test") as owner:
        backend.start(owner)
        for number in range(3):
            await backend.take({**EVENT, "auditID": str(number)})
        assert await sent.get() == ["0", "1"]
        while sent.empty():
            await now.advance(10.0)
        assert await sent.get() == ["2"]
    await backend.take({**EVENT, "auditID": "3"})
    await backend.close()
    assert await sent.get() == ["3"], "what waits at the end is sent"


async def test_a_webhook_is_tried_again():
    now = clock.FakeClock()
    answers = [503, ConnectionError("refused"), 200]

    async def post(body):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    writing = asyncio.ensure_future(backends.Webhook(post, 1.0, now).write([EVENT]))
    while not writing.done():
        await now.advance(1.0)
    assert not answers
