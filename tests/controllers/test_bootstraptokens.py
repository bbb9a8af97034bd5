import base64
import hmac
from typing import Any

import orjson
import pytest

from kijabi import testing
from kijabi.api import kinds
from kijabi.controllers.bootstraptokens import tokens

NOW = 1_800_000_000.0


def secret(token_id: str = "abcdef", **data: str) -> dict[str, Any]:
    told = {
        "token-id": token_id,
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-signing": "true",
        **{key.replace("_", "-"): value for key, value in data.items()},
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"bootstrap-token-{token_id}", "namespace": "kube-system"},
        "type": tokens.TYPE,
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in told.items()},
    }


@pytest.mark.parametrize(
    ("changed", "signs"),
    [
        pytest.param({}, True, id="good"),
        pytest.param({"expiration": "2027-01-15T08:00:01Z"}, True, id="not yet expired"),
        pytest.param({"expiration": "2027-01-15T08:00:00Z"}, False, id="expired"),
        pytest.param({"expiration": "tomorrow"}, False, id="no time"),
        pytest.param({"usage_bootstrap_signing": "false"}, False, id="not for signing"),
        pytest.param({"token_id": "fedcba"}, False, id="another name"),
        pytest.param({"token_secret": ""}, False, id="no secret"),
    ],
)
def test_which_tokens_sign(changed: dict[str, str], signs: bool) -> None:
    made = secret()
    changed_data = {key.replace("_", "-"): base64.b64encode(v.encode()).decode() for key, v in changed.items()}
    made["data"].update(changed_data)
    assert (tokens.signing([made], NOW) == {"abcdef": "0123456789abcdef"}) is signs


def test_a_signature_is_a_detached_jws() -> None:
    header, content, signature = tokens.signature("hello", "abcdef", "0123456789abcdef").split(".")
    assert content == ""
    assert orjson.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))) == {
        "alg": "HS256",
        "kid": "abcdef",
    }
    expected = hmac.digest(b"0123456789abcdef", f"{header}.aGVsbG8".encode(), "sha256")
    assert base64.urlsafe_b64decode(signature + "=") == expected


def test_signatures_of_tokens_that_are_gone_go() -> None:
    before = {"kubeconfig": "x", "jws-kubeconfig-oldold": "y", "other": "z"}
    assert set(tokens.signed(before, {"abcdef": "k"})) == {"kubeconfig", "other", "jws-kubeconfig-abcdef"}


async def test_cluster_info_is_signed_and_expired_tokens_go() -> None:
    chosen = ("bootstrap-signer-controller", "token-cleaner-controller", "serviceaccount-controller")
    async with testing.InProcess(nodes=0, controllers=chosen) as cluster:
        await cluster.client.create(kinds.SECRETS, secret())
        await cluster.client.create(kinds.SECRETS, secret("ffffff", expiration="2020-01-01T00:00:00Z"))
        info = {"metadata": {"name": "cluster-info", "namespace": "kube-public"}, "data": {"kubeconfig": "hello"}}
        await cluster.client.create(kinds.CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", **info})
        await cluster.wait_gone(kinds.SECRETS, "bootstrap-token-ffffff", "kube-system")
        there = await cluster.wait(
            kinds.CONFIG_MAPS,
            "cluster-info",
            lambda found: "jws-kubeconfig-abcdef" in found["data"],
            "kube-public",
        )
        assert there["data"]["jws-kubeconfig-abcdef"] == tokens.signature("hello", "abcdef", "0123456789abcdef")
        assert "jws-kubeconfig-ffffff" not in there["data"]
        await cluster.client.delete(kinds.SECRETS, "bootstrap-token-abcdef", "kube-system")
        await cluster.wait(
            kinds.CONFIG_MAPS, "cluster-info", lambda found: set(found["data"]) == {"kubeconfig"}, "kube-public"
        )
