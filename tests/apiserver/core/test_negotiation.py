import pytest
from multidict import CIMultiDict

from kijabi.api import errors
from kijabi.apiserver import negotiation
from kijabi.kit import http

KUBECTL = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
PROTOBUF = "application/vnd.kubernetes.protobuf"

ACCEPTED = {
    "nothing": ("", ("application/json", "", "")),
    "anything": ("*/*", ("application/json", "", "")),
    "json": ("application/json", ("application/json", "", "")),
    "yaml": ("application/yaml", ("application/yaml", "", "")),
    "kubectl": (KUBECTL, ("application/json", "Table", "v1")),
    "protobuf, then json": (f"{PROTOBUF},application/json", ("application/json", "", "")),
    "an unknown shape is passed over": (
        "application/json;as=Chart;v=v1;g=meta.k8s.io,application/yaml",
        ("application/yaml", "", ""),
    ),
    "by quality": ("application/yaml;q=0.5,application/json;q=0.9", ("application/json", "", "")),
    "metadata only": (
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        ("application/json", "PartialObjectMetadataList", "v1"),
    ),
    "stream": ("application/json;stream=watch", ("application/json", "", "")),
}


@pytest.mark.parametrize(("header", "expected"), ACCEPTED.values(), ids=ACCEPTED)
def test_accept(header: str, expected: tuple[str, str, str]) -> None:
    media = negotiation.accept(http.Request("GET", "/", headers=CIMultiDict({"Accept": header})))
    assert (media.type, media.kind, media.version) == expected


@pytest.mark.parametrize("header", [PROTOBUF, "text/html", "application/json;as=Chart;v=v1;g=x"])
def test_nothing_acceptable_is_406(header: str) -> None:
    # Custom resources have no protobuf form.
    path = "/apis/example.com/v1/things"
    with pytest.raises(errors.NotAcceptable) as caught:
        negotiation.accept(http.Request("GET", path, headers=CIMultiDict({"Accept": header})))
    # Which upstream names all the same.
    types = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    assert caught.value.message == f"only the following media types are accepted: {types}"


def test_an_unknown_content_type_is_415() -> None:
    with pytest.raises(errors.UnsupportedMediaType) as caught:
        negotiation.body_type(http.Request("POST", "/", headers=CIMultiDict({"Content-Type": "text/plain"})))
    assert caught.value.message == (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )


@pytest.mark.parametrize(
    ("query", "agent", "pretty"),
    [("", "kubectl/v1", False), ("", "curl/8", True), ("pretty=true", "x", True), ("pretty=false", "curl/8", False)],
)
def test_people_get_indented_json(query: str, agent: str, pretty: bool) -> None:
    request = http.Request("GET", "/", query_string=query, headers=CIMultiDict({"User-Agent": agent}))
    assert negotiation.is_pretty(request, negotiation.DEFAULT) is pretty
