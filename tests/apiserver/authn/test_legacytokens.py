import base64

import pytest

from kijabi.api import kinds
from kijabi.apiserver import contract
from kijabi.apiserver.authn import bearer, keys, legacytokens, tokenfile, tokens, tracking
from kijabi.kit import clock, pki

SIGNER = keys.signer(pki.new_key())
PREFIX = "kubernetes.io/serviceaccount/"
SAID = {
    f"{PREFIX}namespace": "ns",
    f"{PREFIX}secret.name": "s",
    f"{PREFIX}service-account.name": "sa",
    f"{PREFIX}service-account.uid": "uid-sa",
    "sub": "system:serviceaccount:ns:sa",
}
USED, INVALID = legacytokens.LAST_USED, legacytokens.INVALID_SINCE


def token(**changes):
    said = {key: value for key, value in {**SAID, **changes}.items() if value is not None}
    return tokens.Issuer(legacytokens.ISSUER, SIGNER).sign(said)


@pytest.fixture
def now():
    # 2023-11-14
    return clock.FakeClock()


@pytest.fixture
def ask(access, now):
    """Authenticates a token that a Secret holds."""
    access.add(kinds.SERVICE_ACCOUNTS, "sa", "ns")

    async def authenticate(one, *, held=None, labels=None, lookup=True, audiences=("api",)):
        data = {"token": base64.b64encode((held or one).encode()).decode()}
        access.add(kinds.SECRETS, "s", "ns", data=data, metadata={"labels": labels or {}})
        reader = tokens.Reader((legacytokens.ISSUER,), [SIGNER.verifier])
        known = legacytokens.LegacyTokens(access, reader, ("api",), now, lookup=lookup)
        return await known.authenticate(one, audiences)

    return authenticate


def labels_of(access):
    return access.get_nowait(kinds.SECRETS, "s", "ns")["metadata"]["labels"]


async def test_a_token_that_its_secret_holds(ask, access):
    found = await ask(token())
    assert found.user == contract.UserInfo(
        "system:serviceaccount:ns:sa", "uid-sa", ("system:serviceaccounts", "system:serviceaccounts:ns")
    )
    assert (found.audiences, found.warnings) == (("api",), ())
    assert labels_of(access) == {USED: "2023-11-14"}


@pytest.mark.parametrize(
    ("last", "then"),
    [("2023-11-13", "2023-11-14"), ("2023-11-14", "2023-11-14"), ("2023-11-15", "2023-11-15")],
)
async def test_its_last_use_is_marked_once_a_day(ask, access, last, then):
    await ask(token(), labels={USED: last})
    assert labels_of(access) == {USED: then}


async def test_a_generated_token_is_warned_of(ask, access):
    access.add(kinds.SERVICE_ACCOUNTS, "sa", "ns", secrets=[{"name": "s"}])
    (warning,) = (await ask(token())).warnings
    assert warning.startswith("Use tokens from the TokenRequest API")


@pytest.mark.parametrize(
    ("changes", "more", "text"),
    [
        ({"sub": None}, {}, "sub claim is missing"),
        ({"sub": "system:serviceaccount:ns:other"}, {}, "sub claim is invalid"),
        ({f"{PREFIX}namespace": None}, {}, "namespace claim is missing"),
        ({f"{PREFIX}secret.name": ""}, {}, "secretName claim is missing"),
        ({f"{PREFIX}service-account.uid": None}, {}, "serviceAccountUID claim is missing"),
        ({f"{PREFIX}secret.name": "gone"}, {}, "Token has been invalidated"),
        ({}, {"held": "another"}, "Token does not match server's copy"),
        (
            {f"{PREFIX}service-account.uid": "x"},
            {},
            "ServiceAccount UID (uid-sa) does not match claim (x)",
        ),
        ({}, {"labels": {INVALID: "2023-01-01"}}, "the token in secret ns/s for service account ns/sa has been marked"),
        ({}, {"audiences": ("x",)}, 'token audiences ["api"] is invalid for the target audiences ["x"]'),
    ],
)
async def test_tokens_that_are_refused(ask, changes, more, text):
    with pytest.raises(bearer.Rejected) as refused:
        await ask(token(**changes), **more)
    assert text in str(refused.value)


async def test_without_a_look_at_the_secret_the_signature_is_enough(ask):
    assert (await ask(token(), held="another", lookup=False)).user.name == "system:serviceaccount:ns:sa"


async def test_an_account_that_is_gone(ask, access):
    access.drop(kinds.SERVICE_ACCOUNTS, "sa", "ns")
    with pytest.raises(bearer.Rejected, match='serviceaccounts "sa" not found'):
        await ask(token())


async def test_another_issuer_s_token_is_for_others(ask):
    assert await ask(tokens.Issuer("https://x", SIGNER).sign(SAID)) is None


# --- since when use is tracked


async def test_tracking_begins_once(access, now):
    one = tracking.Tracking(access, now)
    await one.ensure()

    def since():
        return access.get_nowait(kinds.CONFIG_MAPS, tracking.NAME, "kube-system")["data"]

    assert since() == {"since": "2023-11-14"}
    now._now += 86400
    await one.ensure()
    assert since() == {"since": "2023-11-14"}
    await access.mutate(kinds.CONFIG_MAPS, tracking.NAME, "kube-system", lambda live: live.update(data={"since": "x"}))
    await one.ensure()
    assert since() == {"since": "2023-11-15"}


async def test_a_record_that_was_deleted_stays_away_for_half_an_hour(access, now):
    now._now += 60
    one = tracking.Tracking(access, now)
    await one.ensure()
    access.drop(kinds.CONFIG_MAPS, tracking.NAME, "kube-system")
    now._now += 600
    assert await one.ensure() == 1200
    assert access.get_nowait(kinds.CONFIG_MAPS, tracking.NAME, "kube-system") is None
    now._now += 1200
    await one.ensure()
    assert access.get_nowait(kinds.CONFIG_MAPS, tracking.NAME, "kube-system") is not None


# --- tokens in a file


def test_tokens_in_a_file(tmp_path):
    file = tmp_path / "tokens.csv"
    file.write_text('a,ann,1\nb,bob,2,"dev,ops"\n\n,nobody,3\n')
    assert tokenfile.read(str(file)) == {
        "a": contract.UserInfo("ann", "1"),
        "b": contract.UserInfo("bob", "2", ("dev", "ops")),
    }


def test_a_line_with_too_little(tmp_path):
    file = tmp_path / "tokens.csv"
    file.write_text("a,ann\n")
    with pytest.raises(tokenfile.Unusable, match="must have at least 3 columns"):
        tokenfile.read(str(file))
