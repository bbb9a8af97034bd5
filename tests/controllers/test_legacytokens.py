import base64
import copy

import jwt
import pytest

from kijabi import testing
from kijabi.api import errors, kinds
from kijabi.apiserver.authn import keys
from kijabi.controllers import legacytokens, serviceaccounttokens
from kijabi.kit import pki

DAY = 86400.0
NOW = 1_800_000_000.0  # 2027-01-15
PERIOD = 30 * DAY
ACCOUNT = {"metadata": {"name": "sa", "namespace": "ns", "uid": "u1"}, "secrets": [{"name": "s"}]}


def secret(labels=None, **changes):
    made = {
        "metadata": {
            "name": "s",
            "namespace": "ns",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {serviceaccounttokens.NAME: "sa"},
            "labels": labels or {},
        },
        "type": serviceaccounttokens.TYPE,
    }
    return {**made, **changes}


USED, INVALID = legacytokens.LAST_USED, legacytokens.INVALID_SINCE


@pytest.mark.parametrize(
    ("one", "account", "mounted", "what"),
    [
        pytest.param(secret(), ACCOUNT, (), "mark", id="never-used"),
        pytest.param(secret({USED: "2026-12-01"}), ACCOUNT, (), "mark", id="used-long-ago"),
        pytest.param(secret({USED: "2026-12-16"}), ACCOUNT, (), "", id="used-lately"),
        pytest.param(secret({USED: "yesterday"}), ACCOUNT, (), "", id="nobody-knows-when"),
        pytest.param(secret({INVALID: "2027-01-01"}), ACCOUNT, (), "", id="marked-lately"),
        pytest.param(secret({INVALID: "2026-12-01"}), ACCOUNT, (), "delete", id="marked-long-ago"),
        pytest.param(secret({INVALID: "nonsense"}), ACCOUNT, (), "mark", id="marked-with-nonsense"),
        pytest.param(secret(type="Opaque"), ACCOUNT, (), "", id="another-type"),
        pytest.param(secret(), {**ACCOUNT, "secrets": []}, (), "", id="made-by-hand"),
        pytest.param(secret(), None, (), "", id="no-account"),
        pytest.param(secret(), ACCOUNT, ("s",), "", id="mounted"),
    ],
)
def test_what_becomes_of_a_generated_token(one, account, mounted, what):
    assert legacytokens.due(one, account, mounted, NOW, PERIOD) == what


def test_a_young_token_is_left_alone():
    young = secret()
    young["metadata"]["creationTimestamp"] = "2027-01-01T00:00:00Z"
    assert legacytokens.due(young, ACCOUNT, (), NOW, PERIOD) == ""


def test_secrets_that_a_pod_uses():
    spec = {
        "imagePullSecrets": [{"name": "pull"}],
        "containers": [
            {
                "envFrom": [{"secretRef": {"name": "all"}}],
                "env": [{"valueFrom": {"secretKeyRef": {"name": "one", "key": "k"}}}],
            }
        ],
        "volumes": [
            {"secret": {"secretName": "mounted"}},
            {"projected": {"sources": [{"secret": {"name": "projected"}}]}},
            {"csi": {"nodePublishSecretRef": {"name": "csi"}}},
            {"configMap": {"name": "map"}},
        ],
    }
    assert legacytokens.secrets_of({"spec": spec}) == {"pull", "all", "one", "mounted", "projected", "csi"}


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "sa.key"
    path.write_bytes(pki.key_pem(pki.new_key()))
    return serviceaccounttokens.read_signer(str(path))


def test_a_secret_is_filled_with_what_it_lacks(signer):
    made = serviceaccounttokens.filled(secret(), ACCOUNT, b"ca", signer)
    said = {key: base64.b64decode(value) for key, value in made["data"].items()}
    assert (said["ca.crt"], said["namespace"]) == (b"ca", b"ns")
    assert made["metadata"]["annotations"] == {serviceaccounttokens.NAME: "sa", serviceaccounttokens.UID: "u1"}
    token = said["token"].decode()
    assert jwt.get_unverified_header(token)["kid"] == keys.verifier(signer.key.public_key()).id
    claims = jwt.decode(token, signer.key.public_key(), algorithms=["ES256"])
    assert (claims["iss"], claims["sub"]) == ("kubernetes/serviceaccount", "system:serviceaccount:ns:sa")
    assert serviceaccounttokens.filled(made, ACCOUNT, b"ca", signer) is None
    other = serviceaccounttokens.filled(made, ACCOUNT, b"another", signer)
    assert other["data"]["token"] == made["data"]["token"]


def test_a_file_that_holds_no_key(tmp_path):
    (tmp_path / "x").write_text("x")
    with pytest.raises(serviceaccounttokens.UnsuitableKey):
        serviceaccounttokens.read_signer(str(tmp_path / "x"))


async def test_tokens_come_and_go_with_their_account():
    names = ["serviceaccount-controller", "serviceaccount-token-controller"]
    async with testing.InProcess(controllers=names) as cluster:
        client = cluster.client
        account = {"metadata": {"name": "robot", "namespace": "default"}, "secrets": [{"name": "robot-token"}]}
        await client.create(kinds.SERVICE_ACCOUNTS, account)
        made = secret()
        made["metadata"] = {
            "name": "robot-token",
            "namespace": "default",
            "annotations": {serviceaccounttokens.NAME: "robot"},
        }
        await client.create(kinds.SECRETS, copy.deepcopy(made))
        found = await cluster.wait(
            kinds.SECRETS, "robot-token", lambda one: "token" in (one.get("data") or {}), "default"
        )
        token = base64.b64decode(found["data"]["token"]).decode()
        review = {"spec": {"token": token}}
        status = (await client.create(kinds.TOKEN_REVIEWS, review))["status"]
        assert status["user"]["username"] == "system:serviceaccount:default:robot"
        marked = await client.get(kinds.SECRETS, "robot-token", "default")
        assert legacytokens.date(marked["metadata"]["labels"][USED]) is not None
        await client.delete(kinds.SECRETS, "robot-token", "default")
        await cluster.wait(kinds.SERVICE_ACCOUNTS, "robot", lambda one: not one.get("secrets"), "default")
        await client.create(kinds.SECRETS, copy.deepcopy(made))
        await cluster.wait(kinds.SECRETS, "robot-token", lambda one: "token" in (one.get("data") or {}), "default")
        await client.delete(kinds.SERVICE_ACCOUNTS, "robot", "default")
        await cluster.wait_gone(kinds.SECRETS, "robot-token", "default")
        with pytest.raises(errors.NotFound):
            await client.get(kinds.SECRETS, "robot-token", "default")
