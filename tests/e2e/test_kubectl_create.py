"""kubectl create, apply, edit, patch, replace, label, annotate, expose, scale, set: what objects become."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubectls import BUSYBOX, NGINX, Kubectl, deployment, pod

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True)
class Made:
    """``says`` is printed; then ``path`` of the object ``what`` is ``value``. Before ``since`` it is ``error``."""

    command: str
    says: str
    what: str = ""
    path: str = ""
    value: str = ""
    since: tuple[int, int] = (1, 0)
    error: str = "unknown command|unknown flag|could not find the requested resource|no matches for kind"


CREATED = [
    Made(
        f"create deployment dep --image={NGINX} --replicas=0 --port=80",
        "deployment.apps/dep created",
        "deploy/dep",
        ".spec.template.spec.containers[0].ports[0].containerPort",
        "80",
    ),
    Made(
        "create configmap con --from-literal=a=b --from-literal=c=d", "configmap/con created", "cm/con", ".data.c", "d"
    ),
    Made("create secret generic sec --from-literal=a=b", "secret/sec created", "secret/sec", ".data.a", "Yg=="),
    Made(
        "create secret docker-registry reg --docker-server=r.example --docker-username=u --docker-password=p",
        "secret/reg created",
        "secret/reg",
        ".type",
        "kubernetes.io/dockerconfigjson",
    ),
    Made("create namespace {ns}-more", "namespace/{ns}-more created", "ns/{ns}-more", ".status.phase", "Active"),
    Made("create serviceaccount bot", "serviceaccount/bot created", "sa/bot", ".metadata.name", "bot"),
    Made(
        "create service clusterip svc-c --tcp=80:8080",
        "service/svc-c created",
        "svc/svc-c",
        ".spec.ports[0].targetPort",
        "8080",
    ),
    Made(
        "create service clusterip svc-h --clusterip=None --tcp=80",
        "service/svc-h created",
        "svc/svc-h",
        ".spec.clusterIP",
        "None",
    ),
    Made(
        "create service nodeport svc-n --tcp=80 --node-port=31999",
        "service/svc-n created",
        "svc/svc-n",
        ".spec.ports[0].nodePort",
        "31999",
    ),
    Made("delete service svc-n", 'service "svc-n" deleted'),
    Made(
        "create service loadbalancer svc-l --tcp=80", "service/svc-l created", "svc/svc-l", ".spec.type", "LoadBalancer"
    ),
    Made(
        "create service externalname svc-e --external-name=example.org",
        "service/svc-e created",
        "svc/svc-e",
        ".spec.externalName",
        "example.org",
    ),
    Made(f"create job once --image={BUSYBOX} -- true", "job.batch/once created", "job/once", ".spec.completions", "1"),
    Made(
        f"create cronjob tick --image={BUSYBOX} --schedule='*/5 * * * *' -- true",
        "cronjob.batch/tick created",
        "cronjob/tick",
        ".spec.concurrencyPolicy",
        "Allow",
        since=(1, 21),
    ),
    Made(
        "create job tock --from=cronjob/tick",
        "job.batch/tock created",
        "job/tock",
        ".metadata.ownerReferences[0].name",
        "tick",
        since=(1, 21),
        error="not found|could not find",
    ),
    Made(
        "create role reader --verb=get,list --resource=pods,deployments.apps",
        "role.rbac.authorization.k8s.io/reader created",
        "role/reader",
        ".rules[1].apiGroups[0]",
        "apps",
    ),
    Made(
        "create rolebinding reads --role=reader --serviceaccount={ns}:bot",
        "rolebinding.rbac.authorization.k8s.io/reads created",
        "rolebinding/reads",
        ".subjects[0].namespace",
        "{ns}",
    ),
    Made(
        "create clusterrole {ns}-nodes --verb=get --resource=nodes",
        "clusterrole.rbac.authorization.k8s.io/{ns}-nodes created",
        "clusterrole/{ns}-nodes",
        ".rules[0].verbs[0]",
        "get",
    ),
    Made(
        "create clusterrolebinding {ns}-nodes --clusterrole={ns}-nodes --user=eve",
        "clusterrolebinding.rbac.authorization.k8s.io/{ns}-nodes created",
        "clusterrolebinding/{ns}-nodes",
        ".subjects[0].name",
        "eve",
    ),
    Made(
        "create quota limits --hard=services=20,pods=50",
        "resourcequota/limits created",
        "quota/limits",
        ".spec.hard.pods",
        "50",
    ),
    Made(
        "create priorityclass {ns}-high --value=10",
        "priorityclass.scheduling.k8s.io/{ns}-high created",
        "priorityclass/{ns}-high",
        ".value",
        "10",
    ),
    Made(
        "create poddisruptionbudget keep --selector=app=x --min-available=1",
        "poddisruptionbudget.policy/keep created",
        "pdb/keep",
        ".spec.minAvailable",
        "1",
        since=(1, 21),
    ),
    Made(
        "create ingress in --rule=a.example/=svc-c:80",
        "ingress.networking.k8s.io/in created",
        "ingress/in",
        ".spec.rules[0].host",
        "a.example",
    ),
    Made(
        "create token bot --duration=1h",
        r"^eyJ[\w-]+\.[\w-]+\.[\w-]+$",
        since=(1, 24),
        error="unknown command|unknown flag|must specify",
    ),
    Made(f"create deployment dry --image={NGINX} --dry-run=client -o name", "deployment.apps/dry"),
    Made("create configmap dry --dry-run=server", r"configmap/dry created \(server dry run\)"),
    Made("get configmap dry --ignore-not-found", r"^$"),
    # What follows changes what was made above.
    Made(
        "label configmap con colour=red size=big", "configmap/con labeled", "cm/con", ".metadata.labels.colour", "red"
    ),
    Made(
        "label configmap con colour=blue --overwrite",
        "configmap/con labeled",
        "cm/con",
        ".metadata.labels.colour",
        "blue",
    ),
    Made("label configmap con size-", "configmap/con (un)?labeled", "cm/con", ".metadata.labels.size", ""),
    Made(
        "annotate configmap con note='some text'",
        "configmap/con annotated",
        "cm/con",
        ".metadata.annotations.note",
        "some text",
    ),
    Made(
        'patch configmap con -p \'{"data":{"a":"strategic"}}\'',
        "configmap/con patched",
        "cm/con",
        ".data.a",
        "strategic",
    ),
    Made(
        'patch configmap con --type=merge -p \'{"data":{"c":null,"e":"f"}}\'',
        "configmap/con patched",
        "cm/con",
        ".data",
        '{"a":"strategic","e":"f"}',
    ),
    Made(
        'patch configmap con --type=json -p \'[{"op":"replace","path":"/data/e","value":"json"}]\'',
        "configmap/con patched",
        "cm/con",
        ".data.e",
        "json",
    ),
    Made(
        'patch deployment dep -p \'{"spec":{"template":{"spec":{"containers":[{"name":"nginx","tty":true}]}}}}\'',
        "deployment.apps/dep patched",
        "deploy/dep",
        ".spec.template.spec.containers[0].image",
        NGINX,
    ),
    Made(
        'patch deployment dep --subresource=scale --type=merge -p \'{"spec":{"replicas":0}}\'',
        "scale.autoscaling/dep patched",
        "deploy/dep",
        ".spec.replicas",
        "0",
        since=(1, 24),
    ),
    Made("patch configmap con -p '{}'", r"configmap/con patched \(no change\)"),
    Made(
        "set image deployment/dep nginx=docker.io/library/nginx:1",
        "deployment.apps/dep image updated",
        "deploy/dep",
        ".spec.template.spec.containers[0].image",
        "docker.io/library/nginx:1",
    ),
    Made(
        "set env deployment/dep A=b",
        "deployment.apps/dep env updated",
        "deploy/dep",
        ".spec.template.spec.containers[0].env[0].value",
        "b",
    ),
    Made("set env deployment/dep --list", "^A=b$"),
    Made(
        "set env deployment/dep --from=configmap/con",
        "deployment.apps/dep env updated",
        "deploy/dep",
        ".spec.template.spec.containers[0].env[1].valueFrom.configMapKeyRef.name",
        "con",
    ),
    Made(
        "set resources deployment/dep --limits=cpu=100m,memory=64Mi",
        "deployment.apps/dep resource requirements updated",
        "deploy/dep",
        ".spec.template.spec.containers[0].resources.limits.memory",
        "64Mi",
    ),
    Made(
        "set serviceaccount deployment/dep bot",
        "deployment.apps/dep serviceaccount updated",
        "deploy/dep",
        ".spec.template.spec.serviceAccountName",
        "bot",
    ),
    Made("set selector svc/svc-c app=dep", "service/svc-c selector updated", "svc/svc-c", ".spec.selector.app", "dep"),
    Made(
        "set subject rolebinding/reads --user=mallory",
        "rolebinding.rbac.authorization.k8s.io/reads subjects updated",
        "rolebinding/reads",
        ".subjects[1].name",
        "mallory",
    ),
    Made(
        "expose deployment dep --name=dep-svc --port=80 --target-port=8080",
        "service/dep-svc exposed",
        "svc/dep-svc",
        ".spec.selector.app",
        "dep",
    ),
    Made(
        "autoscale deployment dep --min=1 --max=3 --cpu-percent=50",
        "horizontalpodautoscaler.autoscaling/dep autoscaled",
        "hpa/dep",
        ".spec.maxReplicas",
        "3",
    ),
    Made("delete hpa dep", 'horizontalpodautoscaler.autoscaling "dep" deleted'),
    Made(
        "scale deployment dep --replicas=0 --current-replicas=0",
        "deployment.apps/dep scaled",
        "deploy/dep",
        ".spec.replicas",
        "0",
    ),
    Made("get deployment dep -o jsonpath='{.metadata.generation}'", r"^\d+$"),
]


@pytest.mark.parametrize("made", CREATED, ids=lambda made: re.sub(r"[^\w=./-]+", " ", made.command)[:60])
def test_makes_and_changes(kubectl: Kubectl, made: Made) -> None:
    def fill(text: str) -> str:
        return text.replace("{ns}", kubectl.namespace)

    if kubectl.version < made.since:
        assert re.search(made.error, kubectl.fails(fill(made.command)))
        return
    assert re.search(fill(made.says), kubectl(fill(made.command)).strip(), re.M)
    if made.what:
        assert kubectl.get(fill(made.what), made.path) == fill(made.value)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("create configmap con", 'configmaps "con" already exists'),
        ("create serviceaccount Bad_Name", 'ServiceAccount "Bad_Name" is invalid: metadata.name: Invalid value'),
        ("create service clusterip twice --clusterip=1.2.3.4 --tcp=80", "spec.clusterIPs: Invalid value"),
        ("create service nodeport far --tcp=80 --node-port=80", "provided port is not in the valid range"),
        ("label configmap con colour=green", "'colour' already has a value (blue), and --overwrite is false"),
        ("scale deployment dep --replicas=1 --current-replicas=7", "xpected replicas to be 7"),
        ("patch configmap con -p {", "Error from server (BadRequest)"),
        ("set image deployment/dep nobody=x", "unable to find container named"),
    ],
    ids=lambda value: value if value.startswith(("create", "label", "scale", "patch", "set")) else "",
)
def test_refuses(kubectl: Kubectl, command: str, message: str) -> None:
    kubectl.run("create", "configmap", "con", "--from-literal=a=b")
    kubectl.run("label", "configmap", "con", "colour=blue")
    kubectl.run("create", "deployment", "dep", f"--image={NGINX}", "--replicas=0")
    assert message in kubectl.fails(command)


def config(name: str, **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_apply_merges_three_ways(kubectl: Kubectl) -> None:
    assert "configmap/three created" in kubectl("apply -f -", stdin=json.dumps(config("three", mine="1", gone="1")))
    kubectl("patch", "cm", "three", "-p", '{"data":{"others":"2"}}')
    assert "configmap/three configured" in kubectl("apply -f -", stdin=json.dumps(config("three", mine="3")))
    assert kubectl.get("cm three")["data"] == {"mine": "3", "others": "2"}
    assert "configmap/three unchanged" in kubectl("apply -f -", stdin=json.dumps(config("three", mine="3")))


def test_apply_merges_lists_by_their_key(kubectl: Kubectl) -> None:
    template = pod("lists")
    kubectl.apply(deployment("lists", 0, template))
    sidecar = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": BUSYBOX}]}}}}
    kubectl("patch", "deployment", "lists", "-p", json.dumps(sidecar))
    template["spec"]["containers"][0]["env"] = [{"name": "A", "value": "b"}]
    kubectl.apply(deployment("lists", 0, template))
    containers = kubectl.get("deployment lists")["spec"]["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["side", "main"] or [
        container["name"] for container in containers
    ] == ["main", "side"]
    assert {"name": "A", "value": "b"} in [env for container in containers for env in container.get("env", ())]


def test_apply_reads_directories_and_kustomizations(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(json.dumps(config("kus", a="b")))
    (tmp_path / "two.yml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\n---\n")
    assert "configmap/two created" in kubectl("apply", "-f", str(tmp_path))
    kustomization = {
        "resources": ["one.yaml"],
        "namePrefix": "pre-",
        "commonLabels": {"set": "kus"},
        "configMapGenerator": [{"name": "gen", "literals": ["a=b"]}],
    }
    (tmp_path / "kustomization.yaml").write_text(json.dumps(kustomization))
    told = kubectl("apply", "-k", str(tmp_path))
    assert re.search(r"configmap/pre-gen-\w+ created", told)
    assert "configmap/pre-kus created" in told
    assert kubectl.get("cm pre-kus", ".metadata.labels.set") == "kus"


def test_apply_prunes_what_is_no_longer_there(kubectl: Kubectl) -> None:
    both = [config("stays", a="b"), config("goes", a="b")]
    for one in both:
        one["metadata"]["labels"] = {"set": "pruned"}  # type: ignore[index]
    kubectl.apply(*both)
    allowed = ("--prune", "-l", "set=pruned", "--prune-whitelist=core/v1/ConfigMap")
    if kubectl.version >= (1, 26):
        allowed = (*allowed[:3], "--prune-allowlist=core/v1/ConfigMap")
    told = kubectl("apply", "-f", "-", *allowed, stdin=json.dumps(both[0]))
    assert "configmap/goes pruned" in told
    assert kubectl("get cm -l set=pruned -o name") == "configmap/stays\n"


def test_apply_refuses_unknown_fields(kubectl: Kubectl) -> None:
    wrong = {**config("wrong"), "dta": {}}
    result = kubectl.run("apply", "-f", "-", stdin=json.dumps(wrong))
    assert result.code == 1
    assert re.search('unknown field "dta"', result.err)
    kubectl("apply", "--validate=false", "-f", "-", stdin=json.dumps(wrong))


def test_diff_tells_by_its_exit_code(kubectl: Kubectl) -> None:
    kubectl.apply(config("differs", a="b"))
    assert kubectl.run("diff", "-f", "-", stdin=json.dumps(config("differs", a="b"))).code == 0
    result = kubectl.run("diff", "-f", "-", stdin=json.dumps(config("differs", a="c")))
    assert result.code == 1
    assert re.search(r"^-  a: b\n\+  a: c", result.out, re.M)


def test_edit_sends_what_the_editor_wrote(kubectl: Kubectl) -> None:
    kubectl.apply(config("edited", colour="blue"))
    told = kubectl("edit", "cm", "edited", KUBE_EDITOR="sed -i s/blue/green/")
    assert "configmap/edited edited" in told
    assert kubectl.get("cm edited", ".data.colour") == "green"
    assert "Edit cancelled, no changes made." in kubectl.run("edit", "cm", "edited", KUBE_EDITOR="true").err


def test_replace_puts_another_in_its_place(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=json.dumps(config("replaced", a="b", c="d")))
    assert "configmap/replaced replaced" in kubectl("replace", "-f", "-", stdin=json.dumps(config("replaced", e="f")))
    assert kubectl.get("cm replaced")["data"] == {"e": "f"}
    before = kubectl.get("cm replaced", ".metadata.uid")
    kubectl("replace", "--force", "-f", "-", stdin=json.dumps(config("replaced", g="h")))
    assert kubectl.get("cm replaced", ".metadata.uid") != before
    stale = {**config("replaced"), "metadata": {"name": "replaced", "resourceVersion": "1"}}
    told = kubectl.fails("replace -f -", stdin=json.dumps(stale))
    assert "the object has been modified; please apply your changes to the latest version and try again" in told


def test_create_generates_names(kubectl: Kubectl) -> None:
    generated = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "gen-"}}
    assert re.fullmatch(r"configmap/gen-\w{5} created\n", kubectl("create", "-f", "-", stdin=json.dumps(generated)))


def test_applies_server_side_or_says_it_cannot(kubectl: Kubectl) -> None:
    result = kubectl.run("apply", "--server-side", "-f", "-", stdin=json.dumps(config("theirs", a="b")))
    if result.code == 0:
        assert "configmap/theirs serverside-applied" in result.out
        assert kubectl.get("cm theirs", ".data.a") == "b"
    else:
        assert "Server-side apply not available on the server" in result.err
