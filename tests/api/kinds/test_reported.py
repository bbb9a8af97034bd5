"""What becomes of the metadata that comes with a status."""

from __future__ import annotations

from typing import Any

import pytest

from kijabi.api import catalog

KEPT = {
    "flowcontrol.apiserver.k8s.io/v1 FlowSchema": True,
    "resource.k8s.io/v1 ResourceClaim": True,
    "storage.k8s.io/v1 VolumeAttachment": True,
    "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy": True,
    "networking.k8s.io/v1 ServiceCIDR": True,
    "apiregistration.k8s.io/v1 APIService": True,
    "apps/v1 DaemonSet": False,
    "batch/v1 Job": False,
}


def _marked(mark: str) -> dict[str, Any]:
    return {"metadata": {"name": "x", "labels": {"a": mark}, "finalizers": [f"x.io/{mark}"]}, "spec": {}, "status": {}}


@pytest.mark.parametrize(("kind", "kept"), KEPT.items(), ids=KEPT)
def test_some_kinds_keep_their_metadata_where_a_status_is_written(kind: str, kept: bool) -> None:
    api_version, _, name = kind.partition(" ")
    group, _, version = api_version.rpartition("/")
    strategy = catalog.default_catalog().by_kind(group, version, name)
    assert strategy is not None
    new, old = _marked("new"), _marked("old")
    strategy.prepare_status(new, old)
    assert new["metadata"] == _marked("old" if kept else "new")["metadata"]
