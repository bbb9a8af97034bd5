"""A KMS v2 plugin as a real gRPC server on a unix socket. Its "encryption" turns bits around and names the key."""

import contextlib

import grpc
import grpc.aio

from kijabi.store.encryption import kms


class Plugin:
    """``key_id`` and ``healthz`` may be changed while it runs; ``decrypted`` counts what it was asked."""

    def __init__(self):
        self.key_id = "key-1"
        self.healthz = "ok"
        self.silent = False
        self.decrypted = 0

    async def status(self, request, context):
        await self._answers(context)
        return kms.MESSAGES["StatusResponse"](version="v2", healthz=self.healthz, key_id=self.key_id)

    async def encrypt(self, request, context):
        await self._answers(context)
        sealed = self.key_id.encode() + b"|" + _turned(request.plaintext)
        annotations = {"version.encryption.example.com": b"1"}
        return kms.MESSAGES["EncryptResponse"](ciphertext=sealed, key_id=self.key_id, annotations=annotations)

    async def decrypt(self, request, context):
        await self._answers(context)
        self.decrypted += 1
        key, _, sealed = request.ciphertext.partition(b"|")
        if key.decode() != request.key_id or request.annotations["version.encryption.example.com"] != b"1":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not encrypted here")
        return kms.MESSAGES["DecryptResponse"](plaintext=_turned(sealed))

    async def _answers(self, context):
        if self.silent:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "out for lunch")


def _turned(data):
    return bytes(byte ^ 0xFF for byte in data)


@contextlib.asynccontextmanager
async def serving(path):
    plugin = Plugin()
    server = grpc.aio.server()
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            getattr(plugin, name.lower()),
            request_deserializer=kms.MESSAGES[f"{name}Request"].FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        for name in ("Status", "Encrypt", "Decrypt")
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("v2.KeyManagementService", handlers),))
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    try:
        yield plugin
    finally:
        await server.stop(None)
