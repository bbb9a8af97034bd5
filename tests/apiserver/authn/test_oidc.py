import asyncio

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kijabi.apiserver import options
from kijabi.apiserver.authn import bearer, keys
from kijabi.apiserver.authn.oidc import configuration, issuers, provider
from kijabi.kit import clock, yamls

RSA, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
EC = ec.generate_private_key(ec.SECP256R1())


def jwk(key, kid):
    return {**keys.jwk(keys.verifier(key.public_key())), "kid": kid}


@pytest.fixture
def now():
    return clock.FakeClock()


class Issuer:
    """An identity provider on the loopback interface. ``keys`` is what it publishes."""

    def __init__(self, server, now):
        self.server, self.now, self.keys = server, now, [jwk(RSA, "one"), jwk(EC, "two")]
        server.answers["/.well-known/openid-configuration"] = lambda _: self.document()
        server.answers["/keys"] = lambda _: {"keys": self.keys}

    @property
    def url(self):
        return self.server.url

    def document(self):
        return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}

    def token(self, key=RSA, kid="one", alg="RS256", **changes):
        said = {"iss": self.url, "aud": "me", "sub": "ann", "exp": self.now.time() + 60, "groups": ["dev"], "num": 3}
        said = {name: value for name, value in {**said, **changes}.items() if value is not None}
        return jwt.encode(said, key, algorithm=alg, headers={"kid": kid} if kid else {})

    def file(self, **changes):
        """An AuthenticationConfiguration with this issuer; ``changes`` replace parts of it."""
        one = {
            "issuer": {
                "url": self.url,
                "audiences": ["me"],
                "certificateAuthority": self.server.authority.cert_pem.decode(),
                **changes.pop("issuer", {}),
            },
            "claimMappings": {
                "username": {"claim": "sub", "prefix": "oidc:"},
                "groups": {"claim": "groups", "prefix": ""},
                **changes.pop("mappings", {}),
            },
            **changes,
        }
        return configured(one)


def configured(*listed, version="v1", **more):
    kind = {"apiVersion": f"apiserver.config.k8s.io/{version}", "kind": "AuthenticationConfiguration"}
    return yamls.dumps({**kind, "jwt": list(listed), **more}).encode()


@pytest.fixture
def issuer(elsewhere, now):
    return Issuer(elsewhere, now)


@pytest.fixture
async def known(now):
    made = []

    async def build(data, *, reach=True):
        one = issuers.Issuers(configuration.of_file(data), now)
        made.append(one)
        if reach:
            await one.reach()
        return one

    yield build
    for one in made:
        await one.close()


async def user(authenticator, token):
    found = await authenticator.authenticate(token, ("api",))
    assert found.audiences == ("api",)
    return found.user


async def test_a_token_of_the_issuer(issuer, known):
    ann = await user(await known(issuer.file()), issuer.token(jti="j1"))
    assert (ann.name, ann.groups) == ("oidc:ann", ("dev",))
    assert ann.extra == {"authentication.kubernetes.io/credential-id": ("JTI=j1",)}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"aud": "you"}, 'oidc: expected audience "me" got ["you"]', id="audience"),
        pytest.param({"exp": 1}, "oidc: token is expired (Token Expiry: 1970-01-01 00:00:01 +0000 UTC)", id="expired"),
        pytest.param({"exp": None}, "oidc: token is expired", id="without-an-end"),
        pytest.param({"nbf": 4_000_000_000}, "before the nbf (not before) time: 2096-10-02", id="too-early"),
        pytest.param({"key": OTHER}, "failed to verify id token signature", id="another-key"),
        pytest.param({"kid": "none"}, "failed to verify id token signature", id="unknown-key-id"),
        pytest.param({"key": EC, "alg": "ES256"}, "failed to verify id token signature", id="the-other-key's-id"),
        pytest.param({"key": "s" * 32, "alg": "HS256"}, "signed with unsupported algorithm", id="symmetric"),
        pytest.param({"key": "", "alg": "none"}, "signed with unsupported algorithm", id="unsigned"),
    ],
)
async def test_tokens_that_are_refused(issuer, known, changes, text):
    with pytest.raises(bearer.Rejected) as refused:
        await user(await known(issuer.file()), issuer.token(**changes))
    assert text in str(refused.value)


@pytest.mark.parametrize("token", ["nonsense", "a.b.c"])
async def test_what_is_no_token_of_the_issuer_is_for_others(issuer, known, token):
    authenticator = await known(issuer.file())
    assert await authenticator.authenticate(token, ()) is None
    assert await authenticator.authenticate(issuer.token(iss="https://x"), ()) is None


@pytest.mark.parametrize("kid", ["two", None], ids=["with-key-id", "without"])
async def test_keys_of_another_kind(issuer, known, kid):
    assert (await user(await known(issuer.file()), issuer.token(EC, kid, "ES256"))).name == "oidc:ann"


async def test_a_new_key_is_fetched_once_and_kept(issuer, known, elsewhere):
    authenticator = await known(issuer.file())
    await user(authenticator, issuer.token())
    issuer.keys = [jwk(OTHER, "three")]
    fresh = [issuer.token(OTHER, "three", sub=f"u{number}") for number in range(4)]
    await asyncio.gather(*(user(authenticator, one) for one in fresh))
    await user(authenticator, issuer.token(OTHER, "three"))
    assert [path for path, _ in elsewhere.asked].count("/keys") == 2
    with pytest.raises(bearer.Rejected):
        await user(authenticator, issuer.token())


async def test_an_issuer_that_cannot_be_reached_is_tried_again(issuer, known, elsewhere):
    elsewhere.answers["/.well-known/openid-configuration"] = lambda _: web.Response(status=503, text="later")
    authenticator = await known(issuer.file())
    assert authenticator.problems == [
        f'oidc: authenticator for issuer "{issuer.url}" is not healthy: 503 Service Unavailable: later'
    ]
    with pytest.raises(bearer.Rejected, match="authenticator not initialized"):
        await authenticator.authenticate(issuer.token(), ())
    issuer.__init__(elsewhere, issuer.now)
    await authenticator.reach()
    assert (await user(authenticator, issuer.token())).name == "oidc:ann"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        pytest.param({"issuer": "https://x", "jwks_uri": "u"}, "issuer did not match the issuer returned", id="other"),
        pytest.param({"issuer": None}, "issuer did not match the issuer returned", id="none"),
        pytest.param({"jwks_uri": ""}, "provider did not return JWKS URL", id="no-keys"),
    ],
)
async def test_documents_that_cannot_be_used(issuer, known, elsewhere, document, text):
    elsewhere.answers["/.well-known/openid-configuration"] = lambda _: {**issuer.document(), **document}
    (problem,) = (await known(issuer.file())).problems
    assert text in problem


async def test_an_issuer_is_held_to_its_authority(issuer, known):
    (problem,) = (await known(issuer.file(issuer={"certificateAuthority": ""}))).problems
    assert "x509: certificate signed by unknown authority" in problem


async def test_discovery_at_another_address(issuer, known, elsewhere):
    elsewhere.answers["/elsewhere"] = elsewhere.answers.pop("/.well-known/openid-configuration")
    authenticator = await known(issuer.file(issuer={"discoveryURL": f"{issuer.url}/elsewhere"}))
    assert (await user(authenticator, issuer.token())).name == "oidc:ann"


async def test_one_of_several_audiences_is_enough(issuer, known):
    file = issuer.file(issuer={"audiences": ["a", "b"], "audienceMatchPolicy": "MatchAny"})
    authenticator = await known(file)
    assert (await user(authenticator, issuer.token(aud=["x", "b"]))).name == "oidc:ann"
    with pytest.raises(bearer.Rejected, match=r'expected audience in \["a" "b"\] got \["me"\]'):
        await user(authenticator, issuer.token())


async def test_a_changed_file_is_in_force_when_its_issuers_are_reached(issuer, known, elsewhere, now):
    authenticator = await known(issuer.file())
    reload = issuers.Reload(authenticator, configuration.of_file(issuer.file()), ())
    other = issuer.file(mappings={"username": {"expression": "'cel:' + claims.sub"}})
    assert await reload(other)
    assert (await user(authenticator, issuer.token())).name == "cel:ann"
    assert await reload(b"nonsense")
    anonymous = configured(anonymous={"enabled": True})
    assert await reload(anonymous)
    assert (await user(authenticator, issuer.token())).name == "cel:ann"
    del elsewhere.answers["/.well-known/openid-configuration"]
    elsewhere.answers["/.well-known/openid-configuration"] = lambda _: web.Response(status=500)

    async def hurry(seconds):
        now._now += seconds

    now.sleep = hurry
    assert not await reload(issuer.file())
    assert (await user(authenticator, issuer.token())).name == "cel:ann"


@pytest.mark.parametrize(
    ("flags", "name", "groups"),
    [
        pytest.param({}, "URL#ann", (), id="prefixed-by-the-issuer"),
        pytest.param({"oidc_username_prefix": "-"}, "ann", (), id="no-prefix"),
        pytest.param({"oidc_username_prefix": "p:", "oidc_groups_claim": "groups"}, "p:ann", ("dev",), id="prefix"),
        pytest.param({"oidc_username_claim": "email"}, "a@b", (), id="email"),
        pytest.param(
            {"oidc_username_prefix": "-", "oidc_groups_claim": "role", "oidc_groups_prefix": "g:"},
            "ann", ("g:ops",), id="one-group",
        ),
        pytest.param({"oidc_username_prefix": "-", "oidc_required_claim": {"role": "ops"}}, "ann", (), id="required"),
    ],
)  # fmt: skip
async def test_an_issuer_by_flags(issuer, now, tmp_path, flags, name, groups):
    (tmp_path / "ca").write_bytes(issuer.server.authority.cert_pem)
    chosen = options.Options(
        oidc_issuer_url=issuer.url, oidc_client_id="me", oidc_ca_file=str(tmp_path / "ca"), **flags
    )
    authenticator = issuers.Issuers(configuration.of_flags(chosen), now)
    await authenticator.reach()
    ann = await user(authenticator, issuer.token(email="a@b", role="ops"))
    assert (ann.name, ann.groups) == (name.replace("URL", issuer.url), groups)
    with pytest.raises(bearer.Rejected, match="unsupported algorithm"):
        await user(authenticator, issuer.token(EC, "two", "ES256", email="a@b", role="ops"))
    await authenticator.close()


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (
            {"oidc_client_id": "me"},
            "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set",
        ),
        (
            {"oidc_client_id": "me", "oidc_issuer_url": "https://x", "oidc_signing_algs": ("HS256",)},
            'oidc: unsupported signing alg: "HS256"',
        ),
        (
            {"oidc_client_id": "me", "authentication_config": "/x"},
            "authentication-config file and oidc-* flags are mutually exclusive",
        ),
        (
            {"oidc_client_id": "me", "oidc_issuer_url": "http://x"},
            'invalid authentication configuration: jwt[0].issuer.url: Invalid value: "http://x": '
            "URL scheme must be https",
        ),
    ],
)
def test_flags_that_make_no_sense(flags, text):
    with pytest.raises(configuration.Unusable) as refused:
        configuration.of_flags(options.Options(**flags))
    assert str(refused.value) == text


MAPPED = {"username": {"claim": "sub", "prefix": ""}}
ONE = {"issuer": {"url": "https://i", "audiences": ["me"]}, "claimMappings": MAPPED}


def one(issuer=None, mappings=None, **more):
    return {
        "issuer": {**ONE["issuer"], **(issuer or {})},
        "claimMappings": {**MAPPED, **(mappings or {})},
        **more,
    }


RULE = "jwt[0].claimValidationRules[0]"
MAPPING = "jwt[0].claimMappings"


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (one({"url": ""}), "jwt[0].issuer.url: Required value"),
        (one({"url": "http://i"}), 'jwt[0].issuer.url: Invalid value: "http://i": URL scheme must be https'),
        (
            one({"url": "https://a:b@i?q#f"}),
            '[jwt[0].issuer.url: Invalid value: "https://a:b@i?q#f": URL must not contain a username or password, '
            'jwt[0].issuer.url: Invalid value: "https://a:b@i?q#f": URL must not contain a query, '
            'jwt[0].issuer.url: Invalid value: "https://a:b@i?q#f": URL must not contain a fragment]',
        ),
        (
            one({"url": "https://own"}),
            'jwt[0].issuer.url: Invalid value: "https://own": URL must not overlap with disallowed issuers: '
            "[https://own]",
        ),
        (
            one({"discoveryURL": "https://i/"}),
            'jwt[0].issuer.discoveryURL: Invalid value: "https://i/": discoveryURL must be different from URL',
        ),
        (
            one({"audiences": []}),
            "jwt[0].issuer.audiences: Required value: at least one jwt[0].issuer.audiences is required",
        ),
        (
            one({"audiences": ["a", "b"]}),
            'jwt[0].issuer.audienceMatchPolicy: Invalid value: "": '
            "audienceMatchPolicy must be MatchAny for multiple audiences",
        ),
        (
            one({"certificateAuthority": "x"}),
            'jwt[0].issuer.certificateAuthority: Invalid value: "<omitted>": '
            "data does not contain any valid RSA or ECDSA certificates",
        ),
        (one(mappings={"username": {}}), f"{MAPPING}.username: Required value: claim or expression is required"),
        (
            one(mappings={"username": {"claim": "sub"}}),
            f"{MAPPING}.username.prefix: Required value: prefix is required when claim is set. "
            "It can be set to an empty string to disable prefixing",
        ),
        (
            one(mappings={"username": {"claim": "sub", "expression": "claims.sub"}}),
            f'{MAPPING}.username: Invalid value: "": claim and expression can\'t both be set',
        ),
        (
            one(mappings={"username": {"expression": "claims.sub", "prefix": "p"}}),
            f'{MAPPING}.username.prefix: Invalid value: "p": may not be specified when expression is set',
        ),
        (
            one(mappings={"username": {"expression": "claims.email"}}),
            f'{MAPPING}.username.expression: Invalid value: "claims.email": '
            "claims.email_verified must be used in claimMappings.username.expression or "
            "claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used "
            "in claimMappings.username.expression",
        ),
        (
            one(mappings={"extra": [{"key": "foo", "valueExpression": "claims.a"}]}),
            f'{MAPPING}.extra[0].key: Invalid value: "foo": must be a domain-prefixed path (such as "acme.io/foo")',
        ),
        (
            one(mappings={"extra": [{"key": "x.k8s.io/foo", "valueExpression": "claims.a"}]}),
            f'{MAPPING}.extra[0].key: Invalid value: "x.k8s.io/foo": '
            "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use",
        ),
        (
            one(mappings={"extra": [{"key": "a.io/Foo", "valueExpression": ""}]}),
            f'[{MAPPING}.extra[0].key: Invalid value: "a.io/Foo": must be lowercase, '
            f"{MAPPING}.extra[0].valueExpression: Required value]",
        ),
        (one(claimValidationRules=[{}]), f"{RULE}: Required value: claim or expression is required"),
        (
            one(claimValidationRules=[{"claim": "a", "message": "m"}]),
            f'{RULE}.message: Invalid value: "m": may not be specified when claim is set',
        ),
        (
            one(claimValidationRules=[{"expression": "claims.a"}]),
            f'{RULE}.expression: Invalid value: "claims.a": must evaluate to bool',
        ),
        (
            one(claimValidationRules=[{"expression": "claims.a == 'b'", "requiredValue": "v"}]),
            f'{RULE}.requiredValue: Invalid value: "v": may not be specified when expression is set',
        ),
        (
            one(userValidationRules=[{"expression": "user.name == 'a'"}]),
            "jwt[0].userValidationRules[0].expression: Invalid value: \"user.name == 'a'\": compilation failed: "
            "ERROR: <input>:1:5: undefined field 'name'\n | user.name == 'a'\n | ....^",
        ),
    ],
)
def test_what_is_refused_in_a_file(said, text):
    with pytest.raises(configuration.Unusable) as refused:
        configuration.of_file(configured(said), ("https://own",))
    assert str(refused.value) == f"invalid authentication configuration: {text}"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "empty config data"),
        (configured(one(), one()), 'jwt[1].issuer.url: Duplicate value: "https://i"'),
        (configured(one(foo=1)), 'strict decoding error: unknown field "jwt[0].foo"'),
        (configured(version="v7"), 'no kind "AuthenticationConfiguration" is registered for version'),
        (
            configured(anonymous={"enabled": False, "conditions": [{"path": "/livez"}]}),
            'anonymous.conditions: Invalid value: [{"path":"/livez"}]: '
            "enabled should be set to true when conditions are defined",
        ),
    ],
)
def test_files_that_are_refused(data, text):
    with pytest.raises(ValueError) as refused:
        configuration.of_file(data)
    assert text in str(refused.value)


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_who_may_be_nobody(version):
    said = configuration.of_file(
        configured(version=version, anonymous={"enabled": True, "conditions": [{"path": "/livez"}]})
    )
    assert said.anonymous == configuration.Anonymous(True, frozenset(["/livez"]))
    assert said.authenticators == ()


def made_of(said, mappings=None, **more):
    data = configured(one(mappings=mappings, **more))
    return configuration.of_file(data).authenticators[0].mapper.user(said)


CLAIMS = {
    "sub": "ann",
    "roles": ["dev", "", "ops"],
    "num": 3,
    "deep": {"er.x": "y", "list": [{"a-b": "c"}]},
    "example.org/team": "blue",
    "none": None,
}


@pytest.mark.parametrize(
    ("mappings", "part", "value"),
    [
        ({"username": {"expression": "claims.sub + '!'"}}, "name", "ann!"),
        ({"groups": {"expression": "claims.roles"}}, "groups", ("dev", "ops")),
        ({"groups": {"expression": "claims.roles.map(r, 'g:' + r)"}}, "groups", ("g:dev", "g:", "g:ops")),
        ({"groups": {"expression": "claims.sub"}}, "groups", ("ann",)),
        ({"groups": {"expression": "claims.none"}}, "groups", ()),
        ({"groups": {"expression": "has(claims.missing) ? claims.missing : []"}}, "groups", ()),
        ({"uid": {"claim": "sub"}}, "uid", "ann"),
        ({"uid": {"expression": "string(claims.num)"}}, "uid", "3"),
        ({"groups": {"expression": "claims.deep.er__dot__x"}}, "groups", ("y",)),
        ({"groups": {"expression": "claims.deep.list[0].a__dash__b"}}, "groups", ("c",)),
        ({"groups": {"expression": "claims.example__dot__org__slash__team"}}, "groups", ("blue",)),
        ({"groups": {"expression": "claims['example.org/team']"}}, "groups", ("blue",)),
        (
            {"extra": [{"key": "a.io/r", "valueExpression": "claims.roles"}]},
            "extra",
            {"a.io/r": ("dev", "ops")},
        ),
    ],
)
def test_what_a_user_is_made_of(mappings, part, value):
    assert getattr(made_of(CLAIMS, mappings), part) == value


@pytest.mark.parametrize(
    ("mappings", "more", "text"),
    [
        ({"username": {"claim": "x", "prefix": ""}}, {}, 'parse username claims "x": claim not present'),
        (
            {"username": {"claim": "num", "prefix": ""}},
            {},
            'parse username claims "num": json: cannot unmarshal number into Go value of type string',
        ),
        ({"username": {"expression": "claims.num"}}, {}, "username claim expression must return a string"),
        ({"username": {"expression": "''"}}, {}, "empty username via CEL expression is not allowed"),
        (
            {"username": {"expression": "claims.x"}},
            {},
            "expression 'claims.x' resulted in error: no such key: x",
        ),
        ({"groups": {"expression": "claims.num"}}, {}, "expression must return a string or a list of strings"),
        ({}, {"claimValidationRules": [{"claim": "x"}]}, "required claim x not present in ID token"),
        (
            {},
            {"claimValidationRules": [{"claim": "sub", "requiredValue": "bob"}]},
            "required claim sub value does not match. Got = ann, want = bob",
        ),
        (
            {},
            {"claimValidationRules": [{"expression": "claims.num == 4", "message": "four!"}]},
            "validation expression 'claims.num == 4' failed: four!",
        ),
        (
            {},
            {"userValidationRules": [{"expression": "!user.username.startsWith('a')", "message": "no a"}]},
            "error evaluating user info validation rule: validation expression "
            "'!user.username.startsWith('a')' failed: no a",
        ),
    ],
)
def test_claims_that_make_no_user(mappings, more, text):
    with pytest.raises(bearer.Rejected) as refused:
        made_of(CLAIMS, mappings, **more)
    assert text in str(refused.value)


@pytest.mark.parametrize(
    ("verified", "text"),
    [
        pytest.param({}, "", id="not-said"),
        pytest.param({"email_verified": True}, "", id="verified"),
        pytest.param({"email_verified": False}, "oidc: email not verified", id="not-verified"),
        pytest.param({"email_verified": "yes"}, "parse 'email_verified' claim", id="nonsense"),
    ],
)
def test_an_email_must_be_verified_where_the_issuer_says_whether_it_is(verified, text):
    mappings = {"username": {"claim": "email", "prefix": ""}}
    if not text:
        assert made_of({"email": "a@b", **verified}, mappings).name == "a@b"
        return
    with pytest.raises(bearer.Rejected, match=text):
        made_of({"email": "a@b", **verified}, mappings)


def test_keys_that_cannot_be_used_are_passed_over():
    listed = [{"kty": "oct", "k": "x"}, {"kty": "EC", "crv": "unknown"}, jwk(EC, "two"), "x"]
    assert [one.id for one in provider.read_keys({"keys": listed})] == ["two"]
