"""The agent on sockets of this machine's loopback, with a resolver of the test's own behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from kijabi.kit import clock, tasks
from kijabi.node.dns import forward, records, server, zone

Respond = Callable[[dns.message.Message], dns.message.Message | None]


class Resolver(asyncio.DatagramProtocol):
    """Answers each question with what ``respond`` makes of it."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        self.asked.append(query.question[0].name.to_text())
        reply = self.respond(query)
        if reply is not None:
            self.transport.sendto(reply.to_wire(), addr)


def an_address(query: dns.message.Message, ttl: int = 300) -> dns.message.Message:
    reply = dns.message.make_response(query, recursion_available=True)
    reply.answer.append(dns.rrset.from_text(query.question[0].name, ttl, "IN", "A", "192.0.2.7"))
    return reply


class Site:
    def __init__(self, resolver: Resolver, agent: server.Server, timepiece: clock.FakeClock) -> None:
        self.resolver, self.agent, self.clock = resolver, agent, timepiece

    async def udp(self, name: str, kind: str = "A") -> dns.message.Message:
        query = dns.message.make_query(name, kind)
        return await dns.asyncquery.udp(query, "127.0.0.1", port=self.agent.udp_port, timeout=10)

    async def tcp(self, name: str) -> dns.message.Message:
        query = dns.message.make_query(name, "A")
        return await dns.asyncquery.tcp(query, "127.0.0.1", port=self.agent.udp_port, timeout=10)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    resolver = Resolver(an_address)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: resolver, local_addr=("127.0.0.1", 0)
    )
    names = zone.Zone("cluster.local")
    service = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"clusterIP": "10.96.0.20"}}
    alias = {
        "metadata": {"name": "out", "namespace": "default"},
        "spec": {"type": "ExternalName", "externalName": "example.org"},
    }
    for one in (service, alias):
        names.set(one["metadata"]["name"], records.of_service(one, [], "cluster.local"))
    timepiece = clock.FakeClock()
    forwarder = forward.Forwarder([forward.Server("127.0.0.1", transport.get_extra_info("sockname")[1])], timepiece)
    async with tasks.nursery("test") as owner:
        agent = server.Server(names, forwarder, lambda: True, owner)
        await agent.listen("127.0.0.1", 0)
        yield Site(resolver, agent, timepiece)
        await agent.close()
    transport.close()


def addresses(reply: dns.message.Message) -> list[str]:
    return [rdata.to_text() for rrset in reply.answer for rdata in rrset]


async def test_the_zone_is_answered_over_udp_and_tcp(site: Site) -> None:
    assert addresses(await site.udp("web.default.svc.cluster.local")) == ["10.96.0.20"]
    assert addresses(await site.tcp("web.default.svc.cluster.local")) == ["10.96.0.20"]
    assert site.resolver.asked == []
    assert site.agent.count == {("udp", 0): 1, ("tcp", 0): 1}


async def test_other_names_are_asked_for_once_and_remembered(site: Site) -> None:
    first = await site.udp("example.org")
    await site.clock.advance(10)
    again = await site.tcp("EXAMPLE.org")
    assert addresses(first) == addresses(again) == ["192.0.2.7"]
    assert site.resolver.asked == ["example.org."]
    assert again.answer[0].ttl == 20
    await site.clock.advance(25)
    await site.udp("example.org")
    assert len(site.resolver.asked) == 2


async def test_the_same_question_at_the_same_time_is_one(site: Site) -> None:
    replies = await asyncio.gather(*(site.udp("example.org") for _ in range(5)))
    assert [addresses(reply) for reply in replies] == [["192.0.2.7"]] * 5
    assert site.resolver.asked == ["example.org."]


async def test_an_alias_is_followed(site: Site) -> None:
    assert addresses(await site.udp("out.default.svc.cluster.local")) == ["example.org.", "192.0.2.7"]


async def test_that_a_name_is_unknown_is_passed_on(site: Site) -> None:
    def unknown(query: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(query)
        reply.set_rcode(dns.rcode.NXDOMAIN)
        reply.authority.append(dns.rrset.from_text("org.", 60, "IN", "SOA", "a. b. 1 2 3 4 5"))
        return reply

    site.resolver.respond = unknown
    reply = await site.udp("none.org")
    assert reply.rcode() == dns.rcode.NXDOMAIN
    assert reply.authority[0].to_text().startswith("org. 60 IN SOA")


async def test_a_resolver_that_fails_is_a_failure(site: Site) -> None:
    def failing(query: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(query)
        reply.set_rcode(dns.rcode.SERVFAIL)
        return reply

    site.resolver.respond = failing
    assert (await site.udp("example.org")).rcode() == dns.rcode.SERVFAIL


async def test_an_answer_to_another_question_is_not_taken(site: Site) -> None:
    def forged_then_true(query: dns.message.Message) -> dns.message.Message:
        forged = dns.message.make_query("evil.org", "A", id=query.id)
        site.resolver.transport.sendto(an_address(forged).to_wire(), sender)
        return an_address(query)

    sender: tuple[str, int] = ("", 0)
    receive = site.resolver.datagram_received

    def remember(data: bytes, addr: tuple[str, int]) -> None:
        nonlocal sender
        sender = addr
        receive(data, addr)

    site.resolver.datagram_received = remember  # type: ignore[method-assign]
    site.resolver.respond = forged_then_true
    reply = await site.udp("example.org")
    assert reply.answer[0].name.to_text() == "example.org."


async def test_without_a_resolver_other_names_fail_at_once() -> None:
    assert await forward.Forwarder([]).ask(b"\3org\0", 1) is None


@pytest.mark.parametrize(
    ("resolv_conf", "fallback", "expected"),
    [
        pytest.param("nameserver 192.0.2.1\nnameserver 2001:db8::1", "", ["192.0.2.1", "2001:db8::1"], id="as listed"),
        pytest.param("# nameserver 1.1.1.1\nsearch a\nnameserver x", "", [], id="nothing useful"),
        pytest.param("nameserver 127.0.0.53", "nameserver 192.0.2.2", ["192.0.2.2"], id="a stub on loopback"),
        pytest.param("nameserver 127.0.0.1", "", [], id="only loopback"),
    ],
)
def test_resolvers_are_read(resolv_conf: str, fallback: str, expected: list[str]) -> None:
    assert [one.address for one in forward.servers_from(resolv_conf, fallback)] == expected
