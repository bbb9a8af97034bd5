from typing import Any

import pytest

from kijabi.api import errors, kinds
from kijabi.apiserver import contract


async def test_reads_are_private_copies(api: Any, objects: Any) -> None:
    await api.access.create(kinds.CONFIG_MAPS, objects.config_map("a", namespace="default"))
    mine = await api.access.get(kinds.CONFIG_MAPS, "a", "default")
    mine["data"]["a"] = "changed"
    assert api.access.get_nowait(kinds.CONFIG_MAPS, "a", "default")["data"] == {"a": "b"}
    assert await api.access.get(kinds.CONFIG_MAPS, "b", "default") is None
    assert len(await api.access.list(kinds.CONFIG_MAPS)) == 1
    assert await api.access.list(kinds.CONFIG_MAPS, label_selector="x=y") == []


async def test_subscribers_hear_before_the_write_returns(api: Any, objects: Any) -> None:
    heard: list[tuple[Any, Any]] = []
    await api.access.create(kinds.CONFIG_MAPS, objects.config_map("a", namespace="default"))
    api.access.subscribe(kinds.CONFIG_MAPS, lambda old, new: heard.append((old, new)))
    await api.access.mutate(kinds.CONFIG_MAPS, "a", "default", lambda obj: obj.update(data={"x": "1"}))
    await api.access.delete(kinds.CONFIG_MAPS, "a", "default")
    data = [tuple(side and side["data"] for side in pair) for pair in heard]
    assert data == [(None, {"a": "b"}), ({"a": "b"}, {"x": "1"}), ({"x": "1"}, None)]


async def test_a_mutation_may_give_up(api: Any, objects: Any) -> None:
    await api.access.create(kinds.CONFIG_MAPS, objects.config_map("a", namespace="default"))

    def refuse(obj: Any) -> None:
        raise errors.Conflict("no")

    with pytest.raises(errors.Conflict):
        await api.access.mutate(kinds.CONFIG_MAPS, "a", "default", refuse)
    with pytest.raises(errors.NotFound):
        await api.access.mutate(kinds.CONFIG_MAPS, "b", "default", lambda obj: None)


class Hook:
    """Notes what it hears; refuses what has the label ``refuse``."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def _note(self, what: str, obj: Any) -> None:
        self.heard.append(f"{what} {obj['metadata']['name']}")

    async def before_create(self, context: contract.RequestContext, obj: Any) -> None:
        self._note("before_create", obj)
        obj["data"]["hook"] = "was here"

    async def after_create(self, context: contract.RequestContext, obj: Any) -> None:
        self._note("after_create", obj)

    async def after_failed_create(self, context: contract.RequestContext, obj: Any) -> None:
        self._note("after_failed_create", obj)

    async def before_update(self, context: contract.RequestContext, new: Any, old: Any) -> None:
        self._note("before_update", new)

    async def after_update(self, context: contract.RequestContext, new: Any, old: Any) -> None:
        self._note("after_update", new)

    async def after_failed_update(self, context: contract.RequestContext, new: Any, old: Any) -> None:
        self._note("after_failed_update", new)

    async def after_delete(self, context: contract.RequestContext, obj: Any) -> None:
        self._note("after_delete", obj)


async def test_hooks_are_told_how_it_ended(api: Any, objects: Any) -> None:
    hook = Hook()
    api.reg.equip((), [{("", "configmaps"): hook}])
    path = "/api/v1/namespaces/default/configmaps"
    made = await api.made(path, objects.config_map("a"))
    assert made["data"]["hook"] == "was here"
    assert (await api.post(path, objects.config_map("a"))).status == 409
    assert (await api.patch(f"{path}/a", {"data": {"x": "1"}})).status == 200
    assert (await api.patch(f"{path}/a", {"metadata": {"labels": {"bad key": ""}}})).status == 422
    await api.delete(f"{path}/a")
    assert hook.heard == [
        "before_create a",
        "after_create a",
        "before_create a",
        "after_failed_create a",
        "before_update a",
        "after_update a",
        "before_update a",
        "after_failed_update a",
        "after_delete a",
    ]


class Plugin:
    """Labels what it admits, and refuses the name ``evil``."""

    name = "Labels"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def handles(self, operation: str, resource: Any, subresource: str) -> bool:
        return resource.plural == "configmaps"

    async def admit(self, attributes: contract.AdmissionAttributes) -> None:
        self.seen.append(f"{attributes.operation} {attributes.name} {attributes.options['kind']}")
        attributes.warnings.append("admitted")
        if attributes.object is not None:
            attributes.object["metadata"].setdefault("labels", {})["admitted"] = "yes"

    async def validate(self, attributes: contract.AdmissionAttributes) -> None:
        if attributes.name == "evil":
            raise contract.refused(attributes, "no evil here")


async def test_admission_changes_and_refuses(api: Any, objects: Any) -> None:
    plugin = Plugin()
    api.reg.equip((plugin,), [])
    path = "/api/v1/namespaces/default/configmaps"
    answer = await api.post(path, objects.config_map("a"))
    assert answer.json["metadata"]["labels"] == {"admitted": "yes"}
    assert answer.headers["Warning"] == '299 - "admitted"'
    refused = await api.post(path, objects.config_map("evil"))
    assert (refused.status, refused.message) == (403, 'configmaps "evil" is forbidden: no evil here')
    await api.patch(f"{path}/a", {})
    await api.delete(f"{path}/a")
    assert plugin.seen == [
        "CREATE a CreateOptions",
        "CREATE evil CreateOptions",
        "UPDATE a UpdateOptions",
        "DELETE a DeleteOptions",
    ]
