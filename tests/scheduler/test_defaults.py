"""Whom a pod is spread with when it does not say."""

import pytest

from kijabi.api import kinds
from kijabi.scheduler import defaults, podinfo


class Copies:
    """Informers of what the test puts there."""

    def __init__(self, resource):
        self.resource = resource
        self.objects = {}
        self.handlers = []

    def items(self, namespace):
        return [obj for obj in self.objects.values() if obj["metadata"]["namespace"] == namespace]

    def get(self, name, namespace):
        return self.objects.get((namespace, name))

    def subscribe(self, handler):
        self.handlers.append(handler)

    def put(self, name, selector, namespace="default"):
        old = self.objects.get((namespace, name))
        new = {"kind": self.resource.kind, "metadata": {"name": name, "namespace": namespace}, "spec": {}}
        if selector is not None:
            new["spec"]["selector"] = selector
        self.objects[namespace, name] = new
        for handler in self.handlers:
            handler(old, new)


class Informers(dict):
    def of(self, resource):
        return self.setdefault(resource.kind, Copies(resource))


@pytest.fixture
def informers():
    return Informers()


@pytest.fixture
def companions(informers):
    made = defaults.Companions(informers)
    made.follow()
    return made


def owned(pod, kind, name="o", **more):
    reference = {"kind": kind, "name": name, "controller": True}
    return podinfo.of(pod("p", labels={"app": "a", "rev": "1"}, meta={"ownerReferences": [reference]}, **more))


@pytest.mark.parametrize(
    ("kind", "selector"),
    [
        (kinds.REPLICA_SETS, {"matchLabels": {"rev": "1"}}),
        (kinds.STATEFUL_SETS, {"matchLabels": {"rev": "1"}}),
        (kinds.REPLICATION_CONTROLLERS, {"rev": "1"}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_the_selectors_of_services_and_the_owner_count_together(informers, companions, pod, kind, selector):
    informers.of(kinds.SERVICES).put("s", {"app": "a"})
    informers.of(kinds.SERVICES).put("stranger", {"app": "b"})
    informers.of(kinds.SERVICES).put("headless", None)
    informers.of(kinds.SERVICES).put("elsewhere", {"rev": "1"}, "other")
    informers.of(kind).put("o", selector)
    assert str(companions.selector(owned(pod, kind.kind))) == "app=a,rev=1"


def test_a_pod_of_nobody_is_spread_with_nobody(companions, pod):
    assert companions.selector(podinfo.of(pod("p", labels={"app": "a"}))) is None
    assert companions.selector(owned(pod, "Job")) is None


def test_a_changed_selector_is_noticed(informers, companions, pod):
    services = informers.of(kinds.SERVICES)
    info = podinfo.of(pod("p", labels={"app": "a"}))
    assert companions.selector(info) is None
    services.put("s", {"app": "a"})
    assert str(companions.selector(info)) == "app=a"
    services.put("s", {"app": "b"})
    assert companions.selector(info) is None
