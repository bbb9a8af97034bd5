"""Every kind of credential against a real server over TLS: none, good, wrong, expired, and good for too little."""

import asyncio
import base64
import datetime
import ssl

import aiohttp
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kijabi.api import kinds
from kijabi.apiserver import contract, options, program, server
from kijabi.apiserver.authn import keys, legacytokens, tokens
from kijabi.kit import clock, pki, yamls
from kijabi.store import memory

ADMIN = contract.UserInfo("admin", groups=("system:masters", "system:authenticated"))
OIDC_KEY = rsa.generate_private_key(65537, 2048)
PODS, MAPS, LIVE = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/configmaps", "/livez"
UNKNOWN, FORBIDDEN, OK = 401, 403, 200


def expired_certificate(ca):
    key = pki.new_key()
    day = datetime.timedelta(days=1)
    then = datetime.datetime.now(datetime.UTC) - 10 * day
    builder = x509.CertificateBuilder(
        ca.certificate.subject,
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cert")]),
        key.public_key(),
        x509.random_serial_number(),
        then,
        then + day,
    ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    return pki.Pair(builder.sign(ca.key, hashes.SHA256()), key)


class Place:
    """A server, what it trusts, and credentials for it by name."""

    def __init__(self, directory, elsewhere):
        self.directory, self.elsewhere = directory, elsewhere
        self.ca, self.stranger = pki.create_ca("kubernetes"), pki.create_ca("strangers")
        self.signer, self.foreign = keys.signer(pki.new_key()), keys.signer(pki.new_key())
        self.headers, self.certificates = {}, {"expired-certificate": expired_certificate(self.ca)}
        self.port, self.warnings = 0, []
        for name, ca in (("certificate", self.ca), ("stranger's-certificate", self.stranger)):
            self.certificates[name] = pki.issue(ca, "cert", client=True)
        self.certificates["server's-certificate"] = pki.issue(self.ca, "cert", server=True)

    def options(self):
        pki.write(self.ca, self.directory, "ca")
        pki.write(pki.issue(self.ca, "api", server=True, ips=["127.0.0.1"]), self.directory, "api")
        key = self.signer.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.directory / "sa.key").write_bytes(key)
        (self.directory / "tokens.csv").write_text('static,filed,7,"dev,ops"\n')
        (self.directory / "authn.yaml").write_text(yamls.dumps(self.authentication()))
        return options.Options(
            client_ca_file=str(self.directory / "ca.crt"),
            service_account_signing_key_file=str(self.directory / "sa.key"),
            token_auth_file=str(self.directory / "tokens.csv"),
            authentication_config=str(self.directory / "authn.yaml"),
            authentication_token_webhook_config_file=self.elsewhere.kubeconfig("/authenticate"),
            authentication_token_webhook_version="v1",
            endpoint_reconciler_type="none",
        )

    def authentication(self):
        url, authority = self.elsewhere.url, self.elsewhere.authority.cert_pem.decode()
        self.elsewhere.answers |= {
            "/.well-known/openid-configuration": lambda _: {"issuer": url, "jwks_uri": f"{url}/keys"},
            "/keys": lambda _: {"keys": [{**keys.jwk(keys.verifier(OIDC_KEY.public_key())), "kid": "k"}]},
            "/authenticate": self.reviewed,
        }
        one = {
            "issuer": {"url": url, "audiences": ["kijabi"], "certificateAuthority": authority},
            "claimMappings": {"username": {"claim": "sub", "prefix": "oidc:"}},
        }
        return {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "jwt": [one],
            "anonymous": {"enabled": True, "conditions": [{"path": LIVE}]},
        }

    @staticmethod
    def reviewed(review):
        if review["spec"]["token"] != "hooked":
            return {"status": {"authenticated": False}}
        return {"status": {"authenticated": True, "user": {"username": "hooked", "groups": ["g"]}}}

    async def furnish(self, access):
        """The objects that tokens are bound to, and who may read ConfigMaps."""
        now = clock.SYSTEM.time()
        account = await access.create(kinds.SERVICE_ACCOUNTS, {"metadata": {"name": "robot", "namespace": "default"}})
        subject = tokens.Subject("default", tokens.Reference("robot", account["metadata"]["uid"]))
        issuer = tokens.Issuer("https://kubernetes.default.svc.cluster.local", self.signer)

        def bound(signs=issuer, start=now, audience=issuer.url, subject=subject):
            return signs.sign(tokens.claims(subject, [audience], start, 600))

        stale = tokens.Subject("default", tokens.Reference("robot", "another-uid"))
        self.bear("bound-token", bound())
        self.bear("expired-bound-token", bound(start=now - 7200))
        self.bear("bound-token-of-a-former-account", bound(subject=stale))
        self.bear("bound-token-for-another", bound(audience="vault"))
        self.bear("bound-token-by-another-key", bound(tokens.Issuer(issuer.url, self.foreign)))
        await self.secrets(access, account)
        for name, changes in (("oidc", {}), ("expired-oidc", {"exp": 1}), ("oidc-for-another", {"aud": "x"})):
            said = {"iss": self.elsewhere.url, "aud": "kijabi", "sub": "ann", "exp": now + 600, **changes}
            self.bear(f"{name}-token", jwt.encode(said, OIDC_KEY, algorithm="RS256", headers={"kid": "k"}))
        self.bear("webhook-token", "hooked")
        self.bear("token-nobody-knows", "nonsense")
        self.bear("static-token", "static")
        self.headers["basic"] = "Basic " + base64.b64encode(b"admin:admin").decode()

    async def secrets(self, access, account):
        for identity, expiration in (("abcdef", "2099-01-01T00:00:00Z"), ("fedcba", "2001-01-01T00:00:00Z")):
            data = {
                "token-id": identity,
                "token-secret": "0123456789abcdef",
                "usage-bootstrap-authentication": "true",
                "expiration": expiration,
            }
            made = {
                "metadata": {"name": f"bootstrap-token-{identity}", "namespace": "kube-system"},
                "type": "bootstrap.kubernetes.io/token",
                "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
            }
            await access.create(kinds.SECRETS, made)
        self.bear("bootstrap-token", "abcdef.0123456789abcdef")
        self.bear("wrong-bootstrap-token", "abcdef.0000000000000000")
        self.bear("expired-bootstrap-token", "fedcba.0123456789abcdef")
        prefix = "kubernetes.io/serviceaccount/"
        for name in ("legacy-token", "invalidated-legacy-token"):
            claims = {
                f"{prefix}namespace": "default",
                f"{prefix}secret.name": name,
                f"{prefix}service-account.name": "robot",
                f"{prefix}service-account.uid": account["metadata"]["uid"],
                "sub": "system:serviceaccount:default:robot",
            }
            token = tokens.Issuer(legacytokens.ISSUER, self.signer).sign(claims)
            labels = {legacytokens.INVALID_SINCE: "2026-01-01"} if name.startswith("invalid") else {}
            made = {
                "metadata": {
                    "name": name,
                    "namespace": "default",
                    "labels": labels,
                    "annotations": {"kubernetes.io/service-account.name": "robot"},
                },
                "type": "kubernetes.io/service-account-token",
                "data": {"token": base64.b64encode(token.encode()).decode()},
            }
            await access.create(kinds.SECRETS, made)
            self.bear(name, token)

    async def permit(self, access):
        names = ["cert", "oidc:ann", "hooked", "filed", "system:bootstrap:abcdef"]
        names.append("system:serviceaccount:default:robot")
        group = {"apiGroup": "rbac.authorization.k8s.io"}
        rules = [{"verbs": ["list"], "apiGroups": [""], "resources": ["configmaps"]}]
        await access.create(kinds.CLUSTER_ROLES, {"metadata": {"name": "maps"}, "rules": rules})
        binding = {
            "metadata": {"name": "maps"},
            "roleRef": {**group, "kind": "ClusterRole", "name": "maps"},
            "subjects": [{**group, "kind": "User", "name": name} for name in names],
        }
        await access.create(kinds.CLUSTER_ROLE_BINDINGS, binding)

    def bear(self, name, token):
        self.headers[name] = f"Bearer {token}"

    async def ask(self, path, credential):
        """The status, or None where TLS itself says no."""
        tls = ssl.create_default_context(cadata=self.ca.cert_pem.decode())
        pair = self.certificates.get(credential)
        if pair is not None:
            file = self.directory / "client.pem"
            file.write_bytes(pair.cert_pem + pair.key_pem)
            tls.load_cert_chain(file)
        headers = {"Authorization": self.headers[credential]} if credential in self.headers else {}
        url = f"https://127.0.0.1:{self.port}{path}"
        try:
            async with aiohttp.ClientSession() as session, session.get(url, ssl=tls, headers=headers) as answer:
                await answer.read()
                self.warnings = answer.headers.getall("Warning", [])
                return answer.status
        except aiohttp.ClientError:
            return None


@pytest.fixture
async def place(tmp_path, elsewhere):
    made = Place(tmp_path, elsewhere)
    chosen = made.options()
    store = memory.MemoryStore()
    assembly = program.build(chosen, store)
    await assembly.start()
    await made.furnish(assembly.access)
    await made.permit(assembly.access)
    listener = server.SocketServer(assembly.api.handle)
    tls = pki.server_context(tmp_path / "api.crt", tmp_path / "api.key", [tmp_path / "ca.crt"])
    await listener.listen("127.0.0.1", 0, tls)
    made.port = listener.address[1]
    yield made
    await assembly.stop_serving()
    await listener.close()
    await assembly.close()
    await store.close()


GOOD = [
    "certificate",
    "bound-token",
    "legacy-token",
    "bootstrap-token",
    "oidc-token",
    "webhook-token",
    "static-token",
]
BAD = [
    "expired-bound-token",
    "bound-token-of-a-former-account",
    "bound-token-for-another",
    "bound-token-by-another-key",
    "invalidated-legacy-token",
    "wrong-bootstrap-token",
    "expired-bootstrap-token",
    "expired-oidc-token",
    "oidc-for-another-token",
    "token-nobody-knows",
]
# OpenSSL ends the handshake for these; Go's TLS leaves them to the authenticator.
REFUSED = ["expired-certificate", "stranger's-certificate", "server's-certificate"]


async def test_what_each_credential_is_good_for(place):
    async with asyncio.timeout(10):
        while await place.ask(LIVE, "oidc-token") != OK:
            # The issuer is being reached.
            continue
    expected = {(path, name): status for name in GOOD for path, status in ((MAPS, OK), (PODS, FORBIDDEN), (LIVE, OK))}
    expected |= {(path, name): UNKNOWN for name in BAD for path in (MAPS, LIVE)}
    # Nobody in particular may ask whether the server is alive, and that alone; basic authentication is no credential.
    expected |= {(path, name): status for name in ("none", "basic") for path, status in ((MAPS, UNKNOWN), (LIVE, OK))}
    expected |= {(LIVE, name): None for name in REFUSED}
    found = {(path, name): await place.ask(path, name) for path, name in expected}
    assert found == expected


async def test_a_token_after_two_blanks_is_none(place):
    place.headers["two-blanks"] = "Bearer  static"
    assert await place.ask(LIVE, "two-blanks") == OK
    text = "the provided Authorization header contains extra space before the bearer token, and is ignored"
    assert place.warnings == [f'299 - "{text}"']
