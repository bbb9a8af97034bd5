import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kijabi import cli
from kijabi.cluster import errors


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIJABI_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "kijabi", *arguments], capture_output=True, text=True, check=False)


def test_help_lists_every_verb_and_loads_none() -> None:
    code = (
        "import sys; from kijabi import cli\n"
        "try: cli.kijabi(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(name for name in sys.modules if name.startswith('kijabi.cli.') or name == 'aiohttp'))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "[]"
    assert all(f"  {verb} " in output for verb in [*cli.CLUSTER_VERBS, *cli.COMPONENT_VERBS])


@pytest.mark.parametrize("verb", cli.CLUSTER_VERBS)
def test_every_verb_has_help(verb: str) -> None:
    result = CliRunner().invoke(cli.kijabi, [verb, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["nonsense"], 2, "No such command", id="no such verb"),
        pytest.param(["up", "--runtime", "docker"], 2, "Invalid value", id="wrong usage"),
        pytest.param(["up", "--name", "A", "--runtime", "hollow"], 1, "cannot be a name", id="a bad name"),
        pytest.param(["kubeconfig"], 3, "there is no cluster kijabi: make it with", id="no such cluster"),
        pytest.param(["logs", "apiserver"], 3, "there is no cluster", id="logs of nothing"),
        pytest.param(["node", "rm", "node-1"], 3, "there is no cluster", id="a node of nothing"),
        pytest.param(["status", "--name", "x"], 3, "there is no cluster", id="status of nothing"),
        pytest.param(["explain", "deployment/x"], 1, "only pods are placed", id="explain what is no pod"),
        pytest.param(["image", "build", "none"], 3, "there is no recipe none", id="no such recipe"),
        pytest.param(["down"], 0, "There is no cluster kijabi", id="nothing to remove"),
    ],
)
def test_exit_codes_and_one_line_errors(arguments: list[str], code: int, message: str) -> None:
    result = run(*arguments)
    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_what_needs_root_says_so_in_one_line() -> None:
    error = errors.NeedsRoot("a cluster with containers")
    assert str(error) == "a cluster with containers needs root: run it with sudo, or use `kijabi up --runtime hollow`"
    assert error.exit_code == 4
