import base64
import dataclasses
import hmac
import json

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from multidict import CIMultiDict

from kijabi.api import errors, kinds
from kijabi.apiserver.authn import bearer, keys, serviceaccounts, tokens
from kijabi.kit import clock, http, pki

ISSUER = "https://kubernetes.default.svc.cluster.local"
SIGNERS = {
    "ES256": keys.signer(ec.generate_private_key(ec.SECP256R1())),
    "ES384": keys.signer(ec.generate_private_key(ec.SECP384R1())),
    "RS256": keys.signer(rsa.generate_private_key(65537, 2048)),
}
EC = SIGNERS["ES256"]
SUBJECT = tokens.Subject(
    "ns",
    tokens.Reference("builder", "uid-builder"),
    pod=tokens.Reference("p", "uid-p"),
    node=tokens.Reference("n", "uid-n"),
)


@pytest.fixture
def now():
    return clock.FakeClock()


@pytest.fixture
def accounts(access, now):
    access.add(kinds.SERVICE_ACCOUNTS, "builder", "ns")
    access.add(kinds.PODS, "p", "ns")
    reader = tokens.Reader([ISSUER], [one.verifier for one in SIGNERS.values()])
    return serviceaccounts.ServiceAccounts(access, reader, [ISSUER], now)


def said(now, **changed):
    return {**tokens.claims(SUBJECT, [ISSUER], now.time(), 3600), **changed}


@pytest.mark.parametrize("signer", SIGNERS.values(), ids=SIGNERS)
async def test_a_token_comes_back_as_its_account(accounts, now, signer):
    token = tokens.Issuer(ISSUER, signer).sign(said(now, jti="j"))
    found = await accounts.authenticate(token, [ISSUER])
    assert found.audiences == (ISSUER,)
    assert found.user.name == "system:serviceaccount:ns:builder"
    assert found.user.uid == "uid-builder"
    assert found.user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns")
    assert found.user.extra == {
        "authentication.kubernetes.io/pod-name": ("p",),
        "authentication.kubernetes.io/pod-uid": ("uid-p",),
        "authentication.kubernetes.io/node-name": ("n",),
        "authentication.kubernetes.io/node-uid": ("uid-n",),
        "authentication.kubernetes.io/credential-id": ("JTI=j",),
    }


@pytest.mark.parametrize(("later", "noted"), [(600, False), (610, True)])
async def test_a_token_that_should_have_been_renewed_is_noted(accounts, now, later, noted):
    token = tokens.Issuer(ISSUER, EC).sign(tokens.claims(SUBJECT, [ISSUER], now.time(), 3600, 600))
    now._now += later
    text = "subject: system:serviceaccount:ns:builder, seconds after warning threshold: 10"
    expected = (("authentication.k8s.io/stale-token", text),) if noted else ()
    assert (await accounts.authenticate(token, [ISSUER])).notes == expected


def _encoded(part):
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def _forge(header, payload, key=b""):
    signed = b".".join(_encoded(json.dumps(part).encode()) for part in (header, payload))
    signature = hmac.digest(key, signed, "sha256") if key else b""
    return b".".join([signed, _encoded(signature)]).decode()


def alg_none(now):
    return _forge({"alg": "none", "kid": EC.verifier.id}, {"iss": ISSUER, **said(now)})


def hmac_with_the_public_key(now):
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _forge(
        {"alg": "HS256", "kid": EC.verifier.id}, {"iss": ISSUER, **said(now)}, EC.verifier.key.public_bytes(*form)
    )


def foreign_key(now):
    stranger = keys.signer(ec.generate_private_key(ec.SECP256R1()))
    return tokens.Issuer(ISSUER, stranger).sign(said(now))


def foreign_key_with_our_id(now):
    stranger = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode({"iss": ISSUER, **said(now)}, stranger, algorithm="ES256", headers={"kid": EC.verifier.id})


def changed_payload(now):
    head, _, signature = tokens.Issuer(ISSUER, EC).sign(said(now)).split(".")
    body = base64.urlsafe_b64encode(json.dumps({"iss": ISSUER, **said(now, sub="x")}).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


@pytest.mark.parametrize(
    "forge", [alg_none, hmac_with_the_public_key, foreign_key, foreign_key_with_our_id, changed_payload]
)
async def test_a_forged_token_is_rejected(accounts, now, forge):
    with pytest.raises(bearer.Rejected):
        await accounts.authenticate(forge(now), [ISSUER])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda t: {"aud": ["vault"]}, "token audiences .* is invalid for the target audiences"),
        (lambda t: {"exp": t - 61}, "service account token has expired"),
        (lambda t: {"nbf": t + 61}, "service account token is not valid yet"),
        (lambda t: {"iat": t + 61}, "service account token is issued in the future"),
        (lambda t: {"kubernetes.io": {"namespace": "ns"}}, "service account token claims could not be validated"),
        (lambda t: {"kubernetes.io": "x"}, "service account token claims could not be validated"),
    ],
)
async def test_a_claim_out_of_order_is_told(accounts, now, change, why):
    token = tokens.Issuer(ISSUER, EC).sign(said(now, **change(int(now.time()))))
    with pytest.raises(bearer.Rejected, match=why):
        await accounts.authenticate(token, [ISSUER])


@pytest.mark.parametrize("change", [lambda t: {"exp": t - 30}, lambda t: {"nbf": t + 30}], ids=["exp", "nbf"])
async def test_clocks_may_differ_by_a_minute(accounts, now, change):
    token = tokens.Issuer(ISSUER, EC).sign(said(now, **change(int(now.time()))))
    assert await accounts.authenticate(token, [ISSUER]) is not None


@pytest.mark.parametrize("token", ["", "abc", "a.b.c", "abcdef.0123456789abcdef"])
async def test_what_is_no_token_of_ours_is_left_to_others(accounts, token):
    assert await accounts.authenticate(token, [ISSUER]) is None


async def test_another_issuer_is_left_to_others(accounts, now):
    assert await accounts.authenticate(tokens.Issuer("https://else", EC).sign(said(now)), [ISSUER]) is None


def _account_gone(access):
    access.drop(kinds.SERVICE_ACCOUNTS, "builder", "ns")


def _account_made_again(access):
    access.add(kinds.SERVICE_ACCOUNTS, "builder", "ns", metadata={"uid": "other"})


def _pod_gone(access):
    access.drop(kinds.PODS, "p", "ns")


def _pod_made_again(access):
    access.add(kinds.PODS, "p", "ns", metadata={"uid": "other"})


def _pod_long_deleted(access):
    access.add(kinds.PODS, "p", "ns", metadata={"deletionTimestamp": "2023-11-14T22:12:00Z"})


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (_account_gone, 'serviceaccounts "builder" not found'),
        (_account_made_again, r"service account UID \(other\) does not match claim \(uid-builder\)"),
        (_pod_gone, "service account token has been invalidated"),
        (_pod_made_again, r"pod UID \(other\) does not match service account pod ref claim \(uid-p\)"),
        (_pod_long_deleted, "service account token has been invalidated"),
    ],
)
async def test_a_token_dies_with_what_it_is_bound_to(access, accounts, now, happens, why):
    happens(access)
    with pytest.raises(bearer.Rejected, match=why):
        await accounts.authenticate(tokens.Issuer(ISSUER, EC).sign(said(now)), [ISSUER])


async def test_a_pod_may_use_its_token_for_a_minute_after_its_deletion(access, accounts, now):
    access.add(kinds.PODS, "p", "ns", metadata={"deletionTimestamp": "2023-11-14T22:12:50Z"})
    assert await accounts.authenticate(tokens.Issuer(ISSUER, EC).sign(said(now)), [ISSUER]) is not None


async def test_a_node_bound_token_needs_its_node(access, accounts, now):
    subject = dataclasses.replace(SUBJECT, pod=None)
    token = tokens.Issuer(ISSUER, EC).sign(tokens.claims(subject, [ISSUER], now.time(), 3600))
    with pytest.raises(bearer.Rejected, match="invalidated"):
        await accounts.authenticate(token, [ISSUER])
    access.add(kinds.NODES, "n")
    assert await accounts.authenticate(token, [ISSUER]) is not None


class Counting:
    def __init__(self, answer):
        self.answer, self.asked = answer, 0

    async def authenticate(self, token, audiences):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_an_accepted_token_is_remembered_for_ten_seconds(now, accounts):
    found = await accounts.authenticate(tokens.Issuer(ISSUER, EC).sign(said(now)), [ISSUER])
    member = Counting(found)
    known = bearer.Tokens([member], [ISSUER], now)
    for _ in range(3):
        assert "system:authenticated" in (await known.authenticate_token("t")).user.groups
    assert member.asked == 1
    await now.advance(11)
    await known.authenticate_token("t")
    assert member.asked == 2


@pytest.mark.parametrize(
    ("answer", "message"),
    [(None, "invalid bearer token"), (bearer.Rejected("why"), "[invalid bearer token, why]")],
)
async def test_a_bad_token_is_unauthorized_and_asked_again(now, answer, message):
    member = Counting(answer)
    known = bearer.Tokens([member], [ISSUER], now)
    for _ in range(2):
        with pytest.raises(errors.Unauthorized) as caught:
            await known.authenticate_token("t")
        assert caught.value.message == message
    assert member.asked == 2


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"Authorization": "Bearer abc"}, "abc"),
        ({"Authorization": "bearer abc "}, "abc"),
        ({"Authorization": "Bearer abc def"}, "abc"),
        ({"Authorization": "bearer  abc"}, ""),
        ({"Authorization": "Basic abc"}, ""),
        ({}, ""),
        ({"Sec-WebSocket-Protocol": "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWJj"}, "abc"),
    ],
)
def test_where_a_token_is_found(headers, token):
    assert bearer.bearer_token(http.Request("GET", "/", headers=CIMultiDict(headers))) == token


def test_a_token_is_not_handed_on_among_the_protocols():
    assert bearer.without_token("v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWJj") == "v4.channel.k8s.io"


def test_published_keys_verify_what_was_signed(now):
    published = keys.documents(ISSUER, [one.verifier for one in SIGNERS.values()], "https://here/openid/v1/jwks")
    configuration = json.loads(published[keys.CONFIGURATION_PATH].body)
    assert configuration["jwks_uri"] == "https://here/openid/v1/jwks"
    assert configuration["id_token_signing_alg_values_supported"] == ["ES256", "ES384", "RS256"]
    ring = jwt.PyJWKSet.from_json(published[keys.JWKS_PATH].body.decode())
    for algorithm, signer in SIGNERS.items():
        token = tokens.Issuer(ISSUER, signer).sign(said(now))
        payload = jwt.decode(
            token, ring[signer.verifier.id].key, algorithms=[algorithm], audience=ISSUER, options={"verify_exp": False}
        )
        assert payload["sub"] == "system:serviceaccount:ns:builder"


@pytest.mark.parametrize("issuer", ["http://plain", "https://x?query=1", "api"])
def test_no_discovery_for_an_issuer_that_openid_forbids(issuer):
    assert keys.documents(issuer, [EC.verifier], "https://here") == {}


def test_a_file_may_hold_several_keys(tmp_path):
    """Public ones, private ones, and those of certificates: keys are rotated by adding one."""
    pair = pki.issue(pki.create_ca("ca"), "signer")
    private = SIGNERS["RS256"].key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    file = tmp_path / "keys.pem"
    file.write_bytes(pki.public_pem(EC.key) + private + pair.cert_pem)
    wanted = [EC.verifier.id, SIGNERS["RS256"].verifier.id, keys.verifier(pair.key.public_key()).id]
    assert [one.id for one in keys.read_verifiers(file)] == wanted


def test_a_file_that_holds_no_key(tmp_path):
    (tmp_path / "x").write_text("nothing")
    with pytest.raises(keys.UnsuitableKey):
        keys.read_verifiers(tmp_path / "x")
