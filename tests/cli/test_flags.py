from collections.abc import Mapping
from dataclasses import dataclass, field

import click
import pytest
from click.testing import CliRunner

from kijabi.cli import flags
from kijabi.cluster import flags as texts


@dataclass
class Options:
    secure_port: int = field(default=6443, metadata={"help": "Where to listen."})
    leader_elect: bool = True
    sync_period: float = 10.0
    authorization_mode: tuple[str, ...] = ("Node", "RBAC")
    controllers: list[str] = field(default_factory=lambda: ["*"])
    node_labels: dict[str, str] = field(default_factory=dict)
    feature_gates: Mapping[str, str] = field(default_factory=dict)
    kubeconfig: str | None = None
    taint: tuple[int, ...] = field(default=(), metadata={"parse": lambda text: (int(text, 16),)})


def parse(*arguments: str) -> Options:
    seen: list[Options] = []

    @click.command()
    @flags.options(Options)
    def command(**values: object) -> None:
        seen.append(flags.given(Options, values))

    result = CliRunner().invoke(command, list(arguments))
    if result.exit_code:
        raise ValueError(result.output)
    return seen[0]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], Options(), id="nothing"),
        pytest.param(["--secure-port", "1"], Options(secure_port=1), id="a number"),
        pytest.param(["--leader-elect=false"], Options(leader_elect=False), id="a boolean with a value"),
        pytest.param(["--leader-elect"], Options(leader_elect=True), id="a boolean without"),
        pytest.param(["--sync-period=1m30s"], Options(sync_period=90.0), id="a Go duration"),
        pytest.param(["--sync-period", "2"], Options(sync_period=2.0), id="seconds"),
        pytest.param(["--authorization-mode=Node,RBAC"], Options(), id="a list with commas"),
        pytest.param(["--controllers=a", "--controllers=-b"], Options(controllers=["a", "-b"]), id="a list repeated"),
        pytest.param(["--node-labels=a=b,c=d"], Options(node_labels={"a": "b", "c": "d"}), id="a mapping"),
        pytest.param(["--feature-gates=A=true"], Options(feature_gates={"A": "true"}), id="an abstract mapping"),
        pytest.param(["--taint=ff"], Options(taint=(255,)), id="a parser of its own"),
        pytest.param(["--kubeconfig", "/k"], Options(kubeconfig="/k"), id="optional text"),
    ],
)
def test_flags_become_options(arguments: list[str], expected: Options) -> None:
    assert parse(*arguments) == expected


@pytest.mark.parametrize(
    "argument",
    ["--secure-port=x", "--leader-elect=maybe", "--sync-period=1y", "--node-labels=a", "--taint=x", "--secure_port=1"],
)
def test_what_makes_no_sense_is_refused(argument: str) -> None:
    with pytest.raises(ValueError, match="Error"):
        parse(argument)


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0.0), ("1.5", 1.5), ("250ms", 0.25), ("1h2m3s", 3723.0), ("0.5h", 1800.0)]
)
def test_durations(text: str, expected: float) -> None:
    assert texts.seconds(text) == pytest.approx(expected)
