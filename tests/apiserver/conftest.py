"""An Access in memory, for tests of what joins the pipeline without the pipeline."""

import asyncio
import copy
import itertools
import ssl
import uuid

import pytest
from aiohttp import web

from kijabi.api import errors
from kijabi.apiserver import contract
from kijabi.client import kubeconfig
from kijabi.kit import http, jsons, pki


class MemoryAccess:
    """Objects by (plural, namespace, name). Writes bump resourceVersion and tell subscribers before they return."""

    def __init__(self):
        self.objects = {}
        self.subscribers = {}
        self.revisions = itertools.count(1)
        self.deletions = []
        self.admitted = []

    def add(self, what, name, namespace="", **body):
        metadata = {"name": name, "uid": f"uid-{name}", **body.pop("metadata", {})}
        if namespace:
            metadata["namespace"] = namespace
        self.put(what, {"metadata": metadata, **body})
        return self.get_nowait(what, name, namespace)

    def put(self, what, obj):
        meta = obj["metadata"]
        key = (what.qualified, meta.get("namespace", ""), meta["name"])
        old = self.objects.get(key)
        stored = copy.deepcopy(obj)
        stored["metadata"]["resourceVersion"] = str(next(self.revisions))
        self.objects[key] = stored
        for handler in self.subscribers.get(what.qualified, ()):
            handler(old, stored)
        return copy.deepcopy(stored)

    def drop(self, what, name, namespace=""):
        old = self.objects.pop((what.qualified, namespace, name))
        for handler in self.subscribers.get(what.qualified, ()):
            handler(old, None)
        return old

    def strategy(self, group, version, plural):
        return None

    def get_nowait(self, what, name, namespace=""):
        return copy.deepcopy(self.objects.get((what.qualified, namespace, name)))

    peek = get_nowait

    async def get(self, what, name, namespace=""):
        return self.get_nowait(what, name, namespace)

    async def list(self, what, namespace="", label_selector=""):
        return [
            copy.deepcopy(obj)
            for (kind, home, _), obj in sorted(self.objects.items())
            if kind == what.qualified and (not namespace or home == namespace)
        ]

    def subscribe(self, what, handler):
        self.subscribers.setdefault(what.qualified, []).append(handler)
        for (kind, _, _), obj in list(self.objects.items()):
            if kind == what.qualified:
                handler(None, obj)

    async def create(self, what, obj, *, user=contract.SYSTEM, dry_run=False):
        meta = obj["metadata"]
        if self.get_nowait(what, meta["name"], meta.get("namespace", "")) is not None:
            raise errors.already_exists(what.plural, meta["name"], what.group)
        made = copy.deepcopy(obj)
        made["metadata"].setdefault("uid", str(uuid.uuid4()))
        return self.put(what, made)

    async def mutate(self, what, name, namespace, change, *, user=contract.SYSTEM, subresource="", dry_run=False):
        obj = self.get_nowait(what, name, namespace)
        if obj is None:
            raise errors.not_found(what.plural, name, what.group)
        change(obj)
        return obj if dry_run else self.put(what, obj)

    async def delete(self, what, name, namespace="", *, options=None, user=contract.SYSTEM, dry_run=False):
        if self.get_nowait(what, name, namespace) is None:
            raise errors.not_found(what.plural, name, what.group)
        self.deletions.append((what.plural, namespace, name, options, dry_run))
        return self.get_nowait(what, name, namespace) if dry_run else self.drop(what, name, namespace)

    async def admit(self, attributes):
        self.admitted.append(attributes)

    def decode(self, context):
        return jsons.loads(context.request.body)

    def respond(self, context, obj, status=200):
        return http.Response(status, jsons.dumps(obj), {"Content-Type": "application/json"})


@pytest.fixture
def access():
    return MemoryAccess()


class Elsewhere:
    """A real TLS server on the loopback interface. ``answers[path]`` gives the body (a dict, or a web.Response) to what
    was posted, or to None for a GET. ``asked`` is what came: (path, body)."""

    def __init__(self, directory):
        self.authority = pki.create_ca("elsewhere-ca")
        self.directory = directory
        self.answers = {}
        self.asked = []
        self.port = 0

    async def handle(self, request):
        body = jsons.loads(await request.read()) if request.can_read_body else None
        self.asked.append((request.path, body))
        answer = self.answers[request.path](body)
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def kubeconfig(self, path):
        file = self.directory / "outside.kubeconfig"
        pair = pki.issue(self.authority, "apiserver", client=True)
        config = kubeconfig.build(
            self.url + path,
            self.authority.cert_pem,
            pair.cert_pem,
            pair.key_pem,
            user="apiserver",
            cluster="outside",
        )
        kubeconfig.write(config, file)
        return str(file)


@pytest.fixture
async def elsewhere(tmp_path):
    server = Elsewhere(tmp_path)
    pair = pki.issue(server.authority, "outside", server=True, ips=["127.0.0.1"])
    (tmp_path / "outside.pem").write_bytes(pair.cert_pem + pair.key_pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "outside.pem")
    listening = await asyncio.get_running_loop().create_server(web.Server(server.handle), "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()
