"""``kijabi test``."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import click

import kijabi
from kijabi.cluster import errors


@click.command("test", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Check and test this checkout: format, lint, types and layers, then every test.

    ARGUMENTS are pytest's: `kijabi test tests/scheduler -k spread`.
    """
    root = Path(kijabi.__file__).parents[2]
    if not (root / "scripts/check").exists():
        raise errors.ClusterError("there is no checkout here to test: clone the repository and run ./kijabi test in it")
    if importlib.util.find_spec("pytest") is None:
        raise errors.ClusterError("the development tools are not installed: run ./kijabi test from the checkout")
    if subprocess.run([str(root / "scripts/check")], cwd=root, check=False).returncode:
        raise errors.ClusterError("scripts/check found something: see above; scripts/check alone runs it again")
    sys.stdout.flush()
    os.chdir(root)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])
