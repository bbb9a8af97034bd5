import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kijabi.api import errors, kinds
from kijabi.apiserver import contract, options
from kijabi.apiserver.authn import bearer, keys, serviceaccounts, tokens
from kijabi.apiserver.authz import rbac
from kijabi.apiserver.specials import binding, eviction, review_selectors, reviews, token
from kijabi.kit import clock, http, jsons

ANN = contract.UserInfo("ann", uid="7", groups=("dev",), extra={"k": ("v",)})
ISSUER = "https://issuer"


@pytest.fixture
def now():
    return clock.FakeClock()


@pytest.fixture
def post(access):
    """Calls a handler as the router does; gives its status and the object answered."""

    async def call(handler, obj, name="", namespace="ns", dry_run=False, user=ANN):
        info = contract.RequestInfo(True, "/", "create", api_version="v1", namespace=namespace, name=name)
        request = http.Request("POST", "/", body=jsons.dumps(obj))
        context = contract.RequestContext(request, info, user, access, dry_run=dry_run)
        answer = await handler(context)
        return answer.status, jsons.loads(answer.body), context.warnings

    return call


# --- bindings


def bound(**meta):
    return {"metadata": {"name": "p", **meta}, "target": {"kind": "Node", "name": "n"}}


async def test_a_pod_goes_to_its_node(access, now, post):
    access.add(kinds.PODS, "p", "ns", spec={}, status={"nominatedNodeName": "x"}, metadata={"labels": {"a": "1"}})
    status, answer, _ = await post(
        binding.Binding(now).bind, bound(annotations={"why": "fits"}, labels={"b": "2"}), name="p"
    )
    assert (status, answer["status"]) == (201, "Success")
    pod = access.get_nowait(kinds.PODS, "p", "ns")
    assert pod["spec"]["nodeName"] == "n"
    assert pod["metadata"]["annotations"] == {"why": "fits"}
    assert pod["metadata"]["labels"] == {"a": "1", "b": "2"}
    assert "nominatedNodeName" not in pod["status"]
    (condition,) = pod["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "True")
    assert access.admitted[0].subresource == "binding"


@pytest.mark.parametrize(
    ("pod", "obj", "error", "message"),
    [
        (
            {"spec": {"nodeName": "m"}},
            bound(),
            errors.Conflict,
            'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "m"',
        ),
        (
            {"spec": {}, "metadata": {"deletionTimestamp": "x"}},
            bound(),
            errors.Conflict,
            'Operation cannot be fulfilled on pods/binding "p": pod p is being deleted, cannot be assigned to a host',
        ),
        (
            {"spec": {"schedulingGates": [{"name": "g"}]}},
            bound(),
            errors.Conflict,
            'Operation cannot be fulfilled on pods/binding "p": pod p has non-empty .spec.schedulingGates',
        ),
        ({"spec": {}}, bound(uid="other"), errors.Conflict, None),
        (
            {"spec": {}},
            {"metadata": {"name": "q"}, "target": {"name": "n"}},
            errors.BadRequest,
            "name in URL does not match name in Binding object",
        ),
        ({"spec": {}}, {"metadata": {"name": "p"}}, errors.ApiError, "target.name: Required value"),
    ],
)
async def test_a_pod_that_cannot_be_bound(access, now, post, pod, obj, error, message):
    access.add(kinds.PODS, "p", "ns", **pod)
    with pytest.raises(error) as caught:
        await post(binding.Binding(now).bind, obj, name="p")
    assert message is None or caught.value.message == message


async def test_the_old_collection_of_bindings(access, now, post):
    access.add(kinds.PODS, "p", "ns", spec={})
    await post(binding.Binding(now).bind_any, bound())
    assert access.get_nowait(kinds.PODS, "p", "ns")["spec"]["nodeName"] == "n"


# --- evictions


READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
UNREADY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}
EVICTION = {"metadata": {"name": "p"}}


def guarded(access, allowed, pod_status=READY, spec=None, **status):
    access.add(kinds.PODS, "p", "ns", spec={}, status=pod_status, metadata={"labels": {"app": "web"}})
    selector = {"selector": {"matchLabels": {"app": "web"}}}
    body = {"disruptionsAllowed": allowed, "observedGeneration": 1, "desiredHealthy": 2, "currentHealthy": 2, **status}
    access.add(
        kinds.POD_DISRUPTION_BUDGETS,
        "b",
        "ns",
        spec={**selector, **(spec or {})},
        status=body,
        metadata={"generation": 1},
    )


async def test_an_eviction_takes_room_and_deletes(access, now, post):
    guarded(access, 1)
    status, answer, _ = await post(eviction.Eviction(now).evict, EVICTION, name="p")
    assert (status, answer["status"]) == (201, "Success")
    assert access.get_nowait(kinds.PODS, "p", "ns") is None
    left = access.get_nowait(kinds.POD_DISRUPTION_BUDGETS, "b", "ns")["status"]
    assert left["disruptionsAllowed"] == 0
    assert list(left["disruptedPods"]) == ["p"]
    assert left["conditions"][0]["reason"] == "InsufficientPods"


async def test_no_room_no_eviction(access, now, post):
    guarded(access, 0)
    with pytest.raises(errors.TooManyRequests) as caught:
        await post(eviction.Eviction(now).evict, EVICTION, name="p")
    assert caught.value.message == "Cannot evict pod as it would violate the pod's disruption budget."
    assert caught.value.details == {
        "causes": [
            {
                "reason": "DisruptionBudget",
                "message": "The disruption budget b needs 2 healthy pods and has 2 currently",
            }
        ]
    }
    assert access.get_nowait(kinds.PODS, "p", "ns") is not None


async def test_a_budget_that_is_not_yet_observed(access, now, post):
    guarded(access, 5, observedGeneration=0)
    with pytest.raises(errors.TooManyRequests) as caught:
        await post(eviction.Eviction(now).evict, EVICTION, name="p")
    assert caught.value.details["retryAfterSeconds"] == 10


@pytest.mark.parametrize(
    ("pod_status", "spec", "status"),
    [
        pytest.param({"phase": "Pending"}, {}, {}, id="pending"),
        pytest.param({"phase": "Failed"}, {}, {}, id="over"),
        pytest.param(UNREADY, {"unhealthyPodEvictionPolicy": "AlwaysAllow"}, {}, id="unhealthy-always"),
        pytest.param(UNREADY, {}, {"currentHealthy": 3}, id="unhealthy-and-enough-others"),
    ],
)
async def test_who_goes_without_room(access, now, post, pod_status, spec, status):
    guarded(access, 0, pod_status, spec, **status)
    await post(eviction.Eviction(now).evict, EVICTION, name="p")
    assert access.get_nowait(kinds.PODS, "p", "ns") is None
    assert access.get_nowait(kinds.POD_DISRUPTION_BUDGETS, "b", "ns")["status"]["disruptionsAllowed"] == 0


async def test_two_budgets_are_too_many(access, now, post):
    guarded(access, 1)
    there = access.get_nowait(kinds.POD_DISRUPTION_BUDGETS, "b", "ns")
    access.add(kinds.POD_DISRUPTION_BUDGETS, "c", "ns", spec=there["spec"], status=there["status"])
    with pytest.raises(errors.ApiError) as caught:
        await post(eviction.Eviction(now).evict, EVICTION, name="p")
    assert (caught.value.code, caught.value.message) == (500, eviction.MANY)


async def test_a_dry_run_evicts_nobody(access, now, post):
    guarded(access, 1)
    await post(eviction.Eviction(now).evict, {**EVICTION, "deleteOptions": {"dryRun": ["All"]}}, name="p")
    assert access.get_nowait(kinds.PODS, "p", "ns")["status"] == READY
    assert access.get_nowait(kinds.POD_DISRUPTION_BUDGETS, "b", "ns")["status"]["disruptionsAllowed"] == 1


async def test_an_eviction_of_another_pod_of_that_name(access, now, post):
    guarded(access, 1)
    with pytest.raises(errors.Conflict, match="does not match the UID in record"):
        await post(
            eviction.Eviction(now).evict, {**EVICTION, "deleteOptions": {"preconditions": {"uid": "other"}}}, name="p"
        )
    assert access.get_nowait(kinds.POD_DISRUPTION_BUDGETS, "b", "ns")["status"]["disruptionsAllowed"] == 1


# --- tokens


@pytest.fixture
def issue(access, now):
    signer = keys.signer(ec.generate_private_key(ec.SECP256R1()))
    reader = tokens.Reader([ISSUER], [signer.verifier])
    account = access.add(kinds.SERVICE_ACCOUNTS, "sa", "ns")
    assert account["metadata"]["uid"]

    def make(**flags):
        handler = token.TokenRequests(tokens.Issuer(ISSUER, signer), (ISSUER,), options.Options(**flags), now)
        return handler.create, reader

    return make


async def test_a_token_for_an_account(issue, post, access, now):
    create, reader = issue()
    status, answer, _ = await post(create, {"spec": {}}, name="sa")
    assert status == 201
    said = reader.read(answer["status"]["token"])
    assert (said.audiences, said.expires - said.issued) == ((ISSUER,), 3600)
    assert answer["status"]["expirationTimestamp"] == "2023-11-14T23:13:20Z"
    known = serviceaccounts.ServiceAccounts(access, reader, [ISSUER], now)
    found = await known.authenticate(answer["status"]["token"], [ISSUER])
    assert found.user.name == "system:serviceaccount:ns:sa"


POD_REF = {"apiVersion": "v1", "kind": "Pod", "name": "p"}


@pytest.mark.parametrize(
    ("flags", "seconds", "audiences", "lives", "warned"),
    [
        ({}, 3607, [], 31536000, True),
        ({}, 3600, [], 3600, False),
        ({}, 3607, ["vault"], 3607, False),
        ({"service_account_extend_token_expiration": False}, 3607, [], 3607, False),
    ],
)
async def test_tokens_of_mounted_volumes_live_a_year(issue, post, access, flags, seconds, audiences, lives, warned):
    access.add(kinds.PODS, "p", "ns", spec={"serviceAccountName": "sa", "nodeName": "n"})
    access.add(kinds.NODES, "n")
    create, reader = issue(**flags)
    spec = {"expirationSeconds": seconds, "audiences": audiences, "boundObjectRef": POD_REF}
    _, answer, _ = await post(create, {"spec": spec}, name="sa")
    said = reader.read(answer["status"]["token"])
    assert said.expires - said.issued == lives
    assert bool(said.warn_after) is warned
    assert said.subject.pod == tokens.Reference("p", "uid-p")
    assert said.subject.node == tokens.Reference("n", "uid-n")


async def test_a_tokens_life_has_a_bound(issue, post):
    create, reader = issue(service_account_max_token_expiration=1000)
    _, answer, warnings = await post(create, {"spec": {"expirationSeconds": 5000}}, name="sa")
    said = reader.read(answer["status"]["token"])
    assert said.expires - said.issued == 1000
    assert warnings == ["requested expiration of 5000 seconds shortened to 1000 seconds"]


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        (
            {"spec": {"expirationSeconds": 60}},
            errors.Invalid,
            'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 60: may not '
            "specify a duration less than 10 minutes",
        ),
        (
            {"spec": {"boundObjectRef": POD_REF}},
            errors.BadRequest,
            'cannot bind token for serviceaccount "sa" to pod running with different serviceaccount name.',
        ),
        ({"spec": {"boundObjectRef": {**POD_REF, "name": "q"}}}, errors.NotFound, 'pods "q" not found'),
        ({"spec": {"boundObjectRef": {**POD_REF, "uid": "x"}}}, errors.Conflict, None),
        (
            {"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Service", "name": "s"}}},
            errors.BadRequest,
            "cannot bind token to object of type /v1, Kind=Service",
        ),
        ({"metadata": {"uid": "other"}}, errors.Conflict, None),
        ({"metadata": {"name": "other"}}, errors.Invalid, None),
    ],
)
async def test_a_token_that_cannot_be_had(issue, post, access, request_, error, message):
    access.add(kinds.PODS, "p", "ns", spec={"serviceAccountName": "else"})
    create, _ = issue()
    with pytest.raises(error) as caught:
        await post(create, request_, name="sa")
    assert message is None or caught.value.message == message


# --- reviews


async def test_a_token_review(now, post):
    known = bearer.Tokens([bearer.Static({"t": ANN})], (ISSUER,), now)
    handler = reviews.TokenReviews(known).create
    _, answer, _ = await post(handler, {"spec": {"token": "t"}})
    assert answer["status"] == {
        "authenticated": True,
        "user": {"username": "ann", "uid": "7", "groups": ["dev", "system:authenticated"], "extra": {"k": ["v"]}},
        "audiences": [ISSUER],
    }
    _, answer, _ = await post(handler, {"spec": {"token": "bad"}})
    assert answer["status"] == {"user": {}, "error": "invalid bearer token"}


async def test_who_am_i(now, post):
    _, answer, _ = await post(reviews.SelfSubjectReviews(now).create, {})
    assert answer["status"]["userInfo"]["username"] == "ann"


@pytest.fixture
def access_reviews():
    index = rbac.Index()
    rule = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
    index.cluster_role_changed(None, {"metadata": {"name": "r"}, "rules": [rule]})
    subjects = [{"kind": "User", "name": "ann"}]
    index.binding_changed(
        None, {"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": subjects}
    )
    return reviews.AccessReviews(rbac.Rbac(index), rbac.Rbac(index))


PODS = {"verb": "get", "resource": "pods", "namespace": "ns"}


@pytest.mark.parametrize(
    ("method", "spec", "allowed"),
    [
        ("review", {"user": "ann", "resourceAttributes": PODS}, True),
        ("review", {"user": "bob", "resourceAttributes": PODS}, False),
        ("review", {"user": "ann", "nonResourceAttributes": {"verb": "get", "path": "/x"}}, False),
        ("review_self", {"resourceAttributes": PODS}, True),
        ("review_self", {"resourceAttributes": {**PODS, "verb": "delete"}}, False),
        ("review_local", {"user": "ann", "resourceAttributes": PODS}, True),
    ],
)
async def test_access_reviews(access_reviews, post, method, spec, allowed):
    status, answer, _ = await post(getattr(access_reviews, method), {"spec": spec})
    assert (status, answer["status"]["allowed"]) == (201, allowed)
    if allowed:
        assert answer["status"]["reason"] == (
            'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "ann"'
        )


@pytest.mark.parametrize(
    ("method", "obj", "error"),
    [
        ("review", {"spec": {"resourceAttributes": PODS}}, "spec.user"),
        ("review", {"spec": {"user": "ann"}}, "spec.resourceAttributes"),
        ("review", {"metadata": {"name": "x"}, "spec": {"user": "a", "resourceAttributes": PODS}}, "metadata"),
        (
            "review_self",
            {"spec": {"resourceAttributes": PODS, "nonResourceAttributes": {"verb": "get"}}},
            "spec.nonResourceAttributes",
        ),
    ],
)
async def test_questions_that_are_none(access_reviews, post, method, obj, error):
    with pytest.raises(errors.Invalid) as caught:
        await post(getattr(access_reviews, method), obj)
    assert caught.value.details["causes"][0]["field"] == error


async def test_all_that_i_may(access_reviews, post):
    _, answer, _ = await post(access_reviews.rules, {"spec": {"namespace": "ns"}})
    assert answer["status"] == {
        "resourceRules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}],
        "nonResourceRules": [],
        "incomplete": False,
    }
    with pytest.raises(errors.BadRequest, match="no namespace on request"):
        await post(access_reviews.rules, {"spec": {}})


@pytest.mark.parametrize(
    ("key", "selector", "text", "problem"),
    [
        pytest.param("labelSelector", {"rawSelector": "a=b"}, "a=b", "", id="raw"),
        pytest.param("labelSelector", {"rawSelector": "a=="}, "a==", "", id="an-empty-value-reads"),
        pytest.param("labelSelector", {"rawSelector": "a in"}, "", "ignored", id="raw-that-does-not-read"),
        pytest.param(
            "fieldSelector",
            {"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n"]}]},
            "spec.nodeName=n",
            "",
            id="fields",
        ),
        pytest.param(
            "fieldSelector",
            {
                "requirements": [
                    {"key": "a", "operator": "Exists"},
                    {"key": "b", "operator": "NotIn", "values": ["c"]},
                ]
            },
            "b!=c",
            "partially ignored",
            id="fields-know-only-one-value",
        ),
        pytest.param(
            "labelSelector",
            {
                "requirements": [
                    {"key": "a", "operator": "NotIn", "values": ["b", "c"]},
                    {"key": "d", "operator": "Exists"},
                ]
            },
            "a notin (b,c),d",
            "",
            id="labels",
        ),
    ],
)
def test_selectors_of_a_review_as_text(key, selector, text, problem):
    expected = f"spec.resourceAttributes.{key} {problem} due to parse error" if problem else ""
    assert review_selectors.read({key: selector}, key) == (text, expected)
