"""KubeSchedulerConfiguration: profiles, plugins, arguments."""

import pytest

from kijabi.scheduler import configuration, options

HEAD = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}


def profile(**given):
    [found] = configuration.of({**HEAD, "profiles": [given]}).profiles
    return found


def filters(found):
    return [rule.name for rule in found.rules.filters]


def scores(found):
    return {rule.name: weight for rule, weight in found.rules.scores}


def test_without_profiles_there_is_upstreams_default():
    chosen = configuration.of(HEAD)
    [found] = chosen.profiles
    assert (found.name, found.preempts) == ("default-scheduler", True)
    assert filters(found) == [
        "NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit",
        "PodTopologySpread", "InterPodAffinity",
    ]  # fmt: skip
    assert scores(found) == {
        "TaintToleration": 3, "NodeAffinity": 2, "NodeResourcesFit": 1, "PodTopologySpread": 2, "InterPodAffinity": 2,
        "NodeResourcesBalancedAllocation": 1, "ImageLocality": 1,
    }  # fmt: skip
    assert (chosen.initial_backoff, chosen.max_backoff) == (1.0, 10.0)


@pytest.mark.parametrize(
    ("plugins", "filtering", "scoring"),
    [
        pytest.param({"score": {"disabled": [{"name": "*"}]}}, 8, {}, id="no scores"),
        pytest.param(
            {"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "ImageLocality", "weight": 7}]}}, 8,
            {"ImageLocality": 7}, id="only this score",
        ),
        pytest.param(
            {"multiPoint": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeResourcesFit"}]}}, 1,
            {"NodeResourcesFit": 1}, id="only this plugin, everywhere",
        ),
        pytest.param({"filter": {"disabled": [{"name": "NodePorts"}]}}, 7, None, id="one filter less"),
    ],
)  # fmt: skip
def test_plugins_are_enabled_and_disabled(plugins, filtering, scoring):
    found = profile(plugins=plugins)
    assert len(filters(found)) == filtering
    assert scoring is None or scores(found) == scoring


def test_weights_are_changed_at_one_point_or_at_all():
    assert (
        scores(profile(plugins={"multiPoint": {"enabled": [{"name": "NodeAffinity", "weight": 9}]}}))["NodeAffinity"]
        == 9
    )
    assert scores(profile(plugins={"score": {"enabled": [{"name": "NodeAffinity", "weight": 8}]}}))["NodeAffinity"] == 8


def test_preemption_can_be_turned_off():
    assert not profile(plugins={"postFilter": {"disabled": [{"name": "DefaultPreemption"}]}}).preempts


def test_arguments_reach_their_plugins(world, node, pod):
    fit = {"scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 1}]}}
    found = profile(pluginConfig=[{"name": "NodeResourcesFit", "args": fit}])
    world.rules = found.rules
    world.add(node("n", cpu="4"))
    assert world.scores(pod("p", cpu="3"), "NodeResourcesFit") == {"n": (75, 75)}


def test_ignored_resources_are_not_checked(world, node, pod):
    args = {"ignoredResources": ["example.com/a"], "ignoredResourceGroups": ["other.org"]}
    world.rules = profile(pluginConfig=[{"name": "NodeResourcesFit", "args": args}]).rules
    world.add(node("n"))
    assert world.where(pod("p", extra={"example.com/a": "1", "other.org/x": "1"})) == "n"
    assert world.where(pod("p", extra={"example.com/b": "1"})) is None


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (
            {"profiles": [{"schedulerName": "a"}, {"schedulerName": "a"}]},
            'profiles[1].schedulerName: Duplicate value: "a"',
        ),
        ({"profiles": [{}, {}]}, "profiles[0].schedulerName: Required value"),
        ({"podInitialBackoffSeconds": 0}, "podInitialBackoffSeconds: Invalid value: 0"),
        ({"podInitialBackoffSeconds": 20}, "podMaxBackoffSeconds: Invalid value: 10"),
        ({"extenders": [{}]}, "extenders"),
        ({"profiles": [{"plugins": {"score": {"enabled": [{"name": "Mine"}]}}}]}, '"Mine" does not exist'),
        (
            {
                "profiles": [
                    {"pluginConfig": [{"name": "NodeResourcesFit", "args": {"scoringStrategy": {"type": "X"}}}]}
                ]
            },
            "scoring strategy X is not supported",
        ),
        (
            {"profiles": [{"pluginConfig": [{"name": "InterPodAffinity", "args": {"hardPodAffinityWeight": 101}}]}]},
            "hardPodAffinityWeight",
        ),
        (
            {"profiles": [{"pluginConfig": [{"name": "PodTopologySpread", "args": {"defaultConstraints": [{}]}}]}]},
            "when .defaultingType is System",
        ),
    ],
    ids=["names", "no names", "back-off", "back-offs", "extenders", "plugin", "strategy", "hard weight", "defaults"],
)
def test_what_cannot_be_used_is_told(document, told):
    with pytest.raises(configuration.Unusable) as raised:
        configuration.of({**HEAD, **document})
    assert told in str(raised.value)


def test_a_file_says_how_to_connect_and_lead(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
        "clientConnection: {kubeconfig: /etc/k}\nleaderElection: {leaderElect: false, leaseDuration: 1m}\n"
        "podMaxBackoffSeconds: 60\nprofiles: [{schedulerName: mine}]\n"
    )
    chosen, found = configuration.resolve(options.Options(config=str(path)))
    assert (chosen.kubeconfig, chosen.leader_elect, chosen.leader_elect_lease_duration) == ("/etc/k", False, 60.0)
    assert [each.name for each in found.profiles] == ["mine"]
    assert found.max_backoff == 60.0


@pytest.mark.parametrize("text", ["kind: Pod\napiVersion: v1\n", "- a\n", "a: ]"], ids=["kind", "list", "syntax"])
def test_another_document_is_refused(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(configuration.Unusable):
        configuration.resolve(options.Options(config=str(path)))


def test_flags_alone_name_the_profile():
    _, found = configuration.resolve(options.Options(scheduler_name="mine"))
    assert [each.name for each in found.profiles] == ["mine"]
