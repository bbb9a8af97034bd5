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
    assert (await acting(fields, *allowed)).user == becomes
    assert list(fields) == ["Accept"]


def request_of(user=ANN):
    return contract.Attributes(user, "list", "ns", "", "v1", "pods")


async def acting(headers, *allowed, user=ANN):
    one = impersonation.Impersonation(Allow(*allowed), denial.forbidden)
    return await one.impersonate(request_of(user), CIMultiDict(headers) if isinstance(headers, list) else headers)


async def test_each_part_must_be_allowed():
    """Where no mode allows it, the refusal is told in the words of the first that is about such a user."""
    headers = [("Impersonate-User", "bob"), ("Impersonate-Group", "a")]
    one = impersonation.Impersonation(Allow(("impersonate", "users", "", "", "bob")), denial.forbidden)
    with pytest.raises(errors.Forbidden) as caught:
        await one.impersonate(request_of(), CIMultiDict(headers))
    assert caught.value.message == (
        'pods is forbidden: User "ann" cannot impersonate-on:user-info:list resource "pods" in API group "" '
        'in the namespace "ns": no'
    )
    # Once the older verb has served him, it is its words.
    await one.impersonate(request_of(), CIMultiDict(headers[:1]))
    with pytest.raises(errors.Forbidden) as caught:
        await one.impersonate(request_of(), CIMultiDict(headers))
    assert caught.value.message == (
        'groups "a" is forbidden: User "ann" cannot impersonate resource "groups" in API group "" '
        "at the cluster scope: no"
    )


SA = contract.UserInfo(
    "system:serviceaccount:ns:agent",
    groups=("system:serviceaccounts",),
    extra={"authentication.kubernetes.io/node-name": ("n1",), "authentication.kubernetes.io/node-uid": ("u",)},
)
NODE_GROUPS = ("system:nodes", "system:authenticated")


def on(mode, verb="list"):
    return (f"impersonate-on:{mode}:{verb}", "pods", "", "ns", "")


@pytest.mark.parametrize(
    ("user", "headers", "allowed", "mode", "groups"),
    [
        pytest.param(
            SA, {"User": "system:node:n1"}, [("impersonate:associated-node", "nodes", "", "", "*")],
            "associated-node", NODE_GROUPS, id="own-node",
        ),
        pytest.param(
            ANN, {"User": "system:node:n1"}, [("impersonate:arbitrary-node", "nodes", "", "", "n1")],
            "arbitrary-node", NODE_GROUPS, id="any-node",
        ),
        pytest.param(
            SA, {"User": "system:node:n2"}, [("impersonate:arbitrary-node", "nodes", "", "", "n2")],
            "arbitrary-node", NODE_GROUPS, id="another's-node",
        ),
        pytest.param(
            ANN, {"User": "system:serviceaccount:a:b"},
            [("impersonate:serviceaccount", "serviceaccounts", "", "a", "b")],
            "serviceaccount", ("system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"),
            id="account",
        ),
        pytest.param(
            ANN, {"User": "bob", "Group": "dev", "Uid": "7"},
            [
                ("impersonate:user-info", "users", "", "", "bob"),
                ("impersonate:user-info", "groups", "", "", "dev"),
                ("impersonate:user-info", "uids", "", "", "7"),
            ],
            "user-info", ("dev", "system:authenticated"), id="anybody-else",
        ),
    ],
)  # fmt: skip
async def test_constrained_ways_of_acting_as_another(user, headers, allowed, mode, groups):
    sent = [(f"Impersonate-{name}", value) for name, value in headers.items()]
    found = await acting(sent, on(mode), *allowed, user=user)
    assert (found.constraint, found.user.groups) == (f"impersonate:{mode}", groups)
    for missing in (on(mode), *allowed):
        with pytest.raises(errors.Forbidden):
            await acting(sent, *({on(mode), *allowed} - {missing}), user=user)
    with pytest.raises(errors.Forbidden):
        await acting(sent, on(mode, "get"), *allowed, user=user)


@pytest.mark.parametrize(
    ("header", "value", "text"),
    [
        ("Group", "system:masters", "impersonating the system:masters group is not allowed"),
        ("Group", "", "impersonating the empty string group is not allowed"),
        ("Extra-foo", "x", 'must be a domain-prefixed path (such as "acme.io/foo")'),
        ("Extra-a.io%2Ffoo", "", "impersonating the empty string value in extra is not allowed"),
    ],
)
async def test_what_the_constrained_way_never_allows(header, value, text):
    sent = [("Impersonate-User", "bob"), (f"Impersonate-{header}", value)]
    with pytest.raises(errors.Forbidden) as refused:
        await acting(sent, on("user-info"), ("impersonate:user-info", "users", "", "", "bob"))
    assert text in refused.value.message


async def test_many_groups_may_be_allowed_at_once():
    sent = [("Impersonate-User", "bob"), *(("Impersonate-Group", f"g{number}") for number in range(4))]
    known = (on("user-info"), ("impersonate:user-info", "users", "", "", "bob"))
    found = await acting(sent, *known, ("impersonate:user-info", "groups", "", "", "*"))
    assert found.user.groups == ("g0", "g1", "g2", "g3", "system:authenticated")


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        (
            {"Impersonate-Group": "a"},
            'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"a"}, Extra:map[string][]string(nil)} '
            "without impersonating a user name",
        ),
        (
            {"Impersonate-Extra-Scopes": "s"},
            'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string(nil), '
            'Extra:map[string][]string{"scopes":[]string{"s"}}} without impersonating a user name',
        ),
    ],
)
async def test_parts_need_a_user(headers, text):
    with pytest.raises(errors.BadRequest) as refused:
        await acting(CIMultiDict(headers))
    assert refused.value.message == text
