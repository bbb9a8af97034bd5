"""Validation of security contexts: users, groups, profiles, sysctls, and what each operating system has.

Source: "Configure a Security Context for a Pod or Container", "Using sysctls in a Kubernetes Cluster".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kijabi.api import checks, field, names
from kijabi.api.checks import Errors
from kijabi.api.core.podspec import paths
from kijabi.api.resource import Object

_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_LONGEST_PATH = 4095
_SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"({_SYSCTL_SEGMENT}[\./])*{_SYSCTL_SEGMENT}"
_IS_SYSCTL = re.compile(_SYSCTL, re.ASCII)
_IPC = {"kernel.sem", "kernel.shm", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"}
_IPC |= {"kernel.msg", "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni"}
_IPC_PREFIX, _NET_PREFIX = "fs.mqueue.", "net."


def every_container(spec: Object, path: str) -> Iterator[tuple[Object, str]]:
    """Each container with its path, in upstream's order of a visit."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for position, container in enumerate(spec.get(kind) or ()):
            yield container, f"{path}.{kind}[{position}]"


def validate_pod(spec: Object, path: str) -> Errors:
    context = spec.get("securityContext")
    if not context:
        return []
    found: Errors = []
    for key in ("fsGroup", "runAsUser", "runAsGroup"):
        found += _id(context, key, path)
    for position, group in enumerate(context.get("supplementalGroups") or ()):
        found += [field.invalid(f"{path}.supplementalGroups[{position}]", group, text) for text in names.user_id(group)]
    found += _sysctls(spec, context.get("sysctls") or [], f"{path}.sysctls")
    found += checks.pointer(context, "fsGroupChangePolicy", path, ("Always", "OnRootMismatch"))
    found += seccomp(context.get("seccompProfile"), f"{path}.seccompProfile")
    found += windows_options(context.get("windowsOptions"), f"{path}.windowsOptions")
    found += apparmor(context.get("appArmorProfile"), f"{path}.appArmorProfile")
    found += checks.pointer(context, "supplementalGroupsPolicy", path, ("Merge", "Strict"))
    return found + checks.pointer(context, "seLinuxChangePolicy", path, ("Recursive",))


def shared_processes(spec: Object, path: str) -> Errors:
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        return [field.invalid(f"{path}.shareProcessNamespace", True, text)]
    return []


def _id(context: Object, key: str, path: str) -> Errors:
    value = context.get(key)
    if value is None:
        return []
    return [field.invalid(f"{path}.{key}", value, text) for text in names.user_id(value)]


def _sysctls(spec: Object, sysctls: list[Object], path: str) -> Errors:
    found: Errors = []
    taken: set[str] = set()
    for position, sysctl in enumerate(sysctls):
        where = f"{path}[{position}].name"
        name = sysctl.get("name", "")
        if not name:
            found.append(field.required(where))
        elif len(name) > 253 or not _IS_SYSCTL.fullmatch(name):
            found.append(field.invalid(where, name, f"must have at most 253 characters and match regex ^{_SYSCTL}$"))
        elif name in taken:
            found.append(field.duplicate(where, name))
        found += _host_sysctl(spec, name, where)
        taken.add(name)
    return found


def _host_sysctl(spec: Object, name: str, path: str) -> Errors:
    """A namespace that is the host's is not for a pod to change."""
    first = min((name.find(mark) for mark in "./" if mark in name), default=-1)
    dotted = name.translate(str.maketrans("./", "/.")) if first >= 0 and name[first] == "/" else name
    if spec.get("hostNetwork") and dotted.startswith(_NET_PREFIX):
        return [field.invalid(path, name, "may not be specified when 'hostNetwork' is true")]
    if spec.get("hostIPC") and (dotted in _IPC or dotted.startswith(_IPC_PREFIX)):
        return [field.invalid(path, name, "may not be specified when 'hostIPC' is true")]
    return []


def validate_container(context: Object | None, host_users: bool, path: str) -> Errors:
    if not context:
        return []
    found = _id(context, "runAsUser", path) + _id(context, "runAsGroup", path)
    mount = context.get("procMount")
    if mount is not None:
        found += checks.pointer(context, "procMount", path, ("Default", "Unmasked"))
        if host_users and mount == "Unmasked":
            found.append(field.invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`"))
    found += seccomp(context.get("seccompProfile"), f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        found += _escalation(context, path)
    found += windows_options(context.get("windowsOptions"), f"{path}.windowsOptions")
    return found + apparmor(context.get("appArmorProfile"), f"{path}.appArmorProfile")


def _escalation(context: Object, path: str) -> Errors:
    found: Errors = []
    start = "cannot set `allowPrivilegeEscalation` to false and"
    if context.get("privileged"):
        found.append(field.invalid(path, _shown(context), f"{start} `privileged` to true"))
    added = (context.get("capabilities") or {}).get("add") or ()
    found += [
        field.invalid(path, _shown(context), f"{start} `capabilities.Add` CAP_SYS_ADMIN")
        for name in added
        if name == "CAP_SYS_ADMIN"
    ]
    return found


# The order and the spelling in which upstream's messages show a context.
_CONTEXT = (
    "capabilities",
    "privileged",
    "seLinuxOptions",
    "windowsOptions",
    "runAsUser",
    "runAsGroup",
    "runAsNonRoot",
    "readOnlyRootFilesystem",
    "allowPrivilegeEscalation",
    "procMount",
    "seccompProfile",
    "appArmorProfile",
)
_INSIDE = {
    "capabilities": ("add", "drop"),
    "seLinuxOptions": ("user", "role", "type", "level"),
    "windowsOptions": ("gmsaCredentialSpecName", "gmsaCredentialSpec", "runAsUserName", "hostProcess"),
    "seccompProfile": ("type", "localhostProfile"),
    "appArmorProfile": ("type", "localhostProfile"),
}
_SPELLING = {"seLinuxOptions": "SELinuxOptions", "gmsaCredentialSpec": "GMSACredentialSpec"}
_SPELLING["gmsaCredentialSpecName"] = "GMSACredentialSpecName"


def _shown(value: Object, keys: tuple[str, ...] = _CONTEXT) -> Object:
    shown: Object = {}
    for key in keys:
        own = value.get(key)
        if isinstance(own, dict):
            own = _shown(own, _INSIDE[key])
        elif own is None and keys == _INSIDE["seLinuxOptions"]:
            own = ""
        shown[_SPELLING.get(key, key[0].upper() + key[1:])] = own
    return shown


def seccomp(profile: Object | None, path: str) -> Errors:
    if profile is None:
        return []
    kind, local = profile.get("type"), profile.get("localhostProfile")
    where = f"{path}.localhostProfile"
    found = _profile_type(kind, "type is required when seccompProfile is set", f"{path}.type")
    if kind == "Localhost":
        if local is None:
            found.append(field.required(where, "must be set when seccomp type is Localhost"))
        else:
            found += paths.descending(local, where)
    elif local is not None:
        shown = _shown(profile, _INSIDE["seccompProfile"])
        found.append(field.invalid(where, shown, "can only be set when seccomp type is Localhost"))
    return found


def _profile_type(kind: str | None, required: str, path: str) -> Errors:
    if not kind:
        return [field.required(path, required)]
    return [] if kind in _PROFILES else [field.not_supported(path, kind, _PROFILES, ordered=True)]


def apparmor(profile: Object | None, path: str) -> Errors:
    if profile is None:
        return []
    kind, local = profile.get("type"), profile.get("localhostProfile")
    where = f"{path}.localhostProfile"
    if kind == "Localhost":
        return _apparmor_local(local, where)
    if kind in _PROFILES:
        text = "can only be set when AppArmor type is Localhost"
        return [field.invalid(where, local, text)] if local is not None else []
    return _profile_type(kind, "type is required when appArmorProfile is set", f"{path}.type")


def _apparmor_local(local: str | None, path: str) -> Errors:
    required = field.required(path, "must be set when AppArmor type is Localhost")
    if local is None:
        return [required]
    found: Errors = []
    if local != local.strip():
        found.append(field.invalid(path, local, "must not be padded with whitespace"))
    elif not local:
        found.append(required)
    if len(local.encode()) > _LONGEST_PATH:
        found.append(field.too_long(path, _LONGEST_PATH))
    return found


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NETBIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
_DNS_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS_NAME = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*")
_DOTS_AND_SPACES = re.compile(r"[. ]+")
_NOT_IN_USERS = re.compile(r'["/\\:;|=,+*?<>@\[\]]')
_SPEC_KIB = 64
_DOMAIN_BELOW, _USER_AT_MOST = 256, 104


def windows_options(options: Object | None, path: str) -> Errors:
    if options is None:
        return []
    found: Errors = []
    name = options.get("gmsaCredentialSpecName")
    if name is not None:
        found += checks.word(name, f"{path}.gmsaCredentialSpecName", names.dns_subdomain)
    spec = options.get("gmsaCredentialSpec")
    if spec is not None:
        where = f"{path}.gmsaCredentialSpec"
        if not spec:
            found.append(field.invalid(where, spec, "gmsaCredentialSpec cannot be an empty string"))
        elif len(spec.encode()) > _SPEC_KIB * 1024:
            found.append(field.invalid(where, spec, f"gmsaCredentialSpec size must be under {_SPEC_KIB} KiB"))
    user = options.get("runAsUserName")
    if user is not None:
        found += [field.invalid(f"{path}.runAsUserName", user, f"runAsUserName{text}") for text in _user_name(user)]
    return found


def _user_name(name: str) -> list[str]:
    """``user`` or ``domain\\user``; the complaints go on from the field's name."""
    if not name:
        return [" cannot be an empty string"]
    if _CONTROL.search(name):
        return [" cannot contain control characters"]
    parts = name.split("\\")
    if len(parts) > 2:
        return [" cannot contain more than one backslash"]
    domain, user = parts if len(parts) == 2 else ("", parts[0])
    found = []
    if len(domain) >= _DOMAIN_BELOW:
        found.append(f"'s Domain length must be under {_DOMAIN_BELOW} characters")
    if len(parts) == 2 and not (_NETBIOS.fullmatch(domain) or _DNS_NAME.fullmatch(domain)):
        found.append("'s Domain doesn't match the NetBios nor the DNS format")
    if not user:
        found.append("'s User cannot be empty")
    elif len(user) > _USER_AT_MOST:
        found.append(f"'s User length must not be longer than {_USER_AT_MOST} characters")
    if _DOTS_AND_SPACES.fullmatch(user):
        found.append("'s User cannot contain only periods or spaces")
    if _NOT_IN_USERS.search(user):
        found.append("'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]")
    return found


def host_processes(spec: Object, path: str) -> Errors:
    """Windows' host processes: all of a pod's containers or none."""
    pod_wide = ((spec.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    found: Errors = []
    total = on_host = 0
    for container, where in every_container(spec, path):
        total += 1
        own = ((container.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
        if pod_wide is not None and own is not None and pod_wide != own:
            shown = "true" if pod_wide else "false"
            text = f"pod hostProcess value must be identical if both are specified, was {shown}"
            found.append(field.invalid(f"{where}.securityContext.windowsOptions.hostProcess", own, text))
        on_host += bool(pod_wide if own is None else own)
    if on_host:
        if on_host != total:
            text = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
            found.append(field.invalid(path, "", text))
        if not spec.get("hostNetwork"):
            text = "hostNetwork must be true if pod contains any hostProcess containers"
            found.append(field.invalid(f"{path}.hostNetwork", False, text))
    return found


def host_users(spec: Object, path: str) -> Errors:
    """A pod with users of its own has namespaces of its own."""
    if spec.get("hostUsers") is not False:
        return []
    text = "when `hostUsers` is false"
    hosts = (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC"))
    found = [field.forbidden(f"{path}.{shown}", text) for key, shown in hosts if spec.get(key)]
    for container, where in every_container(spec, path):
        if container.get("volumeDevices"):
            found.append(field.forbidden(f"{where}.volumeDevices", text))
    return found


def operating_system(spec: Object, path: str) -> Errors:
    system = spec.get("os")
    if system is None:
        return []
    name = system.get("name")
    if not name:
        return [field.required(f"{path}.os.name")]
    if name == "linux":
        return _linux(spec, path)
    if name == "windows":
        return _windows(spec, path)
    return [field.not_supported(f"{path}.os", name, ("linux", "windows"))]


def _linux(spec: Object, path: str) -> Errors:
    text = "windows options cannot be set for a linux pod"
    holders = [(spec, path), *every_container(spec, path)]
    return [
        field.forbidden(f"{where}.securityContext.windowsOptions", text)
        for holder, where in holders
        if (holder.get("securityContext") or {}).get("windowsOptions") is not None
    ]


# (field of the pod's security context, or of the spec itself): the order of upstream's complaints.
_NOT_ON_WINDOWS = (
    ("securityContext", "appArmorProfile"),
    ("securityContext", "seLinuxOptions"),
    ("", "hostUsers"),
    ("", "hostPID"),
    ("", "hostIPC"),
    ("securityContext", "seccompProfile"),
    ("securityContext", "fsGroup"),
    ("securityContext", "fsGroupChangePolicy"),
    ("securityContext", "sysctls"),
    ("", "shareProcessNamespace"),
    ("securityContext", "runAsUser"),
    ("securityContext", "runAsGroup"),
    ("securityContext", "supplementalGroups"),
    ("securityContext", "supplementalGroupsPolicy"),
    ("securityContext", "seLinuxChangePolicy"),
)
_NOT_IN_WINDOWS_CONTAINERS = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)
# Where upstream cannot tell no value from nothing set.
_PLAIN = ("hostPID", "hostIPC", "sysctls")


def _windows(spec: Object, path: str) -> Errors:
    text = "cannot be set for a windows pod"
    found: Errors = []
    for holder, key in _NOT_ON_WINDOWS:
        value = ((spec.get(holder) or {}) if holder else spec).get(key)
        if value if key in _PLAIN else value is not None:
            found.append(field.forbidden(".".join(part for part in (path, holder, key) if part), text))
    for container, where in every_container(spec, path):
        context = container.get("securityContext") or {}
        for key in _NOT_IN_WINDOWS_CONTAINERS:
            if context.get(key) is not None:
                found.append(field.forbidden(f"{where}.securityContext.{key}", text))
    return found
