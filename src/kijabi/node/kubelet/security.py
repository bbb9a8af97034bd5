"""Security contexts as CRI options: pure. What is asked for and cannot be had raises ``environment.ConfigError``.

Source: the documented "Configure a Security Context" and upstream's securitycontext package; its error texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from kijabi.node.cri import contract
from kijabi.node.kubelet import environment, pods

_MASKED: Final = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
]
_READ_ONLY: Final = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
_SHARED: Final = ("seLinuxOptions", "runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile", "appArmorProfile")


@dataclass(frozen=True, slots=True)
class SeccompProfiles:
    """Where a node's own profiles are, and whether a container without one gets the runtime's default."""

    directory: str = "/var/lib/kubelet/seccomp"
    runtime_default: bool = False


def effective(pod: pods.Object, container: pods.Object) -> dict[str, Any]:
    """The container's security context with the pod's where the container says nothing."""
    outer = pod["spec"].get("securityContext") or {}
    merged = {key: outer[key] for key in _SHARED if outer.get(key) is not None}
    merged.update({key: value for key, value in (container.get("securityContext") or {}).items() if value is not None})
    return merged


def verify_non_root(pod: pods.Object, container: pods.Object, image: contract.Image | None) -> None:
    wanted = effective(pod, container)
    if not wanted.get("runAsNonRoot"):
        return
    where = f'(pod: "{pods.describe(pod)}", container: {container["name"]})'
    if "runAsUser" in wanted:
        if wanted["runAsUser"] == 0:
            raise environment.ConfigError(f"container's runAsUser breaks non-root policy {where}")
        return
    uid, username = image_user(image)
    if uid is None and username:
        raise environment.ConfigError(
            f"container has runAsNonRoot and image has non-numeric user ({username}), "
            f"cannot verify user is non-root {where}"
        )
    if uid == 0:
        raise environment.ConfigError(f"container has runAsNonRoot and image will run as root {where}")


def image_user(image: contract.Image | None) -> tuple[int | None, str]:
    """The user an image asks for: a number, or a name, or (nothing said) root."""
    if image is None:
        return None, ""
    if image.uid is not None:
        return image.uid, ""
    return (None, image.username) if image.username else (0, "")


def namespaces(pod: pods.Object) -> contract.Namespaces:
    spec = pod["spec"]
    pid = "NODE" if spec.get("hostPID") else "POD" if spec.get("shareProcessNamespace") else "CONTAINER"
    return contract.Namespaces(
        network="NODE" if spec.get("hostNetwork") else "POD", pid=pid, ipc="NODE" if spec.get("hostIPC") else "POD"
    )


def container_context(
    pod: pods.Object, container: pods.Object, image: contract.Image | None, profiles: SeccompProfiles | None = None
) -> contract.ContainerSecurity:
    wanted = effective(pod, container)
    made = contract.ContainerSecurity(namespace_options=namespaces(pod))
    made.privileged = bool(wanted.get("privileged"))
    made.readonly_rootfs = bool(wanted.get("readOnlyRootFilesystem"))
    made.selinux_options = selinux(wanted.get("seLinuxOptions"))
    capabilities = wanted.get("capabilities")
    if capabilities:
        made.capabilities = contract.Capability(
            list(capabilities.get("add") or ()), list(capabilities.get("drop") or ())
        )
    made.run_as_user, made.run_as_group = wanted.get("runAsUser"), wanted.get("runAsGroup")
    if made.run_as_user is None:
        made.run_as_user, made.run_as_username = image_user(image)
    made.supplemental_groups = groups(pod)
    policy = (pod["spec"].get("securityContext") or {}).get("supplementalGroupsPolicy")
    if policy:
        made.supplemental_groups_policy = policy
    made.no_new_privs = wanted.get("allowPrivilegeEscalation") is False
    if wanted.get("procMount", "Default") != "Unmasked":
        made.masked_paths, made.readonly_paths = list(_MASKED), list(_READ_ONLY)
    made.seccomp = seccomp(wanted, made.privileged, profiles or SeccompProfiles())
    made.apparmor, made.apparmor_profile = apparmor(pod, container, wanted)
    return made


def sandbox_context(pod: pods.Object) -> contract.SandboxSecurity:
    outer = pod["spec"].get("securityContext") or {}
    return contract.SandboxSecurity(
        namespace_options=namespaces(pod),
        selinux_options=selinux(outer.get("seLinuxOptions")),
        run_as_user=outer.get("runAsUser"),
        run_as_group=outer.get("runAsGroup"),
        supplemental_groups=groups(pod),
        privileged=any(
            (container.get("securityContext") or {}).get("privileged") for container, _ in pods.every_container(pod)
        ),
        # Whatever the pod's profile is, the pause process needs no more than the runtime's default.
        seccomp=contract.SecurityProfile("RuntimeDefault"),
    )


def groups(pod: pods.Object) -> list[int]:
    outer = pod["spec"].get("securityContext") or {}
    first = [outer["fsGroup"]] if outer.get("fsGroup") is not None else []
    return [*first, *(outer.get("supplementalGroups") or ())]


def selinux(options: dict[str, str] | None) -> contract.SelinuxOptions | None:
    if not options:
        return None
    return contract.SelinuxOptions(**{key: options.get(key, "") for key in ("user", "role", "type", "level")})


def seccomp(wanted: dict[str, Any], privileged: bool, profiles: SeccompProfiles) -> contract.SecurityProfile:
    profile = wanted.get("seccompProfile")
    if privileged:
        return contract.SecurityProfile("Unconfined")
    if not profile:
        return contract.SecurityProfile("RuntimeDefault" if profiles.runtime_default else "Unconfined")
    if profile["type"] == "Localhost":
        reference = profile.get("localhostProfile")
        if not reference:
            raise environment.ConfigError("localhostProfile must be set if seccompProfile type is Localhost.")
        return contract.SecurityProfile("Localhost", f"{profiles.directory}/{reference}")
    return contract.SecurityProfile(profile["type"])


def apparmor(
    pod: pods.Object, container: pods.Object, wanted: dict[str, Any]
) -> tuple[contract.SecurityProfile | None, str]:
    """The profile in the new field and in the old string form, which containerd 1.6 reads."""
    profile = wanted.get("appArmorProfile")
    if not profile:
        old = pods.annotations_of(pod).get(f"container.apparmor.security.beta.kubernetes.io/{container['name']}", "")
        kinds = {"runtime/default": "RuntimeDefault", "unconfined": "Unconfined"}
        if old.startswith("localhost/"):
            return contract.SecurityProfile("Localhost", old.removeprefix("localhost/")), old
        return (contract.SecurityProfile(kinds[old]), old) if old in kinds else (None, "")
    if profile["type"] == "Localhost":
        reference = profile.get("localhostProfile")
        if not reference:
            raise environment.ConfigError("missing localhost apparmor profile name")
        return contract.SecurityProfile("Localhost", reference), f"localhost/{reference}"
    return contract.SecurityProfile(profile["type"]), {"RuntimeDefault": "runtime/default"}.get(
        profile["type"], "unconfined"
    )
