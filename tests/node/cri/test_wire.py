"""Plain data to and from CRI messages."""

from __future__ import annotations

from cri_api.v1 import api_pb2 as pb

from kijabi.node.cri import contract, wire


def test_sandbox_config() -> None:
    config = contract.SandboxConfig(
        contract.SandboxMetadata("web", "u", "shop", 2),
        hostname="web",
        dns_config=contract.DnsConfig(["10.96.0.10"]),
        port_mappings=[contract.PortMapping("UDP", 53, 5353)],
        labels={"a": "b"},
    )
    config.linux.cgroup_parent = "/kubepods"
    config.linux.security_context.namespace_options.pid = "NODE"
    config.linux.security_context.run_as_user = 0
    made = wire.sandbox_config(config)
    assert made.metadata.attempt == 2
    assert made.port_mappings[0].protocol == pb.UDP
    assert made.linux.security_context.namespace_options.pid == pb.NODE
    assert made.linux.security_context.HasField("run_as_user")
    assert not made.linux.security_context.HasField("run_as_group")
    assert dict(made.labels) == {"a": "b"}


def test_container_config() -> None:
    config = contract.ContainerConfig(
        contract.ContainerMetadata("main", 1),
        contract.ImageSpec("ref", "nginx:1"),
        command=["sh"],
        envs=[contract.KeyValue("A", "é")],
        mounts=[contract.Mount("/in", "/out", True, propagation="PROPAGATION_BIDIRECTIONAL")],
        stop_signal="SIGUSR1",
        tty=True,
    )
    config.linux.resources.cpu_quota = -1
    config.linux.security_context.seccomp = contract.SecurityProfile("Unconfined")
    made = wire.container_config(config)
    assert list(made.command) == ["sh"]
    assert made.mounts[0].propagation == pb.PROPAGATION_BIDIRECTIONAL
    assert made.linux.resources.cpu_quota == -1
    assert made.linux.security_context.seccomp.profile_type == pb.SecurityProfile.Unconfined
    assert made.stop_signal == pb.SIGUSR1
    assert made.envs[0].key == "A"


def test_container_status() -> None:
    message = pb.ContainerStatus(
        id="c",
        metadata=pb.ContainerMetadata(name="main", attempt=1),
        state=pb.CONTAINER_EXITED,
        started_at=1_500_000_000,
        exit_code=137,
        reason="OOMKilled",
    )
    made = wire.container_status(message)
    assert (made.state, made.started_at, made.exit_code, made.reason) == (contract.EXITED, 1.5, 137, "OOMKilled")


def test_sandbox_addresses() -> None:
    message = pb.PodSandboxStatus(id="s", state=pb.SANDBOX_READY)
    message.network.ip = "10.0.0.2"
    message.network.additional_ips.add().ip = "fd00::2"
    made = wire.sandbox(message)
    assert (made.ready, made.ips, made.network) == (True, ["10.0.0.2", "fd00::2"], "POD")


def test_exit_event_names_the_container() -> None:
    event = b"\x0a\x03abc\x12\x03abc\x18\x05"
    any_ = b"\x0a\x04type\x12" + bytes([len(event)]) + event
    envelope = b"\x12\x06k8s.io\x1a\x0b/tasks/exit\x22" + bytes([len(any_)]) + any_
    assert wire.exited_container(envelope) == "abc"
    assert wire.exited_container(b"\x1a\x0c/tasks/start") is None


def test_failure_reads_as_grpc() -> None:
    assert str(contract.NotFound("no such thing")) == "rpc error: code = NotFound desc = no such thing"
