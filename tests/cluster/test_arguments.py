"""Flags that ``up`` is given for components."""

from dataclasses import dataclass, field

import pytest

from kijabi.cluster import components, errors, flags, programs, state


@dataclass
class Options:
    name: str = ""
    secure_port: int = 1
    wait: float = 1.0
    enable: bool = True
    names: tuple[str, ...] = ()
    gates: dict[str, str] = field(default_factory=dict)
    odd: str = field(default="", metadata={"flag": "--v", "parse": lambda text: f"<{text}>"})


def test_flags_are_read_by_the_types_of_their_fields():
    told = {
        "name": "x",
        "secure-port": "2",
        "wait": "1m",
        "enable": "false",
        "names": "a,b",
        "gates": "A=true",
        "v": "4",
    }
    assert flags.read(Options, told) == {
        "name": "x",
        "secure_port": 2,
        "wait": 60.0,
        "enable": False,
        "names": ("a", "b"),
        "gates": {"A": "true"},
        "odd": "<4>",
    }


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"nothing": "1"}, "there is no flag --nothing"),
        ({"secure-port": "x"}, "--secure-port: invalid literal"),
        ({"enable": "perhaps"}, "--enable: 'perhaps' is not true or false"),
        ({"wait": "soon"}, "--wait: 'soon' is not a duration"),
        ({"gates": "A"}, "--gates: 'A' is not KEY=VALUE"),
    ],
)
def test_a_flag_that_cannot_be_read(told, why):
    with pytest.raises(ValueError, match=why):
        flags.read(Options, told)


def test_what_a_component_is_told_counts_for_more():
    cluster = state.Cluster("c", 1, "hollow", "sqlite", "127.0.0.1", {"apiserver": 1, "controller-manager": 2})
    assert flags.ARGUMENTS not in components.apiserver(cluster).options
    cluster.arguments = {"apiserver": {"bind-address": "127.0.0.9", "audit-log-maxage": "3"}}
    component = components.apiserver(cluster)
    chosen = programs.options(programs.load("apiserver"), component.options)
    assert (chosen.bind_address, chosen.audit_log_maxage, chosen.secure_port) == ("127.0.0.9", 3, 1)
    assert flags.ARGUMENTS not in components.controller_manager(cluster).options
    assert state.decode({"arguments": cluster.arguments, **vars_of(cluster)}).arguments == cluster.arguments


def vars_of(cluster):
    return {name: getattr(cluster, name) for name in ("name", "index", "runtime", "store", "address", "ports")}


def test_an_unknown_flag_is_told_with_its_component():
    with pytest.raises(errors.ClusterError, match="apiserver: there is no flag --nonsense"):
        programs.read_arguments(programs.load("apiserver"), {"nonsense": "1"})
