import base64

import pytest
from cryptography.hazmat.primitives import serialization
from multidict import CIMultiDict

from kijabi.api import errors
from kijabi.apiserver import contract
from kijabi.apiserver.authn import bootstraptokens, certificates, impersonation, union
from kijabi.apiserver.authz import denial
from kijabi.kit import clock, http, pki

CA = pki.create_ca("kubernetes")


def der(*args, **kwargs):
    pair = pki.issue(CA, *args, **kwargs)
    return pair.certificate.public_bytes(serialization.Encoding.DER)


def request(certificate=None, **headers):
    fields = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return http.Request("GET", "/", headers=fields, peer_certificate=certificate)


async def test_a_client_certificate_names_user_and_groups():
    certificate = der("ann", organizations=("dev", "ops"), client=True)
    user = await certificates.Certificates().authenticate(request(certificate))
    assert (user.name, sorted(user.groups)) == ("ann", ["dev", "ops"])
    assert user.extra["authentication.kubernetes.io/credential-id"][0].startswith("X509SHA256=")


async def test_a_serving_certificate_is_not_for_clients():
    with pytest.raises(errors.Unauthorized, match="incompatible key usage"):
        await certificates.Certificates().authenticate(request(der("web", server=True)))


@pytest.mark.parametrize("days", [-1, 400])
async def test_dates_are_looked_at_again_on_every_request(days):
    now = clock.FakeClock(clock.SYSTEM.time())
    known = certificates.Certificates(now)
    certificate = der("ann", client=True, days=30)
    assert (await known.authenticate(request(certificate))).name == "ann"
    now._now += days * 86400
    with pytest.raises(errors.Unauthorized, match="expired or is not yet valid"):
        await known.authenticate(request(certificate))


async def test_what_is_no_certificate_is_refused():
    with pytest.raises(errors.Unauthorized):
        await certificates.Certificates().authenticate(request(b"not a certificate"))


class Says:
    def __init__(self, answer):
        self.answer = answer

    async def authenticate(self, request):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


ANN = contract.UserInfo("ann", groups=("dev",))
BAD = errors.Unauthorized("bad")


@pytest.mark.parametrize(
    ("members", "anonymous", "name"),
    [
        pytest.param([None, ANN], True, "ann", id="the-one-who-knows"),
        pytest.param([BAD, ANN], True, "ann", id="a-good-credential-covers-a-bad-one"),
        pytest.param([None, None], True, "system:anonymous", id="anonymous"),
        pytest.param([None], False, None, id="anonymous-switched-off"),
    ],
)
async def test_the_union_takes_the_first_who_knows(members, anonymous, name):
    user = await union.Union([Says(one) for one in members], anonymous=anonymous).authenticate(request())
    assert (user and user.name) == name


async def test_bad_credentials_are_not_anonymous():
    with pytest.raises(errors.Unauthorized) as caught:
        await union.Union([Says(None), Says(BAD)], anonymous=True).authenticate(request())
    assert caught.value.message == "Unauthorized"


async def test_known_users_are_in_the_group_of_the_authenticated_once():
    user = await union.Union([Says(ANN)], anonymous=True).authenticate(request())
    assert user.groups == ("dev", "system:authenticated")


def secret(**changed):
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:kubeadm",
        "expiration": "2023-12-01T00:00:00Z",
        **changed,
    }
    return {
        "metadata": {"name": "bootstrap-token-abcdef"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


@pytest.mark.parametrize(
    ("one", "good"),
    [
        pytest.param(secret(), True, id="good"),
        pytest.param(secret(expiration=""), True, id="no-end"),
        pytest.param(secret(expiration="2023-11-01T00:00:00Z"), False, id="expired"),
        pytest.param(secret(expiration="soon"), False, id="unreadable-end"),
        pytest.param(secret(**{"token-secret": "0000000000000000"}), False, id="other-secret"),
        pytest.param(secret(**{"token-id": "aaaaaa"}), False, id="other-id"),
        pytest.param(secret(**{"usage-bootstrap-authentication": "false"}), False, id="not-for-this"),
        pytest.param(secret(**{"auth-extra-groups": "system:masters"}), False, id="forbidden-group"),
        pytest.param({**secret(), "type": "Opaque"}, False, id="other-type"),
        pytest.param({**secret(), "metadata": {"deletionTimestamp": "x"}}, False, id="deleted"),
    ],
)
def test_a_bootstrap_token_is_vouched_for_by_its_secret(one, good):
    user = bootstraptokens.holder(one, "abcdef", "0123456789abcdef", 1_700_000_000)
    expected = contract.UserInfo(
        "system:bootstrap:abcdef", groups=("system:bootstrappers", "system:bootstrappers:kubeadm")
    )
    assert (user is not None) is good
    if good:
        assert user == expected


class Allow:
    def __init__(self, *allowed):
        self.allowed = allowed

    async def authorize(self, asked):
        known = (asked.verb, asked.resource, asked.subresource, asked.namespace, asked.name) in self.allowed
        return contract.ALLOW if known else contract.Decision(contract.Verdict.NO_OPINION, "no")


@pytest.mark.parametrize(
    ("headers", "allowed", "becomes"),
    [
        ([], (), ANN),
        (
            [("Impersonate-User", "bob")],
            (("impersonate", "users", "", "", "bob"),),
            contract.UserInfo("bob", groups=("system:authenticated",)),
        ),
        (
            [("Impersonate-User", "system:serviceaccount:ns:sa")],
            (("impersonate", "serviceaccounts", "", "ns", "sa"),),
            contract.UserInfo(
                "system:serviceaccount:ns:sa",
                groups=("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"),
            ),
        ),
        (
            [
                ("Impersonate-User", "bob"),
                ("Impersonate-Group", "a"),
                ("Impersonate-Group", "b"),
                ("Impersonate-Uid", "7"),
                ("Impersonate-Extra-Acme.com%2Fproject", "x"),
            ],
            (
                ("impersonate", "users", "", "", "bob"),
                ("impersonate", "groups", "", "", "a"),
                ("impersonate", "groups", "", "", "b"),
                ("impersonate", "uids", "", "", "7"),
                ("impersonate", "userextras", "acme.com/project", "", "x"),
            ),
            contract.UserInfo(
                "bob", uid="7", groups=("a", "b", "system:authenticated"), extra={"acme.com/project": ("x",)}
            ),
        ),
        (
            [("Impersonate-User", "system:anonymous")],
            (("impersonate", "users", "", "", "system:anonymous"),),
            contract.UserInfo("system:anonymous", groups=("system:unauthenticated",)),
        ),
    ],
)
async def test_whom_one_may_act_as(headers, allowed, becomes):
    fields = CIMultiDict([*headers, ("Accept", "*/*")])
    assert await impersonation.impersonate(ANN, fields, Allow(*allowed), denial.forbidden) == becomes
    assert list(fields) == ["Accept"]


async def test_each_part_must_be_allowed():
    fields = CIMultiDict([("Impersonate-User", "bob"), ("Impersonate-Group", "system:masters")])
    allow = Allow(("impersonate", "users", "", "", "bob"))
    with pytest.raises(errors.Forbidden) as caught:
        await impersonation.impersonate(ANN, fields, allow, denial.forbidden)
    assert caught.value.message == (
        'groups "system:masters" is forbidden: User "ann" cannot impersonate resource "groups" in API group "" '
        "at the cluster scope: no"
    )


async def test_groups_need_a_user():
    with pytest.raises(errors.BadRequest, match="without impersonating a user"):
        await impersonation.impersonate(ANN, CIMultiDict({"Impersonate-Group": "a"}), Allow(), denial.forbidden)
