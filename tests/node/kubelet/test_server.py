"""The SPDY codec, the WebSocket sub-protocols, log requests, who may ask what."""

from __future__ import annotations

import random
import zlib
from pathlib import Path
from typing import Any

import pytest

from kijabi.node.kubelet import logs
from kijabi.node.kubelet.server import auth, measures, remote, spdy
from kijabi.node.kubelet.server import logs as log_requests

FRAMES: list[spdy.Frame] = [
    spdy.SynStream(1, {"streamtype": "error"}),
    spdy.SynReply(1, {}),
    spdy.SynStream(3, {"streamtype": "stdin", "x": "é" * 40}, fin=True),
    spdy.Data(3, b"hello"),
    spdy.Data(3, b"", fin=True),
    spdy.Data(5, bytes(range(256)) * 500),
    spdy.Ping(2),
    spdy.Reset(3, 5),
    spdy.GoAway(5, 0),
    spdy.Other(spdy.SETTINGS),
    spdy.SynReply(3, {"a": "b"}),
]


def test_dictionary_is_spdy3s() -> None:
    # The checksum that every SPDY/3 zlib stream names.
    assert zlib.adler32(spdy.DICTIONARY) == 0xE3C6A7C2


@pytest.mark.parametrize("seed", range(5))
def test_frames_survive_being_cut_anywhere(seed: int) -> None:
    encoder, decoder = spdy.Encoder(), spdy.Decoder()
    wire = b"".join(encoder.encode(frame) for frame in FRAMES)
    chance = random.Random(seed)
    found: list[spdy.Frame] = []
    while wire:
        size = chance.choice([1, 3, 8, 100, 70000])
        found += decoder.feed(wire[:size])
        wire = wire[size:]
    assert found == FRAMES


def test_other_versions_are_refused() -> None:
    with pytest.raises(spdy.Malformed):
        list(spdy.Decoder().feed(b"\x80\x02\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01"))


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (["v4.channel.k8s.io", "v5.channel.k8s.io"], "v5.channel.k8s.io"),
        (["channel.k8s.io", "v4.channel.k8s.io"], "v4.channel.k8s.io"),
        (["base64.channel.k8s.io"], "base64.channel.k8s.io"),
        ([], ""),
        (["v6.channel.k8s.io"], None),
    ],
)
def test_best_common_protocol(offered: list[str], expected: str | None) -> None:
    assert remote.choose(offered, remote.PROTOCOLS) == expected


@pytest.mark.parametrize("name", remote.PROTOCOLS)
def test_messages_round_trip(name: str) -> None:
    protocol = remote.Protocol(name)
    assert protocol.unwrap(protocol.wrap(remote.STDOUT, b"\x00hi")) == (remote.STDOUT, b"\x00hi")


@pytest.mark.parametrize(
    ("name", "message", "expected"),
    [
        ("v5.channel.k8s.io", b"\xff\x00", remote.STDIN),
        ("v4.channel.k8s.io", b"\xff\x00", None),
        ("v5.channel.k8s.io", b"\x00x", None),
    ],
)
def test_close_signal(name: str, message: bytes, expected: int | None) -> None:
    protocol = remote.Protocol(name)
    unwrapped = protocol.unwrap(message)
    assert unwrapped is not None
    assert protocol.closed(unwrapped) == expected


@pytest.mark.parametrize(
    ("name", "status", "expected"),
    [
        ("v4.channel.k8s.io", remote.SUCCESS, b'{"metadata":{},"status":"Success"}'),
        ("v2.channel.k8s.io", remote.SUCCESS, b""),
        ("channel.k8s.io", remote.failure("boom"), b"boom"),
    ],
)
def test_final_status(name: str, status: dict[str, Any], expected: bytes) -> None:
    assert remote.Protocol(name).final(status) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/exec/default/web/main", ["proxy"]),
        ("/containerLogs/default/web/main", ["proxy"]),
        ("/pods", ["pods", "proxy"]),
        ("/runningpods/", ["pods", "proxy"]),
        ("/healthz", ["healthz", "proxy"]),
        ("/configz", ["configz", "proxy"]),
        ("/metrics/cadvisor", ["metrics"]),
        ("/stats/summary", ["stats"]),
        ("/logs/syslog", ["log"]),
        ("/podsomething", ["proxy"]),
    ],
)
def test_what_a_path_needs(path: str, expected: list[str]) -> None:
    assert auth.subresources(path) == expected


LOG = b"""2026-01-01T00:00:00.000000000Z stdout F one
2026-01-01T00:00:01.000000000Z stderr F two
2026-01-01T00:00:02.000000000Z stdout P thr
2026-01-01T00:00:02.000000001Z stdout F ee
2026-01-01T00:00:03.000000000Z stdout F four
"""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(logs.Options(), b"one\ntwo\nthree\nfour\n", id="all"),
        pytest.param(logs.Options(tail=1), b"four\n", id="tail"),
        pytest.param(logs.Options(tail=0), b"", id="no tail"),
        pytest.param(logs.Options(tail=100), b"one\ntwo\nthree\nfour\n", id="long tail"),
        pytest.param(logs.Options(limit=6), b"one\ntw", id="limit"),
        pytest.param(logs.Options(stream="Stderr"), b"two\n", id="stream"),
        pytest.param(logs.Options(since=1767225602.0), b"three\nfour\n", id="since"),
        pytest.param(
            logs.Options(tail=3, timestamps=True),
            b"2026-01-01T00:00:02.000000000Z three\n2026-01-01T00:00:03.000000000Z four\n",
            id="a stamp for a whole line",
        ),
    ],
)
async def test_reading_a_log(tmp_path: Path, options: logs.Options, expected: bytes) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(LOG)
    assert b"".join([text async for text in logs.read(str(path), options, lambda: True)]) == expected


async def test_following_a_log_ends_with_the_container(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(LOG)
    running = iter([False, False, True, True])
    options = logs.Options(follow=True, tail=1)
    found = [text async for text in logs.read(str(path), options, lambda: next(running))]
    assert found == [b"four\n"]


async def test_following_sees_what_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(LOG)
    found: list[bytes] = []
    async for text in logs.read(str(path), logs.Options(follow=True), lambda: len(found) > 1):
        found.append(text)
        if len(found) == 1:
            path.write_bytes(LOG + b"2026-01-01T00:00:04.000000000Z stdout F five\n")
    assert found[-1] == b"five\n"


@pytest.mark.parametrize(
    ("query", "status"),
    [({"tailLines": "x"}, 400), ({"sinceSeconds": "0"}, 422), ({"tailLines": "-1"}, 422), ({"limitBytes": "0"}, 422)],
)
def test_bad_log_queries(query: dict[str, str], status: int) -> None:
    with pytest.raises(log_requests.BadQuery) as caught:
        log_requests.options(query, 0.0)
    assert caught.value.status == status


def _state(**container: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "main", **container}]}


@pytest.mark.parametrize(
    ("status", "previous", "expected"),
    [
        ({}, False, 'container "main" in pod "web" is not available'),
        (_state(state={"running": {}}), True, 'previous terminated container "main" in pod "web" not found'),
        (
            _state(state={"waiting": {"reason": "ErrImagePull"}}),
            False,
            'container "main" in pod "web" is waiting to start: image can\'t be pulled',
        ),
        (
            _state(state={"waiting": {"reason": "ContainerCreating"}}),
            False,
            'container "main" in pod "web" is waiting to start: ContainerCreating',
        ),
    ],
)
def test_no_log_to_be_had(status: dict[str, Any], previous: bool, expected: str) -> None:
    with pytest.raises(log_requests.BadQuery) as caught:
        log_requests.container_id({"metadata": {"name": "web"}}, status, "main", previous)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("status", "previous", "expected"),
    [
        (_state(state={"running": {}}, containerID="containerd://now"), False, "now"),
        (_state(state={"running": {}}, lastState={"terminated": {"containerID": "containerd://old"}}), True, "old"),
        (
            _state(state={"waiting": {}}, lastState={"terminated": {"containerID": "containerd://old"}}),
            False,
            "old",
        ),
    ],
)
def test_which_log(status: dict[str, Any], previous: bool, expected: str) -> None:
    assert log_requests.container_id({"metadata": {"name": "web"}}, status, "main", previous) == expected


def test_metrics_escape_label_values() -> None:
    assert measures._family("m", "gauge", "t", [({"a": 'x"\n'}, 1)]).endswith('m{a="x\\"\\n"} 1\n')
