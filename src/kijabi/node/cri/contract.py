"""What a kubelet asks of a container runtime.

The dataclasses carry the field names of CRI v1 (k8s.io/cri-api ``runtime/v1/api.proto``), so that one generic
translation serves all of them (``wire``). Times are seconds since the epoch as floats, 0 where there is none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

CREATED, RUNNING, EXITED, UNKNOWN = "created", "running", "exited", "unknown"


class RuntimeFailure(Exception):
    """The runtime refused or could not. ``code`` is gRPC's status (``NOT_FOUND``), ``message`` the runtime's words."""

    def __init__(self, message: str, code: str = "UNKNOWN") -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        # Upstream prints gRPC errors this way, and events and statuses show it.
        return f"rpc error: code = {_GO_CODES.get(self.code, 'Unknown')} desc = {self.message}"


class NotFound(RuntimeFailure):
    """There is no such container, sandbox or image."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "NOT_FOUND")


class Unavailable(RuntimeFailure):
    """The runtime cannot be reached."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "UNAVAILABLE")


_GO_CODES = {
    "CANCELLED": "Canceled",
    "INVALID_ARGUMENT": "InvalidArgument",
    "DEADLINE_EXCEEDED": "DeadlineExceeded",
    "NOT_FOUND": "NotFound",
    "ALREADY_EXISTS": "AlreadyExists",
    "PERMISSION_DENIED": "PermissionDenied",
    "RESOURCE_EXHAUSTED": "ResourceExhausted",
    "FAILED_PRECONDITION": "FailedPrecondition",
    "ABORTED": "Aborted",
    "OUT_OF_RANGE": "OutOfRange",
    "UNIMPLEMENTED": "Unimplemented",
    "INTERNAL": "Internal",
    "UNAVAILABLE": "Unavailable",
    "UNAUTHENTICATED": "Unauthenticated",
}


@dataclass(frozen=True, slots=True)
class Version:
    runtime_name: str
    runtime_version: str
    runtime_api_version: str = "v1"


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: bool
    reason: str = ""
    message: str = ""


@dataclass(slots=True)
class Namespaces:
    """``network``, ``pid`` and ``ipc`` are POD, CONTAINER, NODE or TARGET (with ``target_id``)."""

    network: str = "POD"
    pid: str = "CONTAINER"
    ipc: str = "POD"
    target_id: str = ""


@dataclass(slots=True)
class SecurityProfile:
    """``profile_type`` is RuntimeDefault, Unconfined or Localhost (with ``localhost_ref``)."""

    profile_type: str = "RuntimeDefault"
    localhost_ref: str = ""


@dataclass(slots=True)
class SelinuxOptions:
    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


@dataclass(slots=True)
class Capability:
    add_capabilities: list[str] = field(default_factory=list)
    drop_capabilities: list[str] = field(default_factory=list)


@dataclass(slots=True)
class SandboxSecurity:
    namespace_options: Namespaces = field(default_factory=Namespaces)
    selinux_options: SelinuxOptions | None = None
    run_as_user: int | None = None
    run_as_group: int | None = None
    readonly_rootfs: bool = False
    supplemental_groups: list[int] = field(default_factory=list)
    privileged: bool = False
    seccomp: SecurityProfile | None = None


@dataclass(slots=True)
class ContainerSecurity:
    namespace_options: Namespaces = field(default_factory=Namespaces)
    selinux_options: SelinuxOptions | None = None
    capabilities: Capability | None = None
    privileged: bool = False
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_username: str = ""
    readonly_rootfs: bool = False
    supplemental_groups: list[int] = field(default_factory=list)
    supplemental_groups_policy: str = "Merge"
    no_new_privs: bool = False
    masked_paths: list[str] = field(default_factory=list)
    readonly_paths: list[str] = field(default_factory=list)
    seccomp: SecurityProfile | None = None
    apparmor: SecurityProfile | None = None
    apparmor_profile: str = ""


@dataclass(slots=True)
class HugepageLimit:
    page_size: str
    limit: int


@dataclass(slots=True)
class LinuxResources:
    """Units of the kernel: microseconds, shares, bytes. 0 is *not set*."""

    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = 0
    memory_limit_in_bytes: int = 0
    oom_score_adj: int = 0
    hugepage_limits: list[HugepageLimit] = field(default_factory=list)
    unified: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class DnsConfig:
    servers: list[str] = field(default_factory=list)
    searches: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)


@dataclass(slots=True)
class PortMapping:
    """``protocol`` is TCP, UDP or SCTP."""

    protocol: str
    container_port: int
    host_port: int
    host_ip: str = ""


@dataclass(slots=True)
class SandboxMetadata:
    name: str
    uid: str
    namespace: str
    attempt: int = 0


@dataclass(slots=True)
class SandboxLinux:
    cgroup_parent: str = ""
    security_context: SandboxSecurity = field(default_factory=SandboxSecurity)
    sysctls: dict[str, str] = field(default_factory=dict)
    overhead: LinuxResources | None = None
    resources: LinuxResources | None = None


@dataclass(slots=True)
class SandboxConfig:
    metadata: SandboxMetadata
    hostname: str = ""
    log_directory: str = ""
    dns_config: DnsConfig | None = None
    port_mappings: list[PortMapping] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    linux: SandboxLinux = field(default_factory=SandboxLinux)


@dataclass(slots=True)
class Sandbox:
    """As listed; ``ips`` and ``network`` only from ``sandbox_status``."""

    id: str
    metadata: SandboxMetadata
    ready: bool
    created_at: float
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    ips: list[str] = field(default_factory=list)
    network: str = "POD"


@dataclass(slots=True)
class ContainerMetadata:
    name: str
    attempt: int = 0


@dataclass(slots=True)
class ImageSpec:
    image: str
    user_specified_image: str = ""


@dataclass(slots=True)
class KeyValue:
    key: str
    value: str


@dataclass(slots=True)
class Mount:
    """``propagation`` is PROPAGATION_PRIVATE, PROPAGATION_HOST_TO_CONTAINER or PROPAGATION_BIDIRECTIONAL."""

    container_path: str
    host_path: str
    readonly: bool = False
    selinux_relabel: bool = False
    propagation: str = "PROPAGATION_PRIVATE"
    recursive_read_only: bool = False


@dataclass(slots=True)
class Device:
    container_path: str
    host_path: str
    permissions: str


@dataclass(slots=True)
class ContainerLinux:
    resources: LinuxResources = field(default_factory=LinuxResources)
    security_context: ContainerSecurity = field(default_factory=ContainerSecurity)


@dataclass(slots=True)
class ContainerConfig:
    metadata: ContainerMetadata
    image: ImageSpec
    command: list[str] = field(default_factory=list)
    args: list[str] = field(default_factory=list)
    working_dir: str = ""
    envs: list[KeyValue] = field(default_factory=list)
    mounts: list[Mount] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    log_path: str = ""
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    linux: ContainerLinux = field(default_factory=ContainerLinux)
    stop_signal: str = ""


@dataclass(slots=True)
class Container:
    """As listed. ``state`` is created, running, exited or unknown."""

    id: str
    pod_sandbox_id: str
    metadata: ContainerMetadata
    state: str
    created_at: float
    image_ref: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class ContainerStatus:
    id: str
    metadata: ContainerMetadata
    state: str
    created_at: float
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    image: str = ""
    image_ref: str = ""
    reason: str = ""
    message: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    mounts: list[Mount] = field(default_factory=list)
    log_path: str = ""


@dataclass(frozen=True, slots=True)
class ExecResult:
    stdout: bytes
    stderr: bytes
    exit_code: int


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What an exec or attach connects. With a ``tty`` there is no separate stderr."""

    container_id: str
    command: tuple[str, ...] = ()
    tty: bool = False
    stdin: bool = False
    stdout: bool = True
    stderr: bool = True


@dataclass(slots=True)
class Image:
    """``uid`` is None when the image names its user by ``username`` or not at all."""

    id: str
    repo_tags: list[str] = field(default_factory=list)
    repo_digests: list[str] = field(default_factory=list)
    size: int = 0
    uid: int | None = None
    username: str = ""
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str = ""
    password: str = ""
    auth: str = ""
    server_address: str = ""
    identity_token: str = ""
    registry_token: str = ""


@dataclass(frozen=True, slots=True)
class Filesystem:
    mountpoint: str
    used_bytes: int
    inodes_used: int
    timestamp: float


@dataclass(slots=True)
class Stats:
    """Usage of one container. CPU is in nanoseconds used so far, memory and disk in bytes."""

    id: str
    name: str
    labels: dict[str, str]
    timestamp: float
    cpu_nanoseconds: int = 0
    memory_working_set: int = 0
    memory_usage: int = 0
    memory_rss: int = 0
    page_faults: int = 0
    major_page_faults: int = 0
    writable_layer_bytes: int = 0
    writable_layer_inodes: int = 0


@dataclass(slots=True)
class PodNetworkStats:
    """Usage of one sandbox's first interface, in bytes and errors so far."""

    id: str
    labels: dict[str, str]
    interface: str = ""
    rx_bytes: int = 0
    rx_errors: int = 0
    tx_bytes: int = 0
    tx_errors: int = 0
    processes: int = 0


class Runtime(Protocol):
    """A container runtime. Every method raises ``RuntimeFailure``; what is listed may be gone when asked about."""

    # False: there is nothing behind the containers, neither files to prepare nor a network to probe.
    on_disk: bool

    async def version(self) -> Version: ...

    async def status(self) -> list[Condition]:
        """``RuntimeReady`` and ``NetworkReady``."""
        ...

    async def run_sandbox(self, config: SandboxConfig, handler: str = "") -> str: ...

    async def stop_sandbox(self, sandbox_id: str) -> None: ...

    async def remove_sandbox(self, sandbox_id: str) -> None: ...

    async def list_sandboxes(self, pod_uid: str = "") -> list[Sandbox]: ...

    async def sandbox_status(self, sandbox_id: str) -> Sandbox: ...

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str: ...

    async def start_container(self, container_id: str) -> None: ...

    async def stop_container(self, container_id: str, timeout: int) -> None:
        """Stop signal, then SIGKILL after ``timeout`` seconds; returns when the container has stopped."""
        ...

    async def remove_container(self, container_id: str) -> None: ...

    async def list_containers(self, pod_uid: str = "") -> list[Container]: ...

    async def container_status(self, container_id: str) -> ContainerStatus: ...

    async def update_container_resources(self, container_id: str, resources: LinuxResources) -> None: ...

    async def reopen_log(self, container_id: str) -> None: ...

    async def exec_sync(self, container_id: str, command: list[str], timeout: float) -> ExecResult:
        """``timeout`` of 0 waits for ever; a timeout is a ``RuntimeFailure`` with code DEADLINE_EXCEEDED."""
        ...

    async def exec(self, request: StreamRequest) -> str:
        """The URL of the runtime's streaming server where the session waits (SPDY/3.1 or WebSocket v4)."""
        ...

    async def attach(self, request: StreamRequest) -> str: ...

    async def port_forward(self, sandbox_id: str, ports: list[int]) -> str: ...

    async def stats(self) -> list[Stats]: ...

    async def network_stats(self) -> list[PodNetworkStats]: ...

    async def list_images(self) -> list[Image]: ...

    async def image_status(self, image: str) -> Image | None: ...

    async def pull_image(self, image: str, credentials: Credentials | None, sandbox: SandboxConfig | None) -> str:
        """The reference of the pulled image."""
        ...

    async def remove_image(self, image: str) -> None: ...

    async def image_filesystem(self) -> Filesystem | None: ...

    def exits(self) -> AsyncIterator[str]:
        """Ids of containers that have just exited ("" when it cannot be told which). Hints only: some may be missed."""
        ...

    async def close(self) -> None: ...


Labels = Mapping[str, str]
