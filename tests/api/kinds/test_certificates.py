"""CertificateSigningRequests and events: what they must say, and who may say it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kijabi.api.certificates import certificatesigningrequest as kind
from kijabi.api.certificates import pem

SUBJECT = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
KEY = ec.generate_private_key(ec.SECP256R1())
REQUEST = x509.CertificateSigningRequestBuilder().subject_name(SUBJECT).sign(KEY, hashes.SHA256())
PEM = base64.b64encode(REQUEST.public_bytes(serialization.Encoding.PEM)).decode()
BASE: dict[str, Any] = {"spec": {"request": PEM, "signerName": "example.com/s", "usages": ["client auth"]}}
CSR = ("certificates.k8s.io/v1", "CertificateSigningRequest", BASE)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("metadata.name", "A_b", []),
        ("spec.request", "eA==", ['spec.request: Invalid value: "eA==": PEM block type must be CERTIFICATE REQUEST']),
        (
            "spec.signerName",
            "example/s",
            [
                'spec.signerName: Invalid value: "example": should be a domain with at least two segments separated by '
                "dots"
            ],
        ),
        (
            "spec.signerName",
            "kubernetes.io/legacy-unknown",
            [
                'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed '
                "via this API version"
            ],
        ),
        ("spec.usages", ["any", "any"], ['spec.usages[1]: Duplicate value: "any"']),
    ],
)
def test_what_is_asked(trial: Any, path: str, value: Any, expected: list[str]) -> None:
    assert trial(*CSR).create((path, value)) == expected


def condition(name: str, status: str = "True") -> dict[str, str]:
    return {"type": name, "status": status}


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([condition("Failed")], []),
        (
            [condition("Approved")],
            ['status.conditions: Forbidden: updates may not add a condition of type "Approved"'],
        ),
        (
            [condition("Failed", "False")],
            ['status.conditions[0].status: Unsupported value: "False": supported values: "True"'],
        ),
        ([condition("Mine"), condition("Mine")], ['status.conditions[1].type: Duplicate value: "Mine"']),
    ],
)
def test_conditions_by_way_of_the_status(trial: Any, conditions: Any, expected: list[str]) -> None:
    assert trial(*CSR).status(("status.conditions", conditions)) == expected


def test_a_certificate_is_written_once(trial: Any) -> None:
    case = trial(*CSR)
    assert case.status(("status.certificate", PEM)) == [
        'status.certificate: Invalid value: "<certificate data>": only CERTIFICATE PEM blocks are allowed, found '
        '"CERTIFICATE REQUEST"'
    ]
    assert case.status(("status", {}), before=(("status.certificate", "eA=="),)) == [
        "status.certificate: Forbidden: updates may not modify existing certificate content"
    ]


def test_approval_changes_conditions_alone_and_dates_them() -> None:
    old: dict[str, Any] = {"metadata": {"resourceVersion": "1"}, **BASE, "status": {"certificate": "eA=="}}
    new: dict[str, Any] = {"metadata": {}, "spec": {}, "status": {"conditions": [condition("Approved")]}}
    kind.prepare_approval(new, old)
    assert (new["spec"], new["status"]["certificate"]) == (BASE["spec"], "eA==")
    assert new["status"]["conditions"][0].keys() == {"type", "status", "lastUpdateTime", "lastTransitionTime"}
    assert kind.validate_approval(new, old) == []
    both = {**new, "status": {"conditions": [condition("Approved"), condition("Denied")]}}
    assert [error.body for error in kind.validate_approval(both, {**old, "status": {}})] == [
        'Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", ""),
        (b"x", "must contain at least one CERTIFICATE PEM block"),
        (b"-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n", "x509: malformed certificate"),
        (
            b"-----BEGIN CERTIFICATE-----\nA: b\n\neA==\n-----END CERTIFICATE-----\n",
            "no PEM block headers are permitted",
        ),
    ],
)
def test_certificates_as_text(text: bytes, problem: str) -> None:
    assert pem.certificate_problem(base64.b64encode(text).decode()) == problem


EVENT: dict[str, Any] = {
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "reportingController": "example.com/c",
    "reportingInstance": "i",
    "action": "A",
    "reason": "R",
    "type": "Normal",
    "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("regarding.namespace", "other", []),
        ("type", "Loud", ['type: Invalid value: "": has invalid value: Loud']),
        ("note", "x" * 1025, ['message: Invalid value: "": can have at most 1024 characters']),
        ("deprecatedCount", 3, ['count: Invalid value: "": needs to be unset']),
        (
            "series",
            {"count": 1},
            ['series.count: Invalid value: "": should be at least 2', "series.lastObservedTime: Required value"],
        ),
    ],
)
def test_events(trial: Any, path: str, value: Any, expected: list[str]) -> None:
    assert trial("events.k8s.io/v1", "Event", EVENT).create((path, value)) == expected


def test_an_event_grows_into_a_series_and_changes_in_nothing_else(trial: Any) -> None:
    case = trial("events.k8s.io/v1", "Event", EVENT)
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}
    assert case.update(("series", series)) == []
    assert case.update(("note", "x")) == ['message: Invalid value: "x": field is immutable']
