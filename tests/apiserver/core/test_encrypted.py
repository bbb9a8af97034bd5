"""Secrets encrypted at rest, seen through the API."""

import base64
from pathlib import Path
from typing import Any

import pytest

from kijabi.api import errors, kinds
from kijabi.apiserver import contract, program, storage
from kijabi.apiserver.options import Options
from kijabi.client import rest, transport
from kijabi.kit import config, jsons

ADMIN = contract.UserInfo("admin", groups=("system:masters", "system:authenticated"))
SECRET: dict[str, Any] = {"metadata": {"name": "s", "namespace": "default"}, "stringData": {"a": "hidden"}}
PATH = "/registry/secrets/default/s"


def written(file: Path, *names: str, resource: str = "secrets") -> Options:
    keys = [{"name": name, "secret": base64.b64encode(name.encode() * 16).decode()} for name in names]
    rule = {"resources": [resource], "providers": [{"aescbc": {"keys": keys}}, {"identity": {}}]}
    what = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration", "resources": [rule]}
    file.write_bytes(jsons.dumps(what))
    return Options(
        endpoint_reconciler_type="none",
        store=f"sqlite://{file.parent}/state.db",
        encryption_provider_config=str(file),
        encryption_provider_config_automatic_reload=True,
    )


class Running:
    def __init__(self, options: Options) -> None:
        self._options = options

    async def __aenter__(self) -> "Running":
        self.store = await storage.open_store(self._options)
        self.assembly = program.build(self._options, self.store)
        await self.assembly.start()
        self.client = rest.Client(transport.Local(self.assembly.api.handle, ADMIN))
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.assembly.close()
        await self.store.close()

    async def raw(self, path: str = PATH) -> bytes:
        entry = await self.store.inner.get(path)  # type: ignore[attr-defined]
        assert entry is not None
        return bytes(entry.value)


async def test_an_update_that_changes_nothing_writes_with_the_new_key(tmp_path: Path) -> None:
    file = tmp_path / "encryption.json"
    async with Running(written(file, "k1")) as server:
        await server.client.create(kinds.SECRETS, SECRET)
        assert (await server.raw()).startswith(b"k8s:enc:aescbc:v1:k1:")
        assert b"hidden" not in await server.raw()
        read = await server.client.get(kinds.SECRETS, "s", "default")
        assert read["data"] == {"a": base64.b64encode(b"hidden").decode()}
        same = await server.client.update(kinds.SECRETS, read)
        assert same["metadata"]["resourceVersion"] == read["metadata"]["resourceVersion"]
        written(file, "k2", "k1")
        assert server.assembly.encryption is not None
        await server.assembly.encryption.reload()
        again = await server.client.update(kinds.SECRETS, same)
        assert again["metadata"]["resourceVersion"] != same["metadata"]["resourceVersion"]
        assert (await server.raw()).startswith(b"k8s:enc:aescbc:v1:k2:")
        written(file, "k2", resource="Secrets")
        await server.assembly.encryption.reload()
        assert (await server.client.get(kinds.SECRETS, "s", "default"))["data"] == read["data"]


async def test_what_cannot_be_decrypted_is_an_error_and_the_rest_is_served(tmp_path: Path) -> None:
    file = tmp_path / "encryption.json"
    async with Running(written(file, "k1")) as server:
        await server.client.create(kinds.SECRETS, SECRET)
    async with Running(written(file, "k3")) as server:
        with pytest.raises(errors.InternalError, match="no matching key was found for the provided AES transformer"):
            await server.client.get(kinds.SECRETS, "s", "default")
        with pytest.raises(errors.InternalError, match=f'unable to transform key "{PATH}"'):
            await server.client.list(kinds.SECRETS)
        assert (await server.client.list(kinds.CONFIG_MAPS))["items"]


async def test_a_wrong_file_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "encryption.json"
    options = written(file, "k1", resource="*")
    with pytest.raises(config.Unusable, match="error while parsing file: resources"):
        await storage.open_store(options)


@pytest.mark.parametrize(
    ("key", "resource"),
    [
        ("/registry/secrets/default/s", ("", "secrets")),
        ("/registry/deployments/default/d", ("apps", "deployments")),
        ("/registry/services/specs/default/s", ("", "services")),
        (
            "/registry/apiextensions.k8s.io/customresourcedefinitions/x",
            ("apiextensions.k8s.io", "customresourcedefinitions"),
        ),
        ("/registry/example.com/widgets/default/w", ("example.com", "widgets")),
        ("/registry/masterleases/10.0.0.1", None),
        ("compact_rev_key", None),
    ],
)
def test_keys_say_their_resource(key: str, resource: tuple[str, str] | None) -> None:
    assert storage.resource_of(key) == resource


async def test_the_health_check_of_plugins_is_there_where_the_configuration_may_change(tmp_path: Path) -> None:
    async with Running(written(tmp_path / "encryption.json", "k1")) as server:
        reply = await server.client.wire.request("GET", "/livez/kms-providers")
        assert (reply.status, reply.body) == (200, b"ok")
