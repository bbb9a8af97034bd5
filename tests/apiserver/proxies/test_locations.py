import pytest

from kijabi.api import errors
from kijabi.apiserver.proxies import locations


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("web", ("http", "web", "")),
        ("web:80", ("http", "web", "80")),
        ("web:http", ("http", "web", "http")),
        ("https:web:443", ("https", "web", "443")),
        ("https:web:", ("https", "web", "")),
        ("ftp:web:1", None),
        ("web:99999", None),
        (":80", None),
        ("a:b:c:d", None),
        ("", None),
    ],
)
def test_names_with_scheme_and_port(text, found):
    assert locations.split(text) == found


def pod(*containers, init=(), **more):
    spec = {"containers": [{"name": name} for name in containers], **more.pop("spec", {})}
    if init:
        spec["initContainers"] = [{"name": name} for name in init]
    return {"metadata": {"name": "p", "namespace": "ns"}, "spec": spec, **more}


@pytest.mark.parametrize(
    ("one", "asked", "found"),
    [
        (pod("a"), "", "a"),
        (pod("a", "b"), "b", "b"),
        (pod("a", init=["i"]), "i", "i"),
        (pod("a", init=["i"]), "", "a"),
        (pod("a", spec={"ephemeralContainers": [{"name": "e"}]}), "e", "e"),
    ],
)
def test_the_container_meant(one, asked, found):
    assert locations.container(one, asked) == found


@pytest.mark.parametrize(
    ("one", "asked", "message"),
    [
        (pod("a", "b"), "", "a container name must be specified for pod p, choose one of: [a b]"),
        (pod("a", "b", init=["i"]), "", "a container name must be specified for pod p, choose one of: [i a b]"),
        (pod("a"), "x", "container x is not valid for pod p"),
    ],
)
def test_a_container_that_is_not_clear(one, asked, message):
    with pytest.raises(errors.BadRequest) as caught:
        locations.container(one, asked)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("query", "translated"),
    [
        ({}, ""),
        ({"follow": ["true"], "tailLines": ["5"]}, "follow=true&tailLines=5"),
        ({"follow": ["false"], "previous": ["1"]}, "previous=true"),
        ({"timestamps": [""]}, "timestamps=true"),
        ({"sinceTime": ["2024-01-01T01:00:00+01:00"]}, "sinceTime=2024-01-01T00%3A00%3A00Z"),
        ({"sinceSeconds": ["9"], "limitBytes": ["1"]}, "limitBytes=1&sinceSeconds=9"),
    ],
)
def test_log_queries(query, translated):
    assert locations.log_query(query, "p") == translated


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            {"tailLines": ["-1"]},
            'PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
        ),
        ({"limitBytes": ["0"]}, 'PodLogOptions "p" is invalid: limitBytes: Invalid value: 0: must be greater than 0'),
        (
            {"sinceSeconds": ["0"]},
            'PodLogOptions "p" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0',
        ),
        ({"tailLines": ["x"]}, 'strconv.ParseInt: parsing "x": invalid syntax'),
    ],
)
def test_log_queries_that_are_wrong(query, message):
    with pytest.raises(errors.ApiError) as caught:
        locations.log_query(query, "p")
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("query", "translated"),
    [
        (
            {"stdin": ["true"], "stdout": ["true"], "tty": ["true"], "command": ["sh", "-c", "a b"]},
            "input=1&output=1&tty=1&command=sh&command=-c&command=a+b",
        ),
        ({"stdout": ["1"], "stderr": ["1"], "command": ["ls"]}, "output=1&error=1&command=ls"),
    ],
)
def test_stream_queries(query, translated):
    assert locations.stream_query(query, command=True) == translated


@pytest.mark.parametrize(
    ("status", "preferred", "found"),
    [
        (
            {
                "addresses": [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 1234}},
            },
            ("InternalIP", "Hostname"),
            ("10.0.0.1", 1234),
        ),
        ({"addresses": [{"type": "Hostname", "address": "n"}]}, ("InternalIP", "Hostname"), ("n", 10250)),
    ],
)
def test_where_a_kubelet_is(status, preferred, found):
    assert locations.kubelet_address({"status": status}, preferred) == found


def test_a_node_without_address():
    with pytest.raises(errors.ApiError, match="no preferred addresses found"):
        locations.kubelet_address({}, ("InternalIP",))


PORTS = {"containers": [{"name": "a", "ports": [{"name": "web", "containerPort": 8080}]}]}


@pytest.mark.parametrize(("port", "number"), [("", 8080), ("web", 8080), ("9", 9)])
def test_where_a_pod_is(port, number):
    one = pod(spec=PORTS, status={"podIP": "10.0.0.9"})
    assert locations.pod_location(one, port) == ("10.0.0.9", number)


@pytest.mark.parametrize("address", ["", "127.0.0.1", "169.254.169.254", "::1", "fe80::1", "not an address"])
def test_addresses_that_a_proxy_does_not_reach(address):
    with pytest.raises(errors.BadRequest, match="address not allowed"):
        locations.pod_location(pod("a", status={"podIP": address}), "80")


SLICES = [
    {
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [
            {"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod"}},
            {"addresses": ["10.0.0.2"], "targetRef": {"kind": "Pod"}, "conditions": {"ready": False}},
            {"addresses": ["10.0.0.3"]},
        ],
    },
    {"ports": [{"name": "other", "port": 1}], "endpoints": [{"addresses": ["10.0.0.4"]}]},
]


def test_only_ready_pods_are_behind_a_service():
    assert locations.service_backends(SLICES, "http") == [("10.0.0.1", 8080)]


def test_service_ports_by_number_and_name():
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    assert locations.service_port(service, "80") == locations.service_port(service, "http") == "http"
    with pytest.raises(errors.ServiceUnavailable, match='no service port 81 found for service "s"'):
        locations.service_port(service, "81")


@pytest.mark.parametrize(
    ("path", "namespaced", "below"),
    [
        ("/api/v1/namespaces/ns/pods/p/proxy", True, None),
        ("/api/v1/namespaces/ns/pods/p/proxy/", True, "/"),
        ("/api/v1/namespaces/ns/pods/p:80/proxy/a%2Fb/c?x=y", True, "/a%2Fb/c"),
        ("/api/v1/nodes/n/proxy/metrics", False, "/metrics"),
    ],
)
def test_what_is_below_a_proxy(path, namespaced, below):
    assert locations.remainder(path, namespaced) == below
