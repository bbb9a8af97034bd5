from typing import Any

import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from kijabi.node.dns import answer, records, wire, zone

DOMAIN = "cluster.local"


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


def endpoint_slice(*endpoints: dict[str, Any], **fields: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "", "port": 9}]
    return {"addressType": "IPv4", "ports": ports, "endpoints": list(endpoints), **fields}


def endpoint(address: str, **fields: Any) -> dict[str, Any]:
    return {"addresses": [address], "conditions": {"ready": True}, **fields}


def a_zone() -> zone.Zone:
    made = zone.Zone(DOMAIN)
    made.set_namespaces(["default", "empty"])
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    slices = [
        endpoint_slice(endpoint("10.244.1.5", hostname="web-0"), endpoint("10.244.2.6")),
        endpoint_slice(endpoint("10.244.1.9", conditions={"ready": False}), endpoint("10.244.1.8", conditions={})),
    ]
    for name, spec, its in (
        ("web", {"clusterIP": "10.96.0.20", "clusterIPs": ["10.96.0.20", "fd00::20"], "ports": ports}, []),
        ("plain", {"clusterIP": "10.96.0.21", "ports": [{"port": 80}]}, []),
        ("db", {"clusterIP": "None"}, slices),
        ("nobody", {"clusterIP": "None"}, []),
        ("out", {"type": "ExternalName", "externalName": "Example.ORG"}, []),
        ("in", {"type": "ExternalName", "externalName": "web.default.svc.cluster.local"}, []),
    ):
        made.set(f"default/{name}", records.of_service(service(name, **spec), its, DOMAIN))
    made.set("zone", records.of_zone(DOMAIN, "10.96.0.10"))
    return made


ZONE = a_zone()


def ask(name: str, kind: str = "A", *, tcp: bool = False, **options: Any) -> dns.message.Message:
    query = dns.message.make_query(name, kind, **options)
    data = answer.answer(query.to_wire(), ZONE, synced=True, tcp=tcp)
    assert isinstance(data, bytes)
    reply = dns.message.from_wire(data)
    assert query.is_response(reply)
    return reply


def texts(reply: dns.message.Message) -> set[str]:
    return {f"{dns.rdatatype.to_text(rrset.rdtype)} {rdata.to_text()}" for rrset in reply.answer for rdata in rrset}


SVC = "default.svc.cluster.local."


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        pytest.param(f"web.{SVC}", "A", {"A 10.96.0.20"}, id="a ClusterIP"),
        pytest.param(f"web.{SVC}", "AAAA", {"AAAA fd00::20"}, id="its other family"),
        pytest.param(f"_http._tcp.web.{SVC}", "SRV", {f"SRV 0 100 80 web.{SVC}"}, id="a named port"),
        pytest.param(f"_dns._udp.web.{SVC}", "SRV", {f"SRV 0 100 53 web.{SVC}"}, id="a UDP port"),
        pytest.param("20.0.96.10.in-addr.arpa.", "PTR", {f"PTR web.{SVC}"}, id="back from a ClusterIP"),
        pytest.param(f"db.{SVC}", "A", {"A 10.244.1.5", "A 10.244.2.6", "A 10.244.1.8"}, id="the ready of a headless"),
        pytest.param(f"web-0.db.{SVC}", "A", {"A 10.244.1.5"}, id="one by hostname"),
        pytest.param(f"10-244-2-6.db.{SVC}", "A", {"A 10.244.2.6"}, id="one without hostname"),
        pytest.param(
            f"_http._tcp.db.{SVC}",
            "SRV",
            {f"SRV 0 100 8080 {host}.db.{SVC}" for host in ("web-0", "10-244-2-6", "10-244-1-8")},
            id="a port of each of a headless",
        ),
        pytest.param("5.1.244.10.in-addr.arpa.", "PTR", {f"PTR web-0.db.{SVC}"}, id="back from an endpoint"),
        pytest.param(f"in.{SVC}", "A", {f"CNAME web.{SVC}", "A 10.96.0.20"}, id="an alias inside"),
        pytest.param(f"out.{SVC}", "CNAME", {"CNAME example.org."}, id="an alias outside"),
        pytest.param("10-1-2-3.default.pod.cluster.local.", "A", {"A 10.1.2.3"}, id="a pod"),
        pytest.param("fd00--7.default.pod.cluster.local.", "AAAA", {"AAAA fd00::7"}, id="a pod with IPv6"),
        pytest.param("dns-version.cluster.local.", "TXT", {'TXT "1.1.0"'}, id="the version"),
        pytest.param("cluster.local.", "NS", {"NS ns.dns.cluster.local."}, id="the name server"),
        pytest.param("ns.dns.cluster.local.", "A", {"A 10.96.0.10"}, id="its address"),
        pytest.param("WEB.Default.SVC.cluster.LOCAL.", "A", {"A 10.96.0.20"}, id="in any spelling"),
    ],
)  # fmt: skip
def test_what_is_there_is_answered(name: str, kind: str, expected: set[str]) -> None:
    reply = ask(name, kind)
    assert texts(reply) == expected
    assert reply.rcode() == dns.rcode.NOERROR
    assert reply.flags & dns.flags.AA
    assert {rrset.ttl for rrset in reply.answer} == {zone.TTL}


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        pytest.param(f"web.{SVC}", "MX", dns.rcode.NOERROR, id="another type"),
        pytest.param(f"plain.{SVC}", "AAAA", dns.rcode.NOERROR, id="another family"),
        pytest.param(f"_tcp.web.{SVC}", "A", dns.rcode.NOERROR, id="between names"),
        pytest.param(SVC, "A", dns.rcode.NOERROR, id="a namespace"),
        pytest.param("empty.svc.cluster.local.", "A", dns.rcode.NOERROR, id="a namespace with nothing in it"),
        pytest.param("svc.cluster.local.", "A", dns.rcode.NOERROR, id="svc"),
        pytest.param("10-1-2-3.default.pod.cluster.local.", "AAAA", dns.rcode.NOERROR, id="a pod's other family"),
        pytest.param(f"none.{SVC}", "A", dns.rcode.NXDOMAIN, id="no such Service"),
        pytest.param(f"nobody.{SVC}", "A", dns.rcode.NXDOMAIN, id="a headless one without endpoints"),
        pytest.param(f"_http._tcp.plain.{SVC}", "SRV", dns.rcode.NXDOMAIN, id="a port without a name"),
        pytest.param("web.elsewhere.svc.cluster.local.", "A", dns.rcode.NXDOMAIN, id="no such namespace"),
        pytest.param("10-1-2-3.elsewhere.pod.cluster.local.", "A", dns.rcode.NXDOMAIN, id="a pod of no namespace"),
        pytest.param("a-b.default.pod.cluster.local.", "A", dns.rcode.NXDOMAIN, id="no address"),
        pytest.param(f"*.{SVC}", "A", dns.rcode.NXDOMAIN, id="a wildcard"),
    ],
)
def test_what_is_not_there_is_denied_with_the_soa(name: str, kind: str, code: int) -> None:
    reply = ask(name, kind)
    assert (reply.rcode(), reply.answer) == (code, [])
    (authority,) = reply.authority
    assert authority.to_text().startswith("cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local.")


@pytest.mark.parametrize("name", ["example.org.", "notcluster.local.", "1.1.1.1.in-addr.arpa.", "."])
def test_what_is_not_ours_is_for_the_resolvers(name: str) -> None:
    query = dns.message.make_query(name, "PTR" if "arpa" in name else "A")
    assert isinstance(answer.answer(query.to_wire(), ZONE, synced=True, tcp=False), answer.Forward)


def test_an_alias_out_of_the_zone_is_followed_by_the_resolvers() -> None:
    query = dns.message.make_query(f"out.{SVC}", "A")
    found = answer.answer(query.to_wire(), ZONE, synced=True, tcp=False)
    assert isinstance(found, answer.Forward)
    assert found.target == wire.name("example.org")
    assert len(found.before) == 1


def test_srv_answers_bring_the_addresses_of_their_targets() -> None:
    reply = ask(f"_http._tcp.web.{SVC}", "SRV")
    assert {rrset.to_text() for rrset in reply.additional} == {
        f"web.{SVC} 30 IN A 10.96.0.20",
        f"web.{SVC} 30 IN AAAA fd00::20",
    }


def test_addresses_of_a_headless_service_take_turns() -> None:
    firsts = {next(iter(ask(f"db.{SVC}").answer[0])).to_text() for _ in range(6)}
    assert len(firsts) == 3


def test_a_changed_service_replaces_its_own_records_only() -> None:
    made = zone.Zone(DOMAIN)
    made.set("a", records.of_service(service("a", clusterIP="10.96.0.1"), [], DOMAIN))
    made.set("b", records.of_service(service("b", clusterIP="None"), [endpoint_slice(endpoint("10.0.0.1"))], DOMAIN))
    made.set("c", records.of_service(service("c", clusterIP="None"), [endpoint_slice(endpoint("10.0.0.1"))], DOMAIN))
    pointer = wire.reverse("10.0.0.1")
    assert len(made.find(pointer, wire.PTR).answers) == 2
    made.set("b", [])
    assert len(made.find(pointer, wire.PTR).answers) == 1
    assert made.find(wire.name(f"b.{SVC}"), wire.A).code == wire.NXDOMAIN
    assert made.find(wire.name(f"a.{SVC}"), wire.A).code == wire.NOERROR
    made.set("a", records.of_service(service("a", clusterIP="10.96.0.2"), [], DOMAIN))
    assert made.find(wire.name(f"a.{SVC}"), wire.A).answers[0][-4:] == bytes([10, 96, 0, 2])
    assert not made.has_pointer(wire.reverse("10.96.0.1"))


def test_before_the_first_list_the_clusters_names_are_a_failure_not_unknown() -> None:
    query = dns.message.make_query(f"web.{SVC}", "A")
    data = answer.answer(query.to_wire(), ZONE, synced=False, tcp=False)
    assert isinstance(data, bytes)
    assert dns.message.from_wire(data).rcode() == dns.rcode.SERVFAIL


def many(count: int) -> zone.Zone:
    made = zone.Zone(DOMAIN)
    endpoints = [endpoint(f"10.0.{number // 250}.{number % 250}") for number in range(count)]
    made.set("big", records.of_service(service("big", clusterIP="None"), [endpoint_slice(*endpoints)], DOMAIN))
    return made


@pytest.mark.parametrize(
    ("payload", "tcp", "fit", "truncated"),
    [
        pytest.param(None, False, 29, True, id="plain UDP"),
        pytest.param(1232, False, 73, True, id="EDNS"),
        pytest.param(4096, False, 100, False, id="much EDNS"),
        pytest.param(None, True, 100, False, id="TCP"),
    ],
)
def test_answers_are_cut_to_what_the_asker_can_take(payload: int | None, tcp: bool, fit: int, truncated: bool) -> None:
    options = {} if payload is None else {"use_edns": 0, "payload": payload}
    query = dns.message.make_query(f"big.{SVC}", "A", **options)
    data = answer.answer(query.to_wire(), many(100), synced=True, tcp=tcp)
    assert isinstance(data, bytes)
    assert tcp or len(data) <= (payload or 512)
    reply = dns.message.from_wire(data)
    assert bool(reply.flags & dns.flags.TC) is truncated
    assert len(reply.answer[0]) == fit
    assert (reply.edns >= 0) is (payload is not None)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"", None, id="nothing"),
        pytest.param(b"\0" * 11, None, id="less than a header"),
        pytest.param(b"\0\1\x81\x80" + b"\0" * 8, None, id="an answer"),
        pytest.param(b"\0\1\1\0" + b"\0" * 8, wire.FORMERR, id="no question"),
        pytest.param(b"\0\1\1\0\0\1\0\0\0\0\0\0\5abc", wire.FORMERR, id="a name that does not end"),
        pytest.param(b"\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", wire.FORMERR, id="a pointer to itself"),
        pytest.param(b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\1a" * 200 + b"\0\0\1\0\1", wire.FORMERR, id="a long name"),
        pytest.param(b"\0\1\1\0\0\1\0\0\0\0\0\1\0\0\1\0\1\0\0", wire.FORMERR, id="half an option"),
        pytest.param(b"\0\1\x28\0\0\1\0\0\0\0\0\0\0\0\1\0\1", wire.NOTIMP, id="an update"),
        pytest.param(b"\0\1\1\0\0\1\0\0\0\0\0\0\0\0\1\0\3", wire.REFUSED, id="class CHAOS"),
    ],
)
def test_what_is_no_question_gets_an_error_or_nothing(data: bytes, code: int | None) -> None:
    reply = answer.answer(data, ZONE, synced=True, tcp=False)
    if code is None:
        assert reply is None
    else:
        assert isinstance(reply, bytes)
        assert reply[:2] == data[:2]
        assert reply[3] & 0xF == code


def test_a_later_edns_version_is_told_so() -> None:
    assert ask(f"web.{SVC}", use_edns=1).rcode() == dns.rcode.BADVERS
