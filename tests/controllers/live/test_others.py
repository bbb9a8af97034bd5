"""CronJobs by a clock of ours, finished Jobs' time, signing requests and gathered roles."""

import asyncio
import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

import workloads
from kijabi import testing
from kijabi.api import kinds
from kijabi.controllers import options, program
from kijabi.kit import clock, pki
from kijabi.testing import inprocess


async def test_a_cron_job_fires_each_minute_and_not_twice() -> None:
    timepiece = clock.FakeClock()
    chosen = ("cronjob-controller",)
    async with testing.InProcess(nodes=0, controllers=chosen, scheduler=False, timepiece=timepiece) as cluster:
        inner = workloads.job()["spec"]
        made = {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "tick", "namespace": "default"},
            "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": inner}},
        }
        await cluster.client.create(kinds.CRON_JOBS, made)
        names = []
        for count in (1, 2, 3):
            jobs = asyncio.ensure_future(
                workloads.wait_all(cluster, lambda there, count=count: len(there) >= count, kinds.JOBS)
            )
            while not jobs.done():
                await timepiece.advance(5)
            names = sorted(job["metadata"]["name"] for job in await jobs)
        minutes = [int(name.removeprefix("tick-")) for name in names]
        assert minutes == list(range(minutes[0], minutes[0] + 3))
        await cluster.wait(kinds.CRON_JOBS, "tick", lambda obj: len(obj["status"].get("active", [])) == 3, "default")


async def test_a_finished_job_is_deleted_when_its_time_is_over(cluster: testing.InProcess) -> None:
    await cluster.client.create(kinds.JOBS, workloads.job(ttlSecondsAfterFinished=0))
    (pod,) = await workloads.wait_all(cluster, lambda there: len(there) == 1)
    await workloads.end_pod(cluster, pod)
    await cluster.wait_gone(kinds.JOBS, "sum", "default")
    await cluster.wait_gone(kinds.PODS, pod["metadata"]["name"], "default")


async def test_roles_are_gathered(cluster: testing.InProcess) -> None:
    rules = [{"apiGroups": ["x.y"], "resources": ["z"], "verbs": ["get"]}]
    made = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "z-view", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": rules,
    }
    await cluster.client.create(kinds.CLUSTER_ROLES, made)
    await cluster.wait(kinds.CLUSTER_ROLES, "view", lambda role: rules[0] in (role.get("rules") or []))
    await cluster.wait(kinds.CLUSTER_ROLES, "admin", lambda role: rules[0] in (role.get("rules") or []))


@pytest.mark.parametrize("common_name", ["system:node:joining"])
async def test_a_kubelets_request_is_approved_and_signed(common_name: str) -> None:
    names = [f"certificatesigningrequest-{verb}-controller" for verb in ("signing", "approving")]
    async with testing.InProcess(nodes=0, controllers=("serviceaccount-controller",)) as cluster:
        chosen = options.Options(
            controllers=names,
            cluster_signing_cert_file=str(cluster.directory / "ca.crt"),
            cluster_signing_key_file=str(cluster.directory / "ca.key"),
        )

        def client_of(account: str) -> object:
            user = f"system:serviceaccount:kube-system:{account}"
            return cluster.client_of(inprocess.component(user, *inprocess.SERVICE_ACCOUNT_GROUPS))

        controlling = asyncio.ensure_future(program.lead(cluster.client, chosen, client_of))
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )
        wanted = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(pki.new_key(), hashes.SHA256())
        request = {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": "join"},
            "spec": {
                "request": base64.b64encode(wanted.public_bytes(serialization.Encoding.PEM)).decode(),
                "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
                "usages": ["digital signature", "client auth"],
                "expirationSeconds": 3600,
                "username": inprocess.ADMIN.name,
                "groups": list(inprocess.ADMIN.groups),
            },
        }
        await cluster.client.create(kinds.CERTIFICATE_SIGNING_REQUESTS, request)
        done = await cluster.wait(
            kinds.CERTIFICATE_SIGNING_REQUESTS, "join", lambda obj: bool((obj.get("status") or {}).get("certificate"))
        )
        controlling.cancel()
        await asyncio.gather(controlling, return_exceptions=True)
        assert done["status"]["conditions"][0]["reason"] == "AutoApproved"
        made = x509.load_pem_x509_certificate(base64.b64decode(done["status"]["certificate"]))
        assert made.subject == subject
