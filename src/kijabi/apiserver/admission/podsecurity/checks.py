"""What the Pod Security Standards forbid, each a pure function from a pod to what is wrong with it.

A check gives ``""`` or upstream's detail. Which of them a level has in which version is said in ``standards``.
Source: the Kubernetes documentation, "Pod Security Standards", as of v1.36.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from kijabi.apiserver import contract
from kijabi.apiserver.authz import references

Object = contract.Object
Check = Callable[[Object], str]

_DEFAULT_CAPABILITIES = frozenset(
    (
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    )
)
SYSCTLS_1_0 = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_syncookies",
    )
)
SYSCTLS_1_27 = SYSCTLS_1_0 | {"net.ipv4.ip_local_reserved_ports"}
SYSCTLS_1_29 = SYSCTLS_1_27 | {
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
}
SYSCTLS_1_32 = SYSCTLS_1_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
SELINUX_1_0 = frozenset(("", "container_t", "container_init_t", "container_kvm_t"))
SELINUX_1_31 = SELINUX_1_0 | {"container_engine_t"}
_PLAIN_VOLUMES = frozenset(
    (
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    )
)
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_GOOD_PROFILES = ("RuntimeDefault", "Localhost")


def _spec(pod: Object) -> Object:
    return pod.get("spec") or {}


def _context(holder: Object) -> Object:
    return holder.get("securityContext") or {}


def _containers(pod: Object) -> Iterator[Object]:
    return references.containers(_spec(pod))


def _quoted(texts: Iterable[Any]) -> str:
    return ", ".join(f'"{text}"' for text in texts)


def _named(names: list[str]) -> str:
    return f"{'container' if len(names) == 1 else 'containers'} {_quoted(names)}"


def _bad(pod: Object, wrong: Callable[[Object], bool]) -> list[str]:
    return [one.get("name", "") for one in _containers(pod) if wrong(one)]


def _setters(pod: Object, wrong: Callable[[Object], bool]) -> str:
    """``pod and container "a"``: who of the pod and its containers has a bad security context."""
    who = ["pod"] if wrong(_context(_spec(pod))) else []
    names = _bad(pod, lambda one: wrong(_context(one)))
    return " and ".join([*who, *([_named(names)] if names else [])])


def _is_windows(pod: Object) -> bool:
    return (_spec(pod).get("os") or {}).get("name") == "windows"


def unless_own_users(check: Check) -> Check:
    """Root in a user namespace of its own is nobody outside (KEP-127)."""
    return lambda pod: "" if _spec(pod).get("hostUsers") is False else check(pod)


def unless_windows(check: Check) -> Check:
    return lambda pod: "" if _is_windows(pod) else check(pod)


# --- baseline


def apparmor(pod: Object) -> str:
    def wrong(context: Object) -> bool:
        profile = context.get("appArmorProfile")
        return profile is not None and profile.get("type") not in _GOOD_PROFILES

    who = [_setters(pod, wrong)] if _setters(pod, wrong) else []
    values = {
        (_context(one).get("appArmorProfile") or {}).get("type", "")
        for one in (_spec(pod), *_containers(pod))
        if wrong(_context(one))
    }
    for key, value in sorted(((pod.get("metadata") or {}).get("annotations") or {}).items()):
        if key.startswith(_APPARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/"):
            who.append(f'annotation "{key}"')
            values.add(value)
    return f"{' and '.join(who)} must not set AppArmor profile type to {_quoted(sorted(values))}" if who else ""


def capabilities(pod: Object) -> str:
    found: set[str] = set()
    names = []
    for one in _containers(pod):
        extra = set((_context(one).get("capabilities") or {}).get("add") or ()) - _DEFAULT_CAPABILITIES
        if extra:
            names.append(one.get("name", ""))
            found |= extra
    if not names:
        return ""
    return f"{_named(names)} must not include {_quoted(sorted(found))} in securityContext.capabilities.add"


def host_namespaces(pod: Object) -> str:
    return ", ".join(f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if _spec(pod).get(key))


def host_path(pod: Object) -> str:
    names = [one["name"] for one in _spec(pod).get("volumes") or () if "hostPath" in one]
    return f"{'volume' if len(names) == 1 else 'volumes'} {_quoted(names)}" if names else ""


def host_ports(pod: Object) -> str:
    def ports(one: Object) -> list[int]:
        return [port["hostPort"] for port in one.get("ports") or () if port.get("hostPort")]

    names = _bad(pod, lambda one: bool(ports(one)))
    if not names:
        return ""
    taken = sorted({str(port) for one in _containers(pod) for port in ports(one)})
    return (
        f"{_named(names)} {'uses' if len(names) == 1 else 'use'} "
        f"{'hostPort' if len(taken) == 1 else 'hostPorts'} {', '.join(taken)}"
    )


def host_probes(pod: Object) -> str:
    def hosts(one: Object) -> set[str]:
        handlers = [one.get(key) or {} for key in ("livenessProbe", "readinessProbe", "startupProbe")]
        handlers += [(one.get("lifecycle") or {}).get(key) or {} for key in ("postStart", "preStop")]
        found = {(handler.get(key) or {}).get("host", "") for handler in handlers for key in ("httpGet", "tcpSocket")}
        return found - {""}

    names = sorted(_bad(pod, lambda one: bool(hosts(one))))
    if not names:
        return ""
    found = sorted({host for one in _containers(pod) for host in hosts(one)})
    what = "probe or lifecycle host" if len(found) == 1 else "probe or lifecycle hosts"
    return f"{_named(names)} {'uses' if len(names) == 1 else 'use'} {what} {_quoted(found)}"


def privileged(pod: Object) -> str:
    names = _bad(pod, lambda one: bool(_context(one).get("privileged")))
    return f"{_named(names)} must not set securityContext.privileged=true" if names else ""


def proc_mount(pod: Object) -> str:
    names = _bad(pod, lambda one: _context(one).get("procMount", "Default") != "Default")
    kinds = sorted({_context(one)["procMount"] for one in _containers(pod) if one.get("name") in names})
    return f"{_named(names)} must not set securityContext.procMount to {_quoted(kinds)}" if names else ""


def selinux(types: AbstractSet[str]) -> Check:
    return lambda pod: _selinux(pod, types)


def _selinux(pod: Object, types: AbstractSet[str]) -> str:
    def wrong(context: Object) -> list[str]:
        options = context.get("seLinuxOptions") or {}
        found = [] if options.get("type", "") in types else [f'type "{options["type"]}"']
        return found + [f"{key} may not be set" for key in ("user", "role") if options.get(key)]

    who = _setters(pod, lambda context: bool(wrong(context)))
    if not who:
        return ""
    found = {text for one in (_spec(pod), *_containers(pod)) for text in wrong(_context(one))}
    # Types first, as upstream lists them.
    listed = sorted(found, key=lambda text: (not text.startswith("type "), not text.startswith("user "), text))
    return f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(listed)}"


def _seccomp(context: Object) -> str | None:
    profile = context.get("seccompProfile")
    return None if profile is None else str(profile.get("type", ""))


def seccomp_annotations(pod: Object) -> str:
    """As profiles were named before there was a field for them."""
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    keys = [_SECCOMP_POD, *(_SECCOMP_CONTAINER + one.get("name", "") for one in _containers(pod))]
    found = sorted({f'{key}="{annotations[key]}"' for key in keys if key in annotations and _is_bad(annotations[key])})
    return f"forbidden {'annotation' if len(found) == 1 else 'annotations'} {', '.join(found)}" if found else ""


def _is_bad(profile: str) -> bool:
    return profile not in ("runtime/default", "docker/default") and not profile.startswith("localhost/")


def seccomp(pod: Object) -> str:
    def wrong(context: Object) -> bool:
        return _seccomp(context) not in (None, *_GOOD_PROFILES)

    return _seccomp_setters(pod, wrong)


def _seccomp_setters(pod: Object, wrong: Callable[[Object], bool]) -> str:
    who = _setters(pod, wrong)
    if not who:
        return ""
    values = sorted({_seccomp(_context(one)) or "" for one in (_spec(pod), *_containers(pod)) if wrong(_context(one))})
    return f"{who} must not set securityContext.seccompProfile.type to {_quoted(values)}"


def sysctls(safe: AbstractSet[str]) -> Check:
    def check(pod: Object) -> str:
        named = [one.get("name", "") for one in _context(_spec(pod)).get("sysctls") or ()]
        return ", ".join(name for name in named if name not in safe)

    return check


def windows_host_process(pod: Object) -> str:
    who = _setters(pod, lambda context: bool((context.get("windowsOptions") or {}).get("hostProcess")))
    return f"{who} must not set securityContext.windowsOptions.hostProcess=true" if who else ""


# --- restricted


def privilege_escalation(pod: Object) -> str:
    names = _bad(pod, lambda one: _context(one).get("allowPrivilegeEscalation") is not False)
    return f"{_named(names)} must set securityContext.allowPrivilegeEscalation=false" if names else ""


def all_capabilities(pod: Object) -> str:

    def part(one: Object, key: str) -> set[str]:
        return set((_context(one).get("capabilities") or {}).get(key) or ())

    keeping = _bad(pod, lambda one: "ALL" not in part(one, "drop"))
    adding = _bad(pod, lambda one: bool(part(one, "add") - {"NET_BIND_SERVICE"}))
    found = []
    if keeping:
        found.append(f'{_named(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        added = sorted({name for one in _containers(pod) for name in part(one, "add")} - {"NET_BIND_SERVICE"})
        found.append(f"{_named(adding)} must not include {_quoted(added)} in securityContext.capabilities.add")
    return "; ".join(found)


def volume_types(pod: Object) -> str:
    names, types = [], set()
    for one in _spec(pod).get("volumes") or ():
        other = sorted(one.keys() - {"name"} - _PLAIN_VOLUMES)
        if other:
            names.append(one["name"])
            types.add(other[0])
    if not names:
        return ""
    return (
        f"{'volume' if len(names) == 1 else 'volumes'} {_quoted(names)} {'uses' if len(names) == 1 else 'use'} "
        f"{'restricted volume type' if len(types) == 1 else 'restricted volume types'} {_quoted(sorted(types))}"
    )


def run_as_non_root(pod: Object) -> str:
    who = _setters(pod, lambda context: context.get("runAsNonRoot") is False)
    if who:
        return f"{who} must not set securityContext.runAsNonRoot=false"
    if _context(_spec(pod)).get("runAsNonRoot"):
        return ""
    names = _bad(pod, lambda one: _context(one).get("runAsNonRoot") is None)
    return f"pod or {_named(names)} must set securityContext.runAsNonRoot=true" if names else ""


def run_as_user(pod: Object) -> str:
    who = _setters(pod, lambda context: context.get("runAsUser") == 0)
    return f"{who} must not set runAsUser=0" if who else ""


def seccomp_set(pod: Object) -> str:
    explicit = seccomp(pod)
    if explicit:
        return explicit
    if _seccomp(_context(_spec(pod))) in _GOOD_PROFILES:
        return ""
    names = _bad(pod, lambda one: _seccomp(_context(one)) is None)
    tail = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return f"pod or {_named(names)} {tail}" if names else ""
