import pytest

from kijabi.apiserver.authz import policy


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (
            "read delete | core,apps | pods jobs | a",
            {
                "verbs": ["delete", "get", "list", "watch"],
                "apiGroups": ["", "apps"],
                "resources": ["jobs", "pods"],
                "resourceNames": ["a"],
            },
        ),
        ("get | /version /api", {"verbs": ["get"], "nonResourceURLs": ["/api", "/version"]}),
        (
            "events",
            {
                "verbs": ["create", "patch", "update"],
                "apiGroups": ["", "events.k8s.io"],
                "resources": ["events"],
            },
        ),
    ],
)
def test_a_line_is_a_rule(line, rule):
    assert policy.rule(line) == rule


def _named(kind):
    return {obj["metadata"]["name"]: obj for _, obj in policy.objects() if obj["kind"] == kind}


def test_every_object_is_marked_as_upstream_marks_it():
    for _, obj in policy.objects():
        assert obj["metadata"]["labels"]["kubernetes.io/bootstrapping"] == "rbac-defaults"
        assert obj["metadata"]["annotations"] == {"rbac.authorization.kubernetes.io/autoupdate": "true"}


def test_bindings_refer_to_roles_that_exist():
    roles = {
        (obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]) for _, obj in policy.objects()
    }
    for _, obj in policy.objects():
        if "roleRef" in obj:
            ref = obj["roleRef"]
            namespace = obj["metadata"].get("namespace", "") if ref["kind"] == "Role" else ""
            assert (ref["kind"], namespace, ref["name"]) in roles


def test_aggregated_roles_hold_what_they_collect():
    roles = _named("ClusterRole")
    view, edit, admin = (roles[name]["rules"] for name in ("view", "edit", "admin"))
    assert view == roles["system:aggregate-to-view"]["rules"]
    assert all(rule in edit for rule in view)
    assert all(rule in admin for rule in edit + roles["system:aggregate-to-admin"]["rules"])
    assert roles["edit"]["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-admin"] == "true"


def test_secrets_are_for_editors_and_not_for_viewers():
    roles = _named("ClusterRole")
    assert not any("secrets" in rule.get("resources", ()) for rule in roles["view"]["rules"])
    assert any("secrets" in rule.get("resources", ()) for rule in roles["edit"]["rules"])
