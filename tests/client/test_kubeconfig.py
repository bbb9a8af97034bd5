from pathlib import Path

import pytest

from kijabi.client import kubeconfig
from kijabi.kit import pki


def test_a_config_written_is_read_back_with_its_certificates(tmp_path: Path) -> None:
    ca = pki.create_ca("ca")
    me = pki.issue(ca, "me", client=True)
    config = kubeconfig.build("https://127.0.0.1:6443", ca.cert_pem, me.cert_pem, me.key_pem, user="me", cluster="here")
    kubeconfig.write(config, tmp_path / "sub" / "config")
    assert (tmp_path / "sub" / "config").stat().st_mode & 0o777 == 0o600
    access = kubeconfig.access(tmp_path / "sub" / "config")
    assert access.server == "https://127.0.0.1:6443"
    assert kubeconfig.load(tmp_path / "sub" / "config").server == "https://127.0.0.1:6443"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file"),
        ("[", "did not find expected node content"),
        ("- a", "not a Config"),
        ("current-context: here", "no context named 'here'"),
        ("current-context: a\ncontexts: [{name: a, context: {cluster: c}}]", "no cluster named 'c'"),
        (
            "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\nclusters: [{name: c}]",
            "no user named 'u'",
        ),
    ],
    ids=["missing", "no yaml", "no mapping", "context", "cluster", "user"],
)
def test_an_unusable_file_says_why(tmp_path: Path, text: str | None, why: str) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(kubeconfig.Unusable, match=why):
        kubeconfig.access(path)


def test_certificates_may_be_files_beside_the_config(tmp_path: Path) -> None:
    ca = pki.create_ca("ca")
    pki.write(ca, tmp_path, "ca")
    pki.write(pki.issue(ca, "me", client=True), tmp_path, "me")
    (tmp_path / "config").write_text(
        "current-context: a\n"
        "contexts: [{name: a, context: {cluster: c, user: u, namespace: mine}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://h', certificate-authority: ca.crt}}]\n"
        "users: [{name: u, user: {client-certificate: me.crt, client-key: me.key}}]\n"
    )
    assert kubeconfig.access(tmp_path / "config").namespace == "mine"
    assert kubeconfig.load(tmp_path / "config").server == "https://h"
