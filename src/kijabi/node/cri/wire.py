"""Plain data of ``contract`` to and from CRI's protobuf messages.

Requests go by one generic rule (``fill``), because the dataclasses carry CRI's field names. Answers are read by hand:
there are few, and reading by hand names what is used.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from cri_api.v1 import api_pb2 as pb

from kijabi.node.cri import contract

_WRAPPERS = {"runtime.v1.Int64Value", "runtime.v1.UInt64Value"}
_STATES = (contract.CREATED, contract.RUNNING, contract.EXITED, contract.UNKNOWN)
_NAMESPACE_MODES = ("POD", "CONTAINER", "NODE", "TARGET")
_PROPAGATIONS = ("PROPAGATION_PRIVATE", "PROPAGATION_HOST_TO_CONTAINER", "PROPAGATION_BIDIRECTIONAL")
_NANO = 1e9


_NAMES: dict[type, tuple[str, ...]] = {}


def _names(cls: type) -> tuple[str, ...]:
    # Kept per class: dataclasses.fields builds its tuple anew each time.
    names = _NAMES.get(cls)
    if names is None:
        names = _NAMES[cls] = tuple(field.name for field in dataclasses.fields(cls))
    return names


def fill(message: Any, value: Any) -> Any:
    """Copy a dataclass into a message field by field; ``None`` and empty stay unset. Returns the message."""
    for name in _names(type(value)):
        item = getattr(value, name)
        if item is None or item == "" or item == [] or item == {}:
            continue
        _set(message, name, item)
    return message


def _set(message: Any, name: str, item: Any) -> None:
    if dataclasses.is_dataclass(item):
        target = getattr(message, name)
        # An all-default message must still be present: runAsUser 0 and "no security context" differ.
        target.SetInParent()
        fill(target, item)
    elif isinstance(item, dict):
        getattr(message, name).update(item)
    elif isinstance(item, list):
        target = getattr(message, name)
        for entry in item:
            if dataclasses.is_dataclass(entry):
                fill(target.add(), entry)
            else:
                target.append(entry)
    else:
        _scalar(message, name, item)


def _scalar(message: Any, name: str, item: Any) -> None:
    descriptor = message.DESCRIPTOR.fields_by_name[name]
    if descriptor.message_type is not None and descriptor.message_type.full_name in _WRAPPERS:
        wrapper = getattr(message, name)
        wrapper.SetInParent()
        wrapper.value = item
    elif descriptor.enum_type is not None:
        setattr(message, name, descriptor.enum_type.values_by_name[item].number)
    elif descriptor.type == descriptor.TYPE_BYTES:
        setattr(message, name, item.encode(errors="surrogateescape"))
    else:
        setattr(message, name, item)


def sandbox_config(config: contract.SandboxConfig) -> Any:
    return fill(pb.PodSandboxConfig(), config)


def container_config(config: contract.ContainerConfig) -> Any:
    return fill(pb.ContainerConfig(), config)


def _sandbox_metadata(message: Any) -> contract.SandboxMetadata:
    return contract.SandboxMetadata(message.name, message.uid, message.namespace, message.attempt)


def sandbox(message: Any) -> contract.Sandbox:
    """Of ``PodSandbox`` (as listed) or ``PodSandboxStatus`` (then with addresses)."""
    found = contract.Sandbox(
        message.id,
        _sandbox_metadata(message.metadata),
        message.state == pb.SANDBOX_READY,
        message.created_at / _NANO,
        dict(message.labels),
        dict(message.annotations),
    )
    if "network" in message.DESCRIPTOR.fields_by_name:
        found.ips = [ip for ip in (message.network.ip, *(more.ip for more in message.network.additional_ips)) if ip]
        found.network = _NAMESPACE_MODES[message.linux.namespaces.options.network]
    return found


def container(message: Any) -> contract.Container:
    return contract.Container(
        message.id,
        message.pod_sandbox_id,
        contract.ContainerMetadata(message.metadata.name, message.metadata.attempt),
        _STATES[message.state],
        message.created_at / _NANO,
        message.image_ref,
        dict(message.labels),
        dict(message.annotations),
    )


def container_status(message: Any) -> contract.ContainerStatus:
    return contract.ContainerStatus(
        id=message.id,
        metadata=contract.ContainerMetadata(message.metadata.name, message.metadata.attempt),
        state=_STATES[message.state],
        created_at=message.created_at / _NANO,
        started_at=message.started_at / _NANO,
        finished_at=message.finished_at / _NANO,
        exit_code=message.exit_code,
        image=message.image.image,
        image_ref=message.image_ref,
        reason=message.reason,
        message=message.message,
        labels=dict(message.labels),
        annotations=dict(message.annotations),
        mounts=[_mount(entry) for entry in message.mounts],
        log_path=message.log_path,
    )


def _mount(message: Any) -> contract.Mount:
    return contract.Mount(
        message.container_path,
        message.host_path,
        message.readonly,
        propagation=_PROPAGATIONS[message.propagation],
    )


def image(message: Any) -> contract.Image:
    return contract.Image(
        message.id,
        list(message.repo_tags),
        list(message.repo_digests),
        message.size,
        message.uid.value if message.HasField("uid") else None,
        message.username,
        message.pinned,
    )


def stats(message: Any) -> contract.Stats:
    return contract.Stats(
        id=message.attributes.id,
        name=message.attributes.metadata.name,
        labels=dict(message.attributes.labels),
        timestamp=message.cpu.timestamp / _NANO,
        cpu_nanoseconds=message.cpu.usage_core_nano_seconds.value,
        memory_working_set=message.memory.working_set_bytes.value,
        memory_usage=message.memory.usage_bytes.value,
        memory_rss=message.memory.rss_bytes.value,
        page_faults=message.memory.page_faults.value,
        major_page_faults=message.memory.major_page_faults.value,
        writable_layer_bytes=message.writable_layer.used_bytes.value,
        writable_layer_inodes=message.writable_layer.inodes_used.value,
    )


def network_stats(message: Any) -> contract.PodNetworkStats:
    interface = message.linux.network.default_interface
    return contract.PodNetworkStats(
        id=message.attributes.id,
        labels=dict(message.attributes.labels),
        interface=interface.name,
        rx_bytes=interface.rx_bytes.value,
        rx_errors=interface.rx_errors.value,
        tx_bytes=interface.tx_bytes.value,
        tx_errors=interface.tx_errors.value,
        processes=message.linux.process.process_count.value,
    )


def exited_container(envelope: bytes) -> str | None:
    """The container in one of containerd's event envelopes if it tells of an exit, else None.

    ``containerd.services.events.v1.Envelope``: 3 is the topic, 4 an Any whose value's field 1 is the container id and
    field 2 the process id, which equals the container id for its main process. Read by hand: two fields do not justify
    containerd's generated code.
    """
    fields = _fields(envelope)
    topic = fields.get(3, b"")
    if topic not in (b"/tasks/exit", b"/tasks/oom"):
        return None
    event = _fields(_fields(fields.get(4, b"")).get(2, b""))
    return event.get(1, b"").decode(errors="replace")


def _fields(data: bytes) -> dict[int, bytes]:
    """The length-delimited fields of a protobuf message, last one wins; what is malformed ends the reading."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(data, at)
        elif kind == 1:
            at += 8
        elif kind == 2:
            length, at = _varint(data, at)
            found[tag >> 3] = data[at : at + length]
            at += length
        elif kind == 5:
            at += 4
        else:
            break
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return value, at
