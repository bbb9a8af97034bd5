"""The levels of the Pod Security Standards, version by version: which checks each has, in upstream's order.

A check is named by upstream's id. Of its forms the newest that is not newer than the version asked for counts; a check
of the restricted level may stand for one of baseline. Source: the documentation, "Pod Security Standards"; KEP-2579.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kijabi.apiserver.admission.podsecurity import checks
from kijabi.apiserver.contract import Object

PRIVILEGED, BASELINE, RESTRICTED = LEVELS = ("privileged", "baseline", "restricted")
LATEST = 10**9


@dataclass(frozen=True, slots=True)
class Form:
    """A check as it is from version 1.``since`` on."""

    since: int
    check: checks.Check
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    level: str
    reason: Callable[[str], str]
    forms: tuple[Form, ...]

    def at(self, minor: int) -> Form | None:
        fitting = [form for form in self.forms if form.since <= minor]
        return fitting[-1] if fitting else None


def _always(reason: str) -> Callable[[str], str]:
    return lambda detail: reason


def _apparmor_reason(detail: str) -> str:
    # By how many profiles are named behind the last "to".
    one = detail.rpartition(" to ")[2].count('"') == 2
    return "forbidden AppArmor profile" if one else "forbidden AppArmor profiles"


def _baseline(id_: str, reason: str, *forms: Form) -> Rule:
    return Rule(id_, BASELINE, _always(reason), forms)


def _restricted(id_: str, reason: str, *forms: Form) -> Rule:
    return Rule(id_, RESTRICTED, _always(reason), forms)


_ALL: tuple[Rule, ...] = (
    Rule("appArmorProfile", BASELINE, _apparmor_reason, (Form(0, checks.apparmor),)),
    _baseline("capabilities_baseline", "non-default capabilities", Form(0, checks.capabilities)),
    _baseline("hostNamespaces", "host namespaces", Form(0, checks.host_namespaces)),
    _baseline("hostPathVolumes", "hostPath volumes", Form(0, checks.host_path)),
    _baseline("hostPorts", "hostPort", Form(0, checks.host_ports)),
    _baseline("hostProbesAndHostLifecycle", "probe or lifecycle host", Form(34, checks.host_probes)),
    _baseline("privileged", "privileged", Form(0, checks.privileged)),
    _baseline(
        "procMount",
        "procMount",
        Form(0, checks.proc_mount),
        Form(35, checks.unless_own_users(checks.proc_mount)),
    ),
    _baseline(
        "seLinuxOptions",
        "seLinuxOptions",
        Form(0, checks.selinux(checks.SELINUX_1_0)),
        Form(31, checks.selinux(checks.SELINUX_1_31)),
    ),
    _baseline(
        "seccompProfile_baseline", "seccompProfile", Form(0, checks.seccomp_annotations), Form(19, checks.seccomp)
    ),
    _baseline(
        "sysctls",
        "forbidden sysctls",
        Form(0, checks.sysctls(checks.SYSCTLS_1_0)),
        Form(27, checks.sysctls(checks.SYSCTLS_1_27)),
        Form(29, checks.sysctls(checks.SYSCTLS_1_29)),
        Form(32, checks.sysctls(checks.SYSCTLS_1_32)),
    ),
    _baseline("windowsHostProcess", "hostProcess", Form(0, checks.windows_host_process)),
    _restricted(
        "allowPrivilegeEscalation",
        "allowPrivilegeEscalation != false",
        Form(8, checks.privilege_escalation),
        Form(25, checks.unless_windows(checks.privilege_escalation)),
    ),
    _restricted(
        "capabilities_restricted",
        "unrestricted capabilities",
        Form(22, checks.all_capabilities, "capabilities_baseline"),
        Form(25, checks.unless_windows(checks.all_capabilities), "capabilities_baseline"),
    ),
    _restricted("procMount_restricted", "procMount", Form(35, checks.proc_mount, "procMount")),
    _restricted("restrictedVolumes", "restricted volume types", Form(0, checks.volume_types, "hostPathVolumes")),
    _restricted(
        "runAsNonRoot",
        "runAsNonRoot != true",
        Form(0, checks.run_as_non_root),
        Form(35, checks.unless_own_users(checks.run_as_non_root)),
    ),
    _restricted(
        "runAsUser",
        "runAsUser=0",
        Form(23, checks.run_as_user),
        Form(35, checks.unless_own_users(checks.run_as_user)),
    ),
    _restricted(
        "seccompProfile_restricted",
        "seccompProfile",
        Form(19, checks.seccomp_set, "seccompProfile_baseline"),
        Form(25, checks.unless_windows(checks.seccomp_set), "seccompProfile_baseline"),
    ),
)


@functools.cache
def of(level: str, minor: int) -> Sequence[tuple[checks.Check, Callable[[str], str]]]:
    """The checks of a level in version 1.``minor``, each with its reason by its detail."""
    levels = {PRIVILEGED: (), BASELINE: (BASELINE,), RESTRICTED: (BASELINE, RESTRICTED)}[level]
    chosen = [(rule, form) for rule in _ALL if rule.level in levels and (form := rule.at(minor)) is not None]
    replaced = {form.instead_of for _, form in chosen}
    return [(form.check, rule.reason) for rule, form in chosen if rule.id not in replaced]


@dataclass(frozen=True, slots=True)
class Finding:
    """``reasons`` alone, and each with its detail."""

    reasons: str
    details: str


def violations(pod: Object, level: str, minor: int = LATEST) -> Finding | None:
    """What a pod (or a template of pods) does that the level forbids; None for nothing."""
    found = [(reason(detail), detail) for check, reason in of(level, minor) if (detail := check(pod))]
    if not found:
        return None
    details = ", ".join(f"{reason} ({detail})" for reason, detail in found)
    return Finding(", ".join(reason for reason, _ in found), details)
