"""Values at rest: every algorithm, every way a configuration can be wrong, keys that change, plugins that are away."""

import base64
from pathlib import Path
from typing import Any

import pytest

import plugins
from kijabi.kit import clock, config, jsons
from kijabi.store import contract, memory
from kijabi.store.encryption import ciphers, configuration
from kijabi.store.encryption import store as encrypted

KEY = b"/registry/secrets/ns/s"


def secret(size: int, fill: bytes = b"k") -> str:
    return base64.b64encode(fill * size).decode()


def keys(*names: str, size: int = 32) -> dict[str, Any]:
    return {"keys": [{"name": name, "secret": secret(size, name[-1:].encode())} for name in names]}


def written(path: Path, *providers: dict[str, Any], resources: tuple[str, ...] = ("secrets",)) -> Path:
    rules = [{"resources": list(resources), "providers": list(providers)}]
    return written_rules(path, rules)


def written_rules(path: Path, rules: list[Any]) -> Path:
    file = path / "encryption.yaml"
    file.write_bytes(
        jsons.dumps({"apiVersion": configuration.API_VERSION, "kind": configuration.KIND, "resources": rules})
    )
    return file


def resource_of(key: str) -> tuple[str, str] | None:
    return ("", key.split("/")[2]) if key.count("/") > 2 else None


async def opened(inner: contract.Store, file: Path, timepiece: clock.Clock = clock.SYSTEM) -> encrypted.EncryptedStore:
    made = configuration.load(file, timepiece)
    for plugin in made.plugins:
        await plugin.poll()
    return encrypted.EncryptedStore(inner, made, resource_of)


async def raw(inner: contract.Store, key: str = KEY.decode()) -> bytes:
    entry = await inner.get(key)
    assert entry is not None
    return entry.value


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 5000])
@pytest.mark.parametrize(
    "cipher",
    [
        ciphers.AesGcm(b"k" * 32),
        ciphers.AesCbc(b"k" * 16),
        ciphers.Secretbox(b"k" * 32),
        ciphers.SeededGcm(b"k" * 32),
    ],
    ids=["aesgcm", "aescbc", "secretbox", "seeded"],
)
def test_what_is_sealed_opens_and_is_never_the_same_twice(cipher: ciphers.Cipher, size: int) -> None:
    value = b"v" * size
    first, second = cipher.seal(value, KEY), cipher.seal(value, KEY)
    assert first != second
    assert cipher.open(first, KEY) == cipher.open(second, KEY) == value


@pytest.mark.parametrize("cipher", [ciphers.AesGcm(b"k" * 32), ciphers.SeededGcm(b"k" * 32)], ids=["aesgcm", "seeded"])
def test_a_value_moved_to_another_key_does_not_open(cipher: ciphers.Cipher) -> None:
    sealed = cipher.seal(b"value", KEY)
    with pytest.raises(ciphers.Unreadable):
        cipher.open(sealed, b"/registry/secrets/ns/other")
    with pytest.raises(ciphers.Unreadable):
        cipher.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), KEY)


@pytest.mark.parametrize("name", ["aescbc", "aesgcm", "secretbox"])
async def test_values_lie_encrypted_behind_upstreams_prefix(name: str, tmp_path: Path) -> None:
    inner = memory.MemoryStore()
    store = await opened(inner, written(tmp_path, {name: keys("key1")}))
    revision = await store.put(KEY.decode(), b"plain", expect=0)
    assert (await raw(inner)).startswith(f"k8s:enc:{name}:v1:key1:".encode())
    assert b"plain" not in await raw(inner)
    assert await store.get(KEY.decode()) == contract.Entry(KEY.decode(), b"plain", revision, revision)
    await store.put("/registry/pods/ns/p", b"plain")
    assert await raw(inner, "/registry/pods/ns/p") == b"plain"


async def test_old_keys_read_new_ones_write_and_what_is_old_is_stale(tmp_path: Path) -> None:
    inner = memory.MemoryStore()
    steps: list[tuple[tuple[dict[str, Any], ...], bytes]] = [
        (({"identity": {}},), b"plain"),
        (({"aescbc": keys("key1")}, {"identity": {}}), b"k8s:enc:aescbc:v1:key1:"),
        (({"aescbc": keys("key2", "key1")},), b"k8s:enc:aescbc:v1:key2:"),
        (({"secretbox": keys("box3")}, {"aescbc": keys("key2")}), b"k8s:enc:secretbox:v1:box3:"),
        (({"identity": {}}, {"secretbox": keys("box3")}), b"plain"),
    ]
    for number, (providers, head) in enumerate(steps):
        store = await opened(inner, written(tmp_path, *providers))
        if number:
            assert [entry.value for entry in (await store.range("/registry/")).entries] == [b"plain"]
            assert store.is_stale(KEY.decode())
        await store.put(KEY.decode(), b"plain")
        assert (await raw(inner)).startswith(head)
        assert not store.is_stale(KEY.decode())


async def test_what_no_provider_reads_stops_nothing_but_itself(tmp_path: Path) -> None:
    inner = memory.MemoryStore()
    await (await opened(inner, written(tmp_path, {"aescbc": keys("key1")}))).put(KEY.decode(), b"lost")
    store = await opened(inner, written(tmp_path, {"aesgcm": keys("key2")}))
    await store.put("/registry/secrets/ns/t", b"fine")
    assert [entry.key for entry in (await store.range("/registry/")).entries] == ["/registry/secrets/ns/t"]
    assert store.unreadable == {KEY.decode(): "no matching prefix found"}
    with pytest.raises(contract.StoreError, match="no matching prefix found"):
        await store.get(KEY.decode())
    watch = store.watch("/registry/", after=2)
    store.use(configuration.load(written(tmp_path, {"aesgcm": keys("key2")}, {"aescbc": keys("key1")})))
    with pytest.raises(contract.Compacted):
        await watch.batch()
    assert len((await store.range("/registry/")).entries) == 2
    await store.delete(KEY.decode())
    assert not store.unreadable


async def test_a_plugin_holds_the_key_of_keys(tmp_path: Path) -> None:
    socket, timepiece, inner = tmp_path / "kms.sock", clock.FakeClock(), memory.MemoryStore()
    provider = {"kms": {"apiVersion": "v2", "name": "vault", "endpoint": f"unix://{socket}"}}
    file = written(tmp_path, provider)
    async with plugins.serving(socket) as plugin:
        store = await opened(inner, file, timepiece)
        await store.put(KEY.decode(), b"plain")
        assert (await raw(inner)).startswith(b"k8s:enc:kms:v2:vault:")
        # A second server asks once for the seed of the first, whatever it reads.
        other = await opened(inner, file, timepiece)
        await store.put("/registry/secrets/ns/t", b"plain")
        assert [entry.value for entry in (await other.range("/registry/")).entries] == [b"plain", b"plain"]
        assert plugin.decrypted == 1
        assert not other.is_stale(KEY.decode())
        plugin.key_id = "key-2"
        await other.configuration.plugins[0].poll()
        assert other.is_stale(KEY.decode())
        await other.put(KEY.decode(), b"plain")
        assert not other.is_stale(KEY.decode())
        watch = store.watch("/registry/", after=2)
        assert [event.value for event in await watch.batch()] == [b"plain"]
        plugin.healthz = "tired"
        kms = store.configuration.plugins[0]
        await kms.poll()
        assert kms.problem == "kmsv2 Provider vault is not healthy, error: got unexpected healthz status: tired"
        await store.put(KEY.decode(), b"coasting")
        await timepiece.advance(181)
        with pytest.raises(contract.StoreError, match="expired"):
            await store.put(KEY.decode(), b"too late")
        assert await store.get(KEY.decode()) is not None
        plugin.silent = True
        late = await opened(inner, file, timepiece)
        assert (await late.range("/registry/")).entries == []
        assert "failed to decrypt DEK, error: rpc error: code = UNAVAILABLE" in late.unreadable[KEY.decode()]
        plugin.silent, plugin.healthz = False, "ok"
        await late.configuration.plugins[0].poll()
        late.retry()
        assert len((await late.range("/registry/")).entries) == 2
        for one in (store, other, late):
            await one.configuration.plugins[0].close()


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([], "resources: Required value: at least one resources is required"),
        (
            [{"resources": ["secrets"], "providers": [{"aescbc": {"keys": [{"name": "k", "secret": "YWJj"}]}}]}],
            'resources[0].providers[0].aescbc.keys[0].secret: Invalid value: "REDACTED": secret is not of the expected '
            "length, got 3, expected one of [16 24 32]",
        ),
        (
            [{"resources": ["secrets"], "providers": [{"secretbox": {"keys": [{"name": "k", "secret": "?"}]}}]}],
            'resources[0].providers[0].secretbox.keys[0].secret: Invalid value: "REDACTED": secrets must be base64 '
            "encoded",
        ),
        (
            [{"resources": ["secrets"], "providers": []}],
            "resources[0].providers: Required value: at least one resources[0].providers is required",
        ),
        (
            [{"resources": ["secrets", "*."], "providers": [{"identity": {}}]}],
            'resources[0].resources: Invalid value: ["secrets","*."]: using overlapping resources such as \'secrets\' '
            "and '*.' in the same resource list is not allowed as they will be masked",
        ),
        (
            [{"resources": ["*"], "providers": [{"identity": {}}]}],
            "resources[0].resources[0]: Invalid value: \"*\": use '*.' to encrypt all the resources from core API "
            "group or *.* to encrypt all resources",
        ),
        (
            [
                {
                    "resources": ["secrets"],
                    "providers": [{"kms": {"apiVersion": "v2", "name": "k", "endpoint": "tcp://x"}}],
                }
            ],
            'resources[0].providers[0].kms.endpoint: Invalid value: "tcp://x": unsupported scheme "tcp" for KMS '
            "provider, only unix is supported",
        ),
    ],
)
def test_a_wrong_configuration_is_told_in_upstreams_words(rules: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(config.Unusable) as caught:
        configuration.load(written_rules(tmp_path, rules))
    assert str(caught.value) == f"error while parsing file: {message}"


def test_a_rule_that_never_applies_is_refused(tmp_path: Path) -> None:
    identity = [{"identity": {}}]
    rules = [{"resources": ["*.*"], "providers": identity}, {"resources": ["secrets"], "providers": identity}]
    with pytest.raises(config.Unusable, match=r'resource "secrets" is masked by earlier rule "\*\.\*"'):
        configuration.load(written_rules(tmp_path, rules))


@pytest.mark.parametrize(
    ("resource", "head"),
    [
        (("", "secrets"), b"k8s:enc:aescbc:v1:a:"),
        (("", "configmaps"), b"k8s:enc:aescbc:v1:b:"),
        (("apps", "deployments"), b"k8s:enc:aescbc:v1:c:"),
        (("example.com", "widgets"), b"k8s:enc:aescbc:v1:d:"),
    ],
)
def test_the_first_fitting_rule_counts(resource: tuple[str, str], head: bytes, tmp_path: Path) -> None:
    named = (("secrets", "a"), ("*.", "b"), ("*.apps", "c"), ("*.*", "d"))
    rules = [{"resources": [name], "providers": [{"aescbc": keys(key)}]} for name, key in named]
    assert configuration.load(written_rules(tmp_path, rules)).providers(*resource).mark() == head
