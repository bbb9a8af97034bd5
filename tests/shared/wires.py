"""The whole API server behind a real TLS socket, and raw bytes to throw at it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kijabi.apiserver import program, server
from kijabi.apiserver.options import Options
from kijabi.kit import pki
from kijabi.store import memory


@dataclass(slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["message"])


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, method: str = "GET") -> Answer:
        """The next answer. Raises EOFError where the server closed the connection instead."""
        async with asyncio.timeout(20):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise EOFError from error
            first, *lines = head.decode("latin-1").rstrip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            status = int(first.split(" ")[1])
            body = b""
            if method != "HEAD" and status not in (100, 204, 304):
                body = await self._body(headers)
            return Answer(status, headers, body)

    async def _body(self, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") != "chunked":
            return await self.reader.read()
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body

    async def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        lines = [f"{method} {path} HTTP/1.1", "Host: x"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        await self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))
        return await self.answer(method)

    def close(self) -> None:
        self.writer.transport.abort()


class Site:
    """``line()`` opens a connection as the administrator."""

    def __init__(self, assembly: program.Assembly, port: int, tls: ssl.SSLContext) -> None:
        self.assembly, self.port, self._tls = assembly, port, tls

    @contextlib.asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self._tls, limit=2**24)
        opened = Line(reader, writer)
        try:
            yield opened
        finally:
            opened.close()

    async def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        async with self.line() as line:
            return await line.ask(method, path, body, **headers)

    async def is_well(self) -> bool:
        """Whether it still serves others as ever."""
        return (await self.ask("GET", "/readyz")).body == b"ok"


@contextlib.asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[Site]:
    authority = pki.create_ca("kubernetes")
    pki.write(authority, directory, "ca")
    pki.write(pki.issue(authority, "kube-apiserver", ips=["127.0.0.1"], server=True), directory, "server")
    pki.write(pki.issue(authority, "admin", organizations=["system:masters"], client=True), directory, "admin")
    options = Options(endpoint_reconciler_type="none", client_ca_file=str(directory / "ca.crt"))
    assembly = program.build(options, memory.MemoryStore())
    await assembly.start()
    listener = server.SocketServer(assembly.api.handle)
    tls = pki.server_context(directory / "server.crt", directory / "server.key", directory / "ca.crt")
    await listener.listen("127.0.0.1", 0, tls)
    client = pki.client_context(directory / "ca.crt", directory / "admin.crt", directory / "admin.key")
    try:
        yield Site(assembly, listener.address[1], client)
    finally:
        await assembly.stop_serving()
        await listener.close(0.1)
        await assembly.close()
