import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from kijabi.cluster import errors
from kijabi.cluster.images import build, elf, oci, recipe, tree

PACKAGES: dict[str, tree.Tree] = {
    "tool": {
        "/usr/bin/tool": tree.Entry("file", 0o755, b"#!/bin/true"),
        "/usr/share/doc/tool/copyright": tree.Entry("file", 0o644, b"free"),
        "/etc/tool": tree.Entry("directory"),
        "/etc/tool/a.conf": tree.Entry("file", 0o644, b"a"),
        "/usr/lib/current": tree.Entry("link", 0o777, target="tool-1"),
        "/usr/lib/tool-1/data": tree.Entry("file", 0o644, b"data"),
    }
}


def source(name: str, wanted: Iterable[str]) -> tree.Tree:
    return PACKAGES[name]


def a_recipe(**fields: object) -> recipe.Recipe:
    document = {"name": "tool", "tags": ["tool"], "packages": ["tool"], "take": ["/usr/bin/tool"], **fields}
    return recipe.parse(json.dumps(document), "test")


def members(layer: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return {member.name: member for member in archive}


def test_a_recipe_lists_what_is_in_the_layer() -> None:
    made = a_recipe(
        take=["/usr/bin/tool", "/etc/tool/*"],
        directories={"/tmp": {"mode": "1777"}, "/data": {"owner": "101:102"}},
        files={"/etc/passwd": "root:x:0:0::/:/bin/sh\n"},
        links={"/tool": "/usr/bin/tool"},
    )
    layer = members(tree.write_tar(build.assemble(made, source)))
    assert list(layer) == [
        "data", "etc", "etc/passwd", "etc/tool", "etc/tool/a.conf", "tmp", "tool", "usr", "usr/bin", "usr/bin/tool",
    ]  # fmt: skip
    assert layer["tmp"].mode == 0o1777
    assert (layer["data"].uid, layer["data"].gid) == (101, 102)
    assert layer["tool"].linkname == "/usr/bin/tool"


def test_equal_trees_give_equal_bytes_whatever_their_order() -> None:
    entries = build.assemble(a_recipe(), source)
    backwards = dict(reversed(list(entries.items())))
    assert tree.compress(tree.write_tar(entries)) == tree.compress(tree.write_tar(backwards))
    assert {member.mtime for member in members(tree.write_tar(entries)).values()} == {0}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"take": ["/nowhere"]}, "no package of tool has /nowhere", id="a file no package has"),
        pytest.param({"applets": {"/bin/box": "/bin"}}, "/bin/box is not in the image", id="applets of nothing"),
    ],
)
def test_what_cannot_be_built_is_said(fields: dict[str, object], message: str) -> None:
    with pytest.raises(errors.ClusterError, match=message):
        build.assemble(a_recipe(**fields), source)


@pytest.mark.parametrize("text", ["[]", "name: x", "{name: x, tags: [x], colour: red}", "a: ["])
def test_what_is_no_recipe_is_said(text: str) -> None:
    with pytest.raises(errors.ClusterError, match="here is not an image recipe"):
        recipe.parse(text, "here")


@pytest.mark.parametrize(
    ("short", "whole"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("me/app", "docker.io/me/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("example.org/app@sha256:00", "example.org/app@sha256:00"),
    ],
)
def test_short_names_are_made_whole(short: str, whole: str) -> None:
    assert recipe.familiar(short) == whole


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/usr/lib/current/data", "/usr/lib/tool-1/data"),
        ("/usr/bin/tool", "/usr/bin/tool"),
        ("/usr/lib/current/none", None),
    ],
)
def test_links_are_followed_in_every_part_of_a_path(path: str, target: str | None) -> None:
    assert tree.resolve(PACKAGES["tool"], path) == target


def test_links_in_a_circle_lead_nowhere() -> None:
    circle = {"/a": tree.Entry("link", target="/b"), "/b": tree.Entry("link", target="/a")}
    assert tree.resolve(circle, "/a") is None


def test_every_blob_of_an_archive_is_named_by_its_digest_and_every_tag_is_in_the_index() -> None:
    image = oci.image(tree.write_tar(PACKAGES["tool"]), recipe.Config(cmd=("tool",), ports=("80/tcp",)))
    with tarfile.open(fileobj=io.BytesIO(oci.archive(image, ["a:1", "a:2"]))) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    index = json.loads(files["index.json"])
    assert [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]] == ["a:1", "a:2"]
    blobs = {name: data for name, data in files.items() if name.startswith("blobs/sha256/")}
    assert all(name.rpartition("/")[2] == hashlib.sha256(data).hexdigest() for name, data in blobs.items())
    manifest = json.loads(files[f"blobs/sha256/{index['manifests'][0]['digest'].removeprefix('sha256:')}"])
    config = json.loads(files[f"blobs/sha256/{manifest['config']['digest'].removeprefix('sha256:')}"])
    layer = gzip.decompress(files[f"blobs/sha256/{manifest['layers'][0]['digest'].removeprefix('sha256:')}"])
    assert config["config"] == {"Cmd": ["tool"], "WorkingDir": "/", "ExposedPorts": {"80/tcp": {}}}
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]


def test_a_program_tells_its_loader_and_libraries() -> None:
    found = elf.needs(Path("/proc/self/exe").read_bytes())
    assert found is not None
    assert "libc.so.6" in found.libraries
    assert "ld-linux" in found.loader


def test_what_is_no_program_needs_nothing() -> None:
    assert elf.needs(b"#!/bin/sh\n" * 20) is None


@pytest.mark.parametrize("name", recipe.built_in_names())
def test_built_in_recipes_are_well_formed(name: str) -> None:
    made = recipe.built_in(name)
    assert made.name == name
    assert made.tags
    assert all(recipe.familiar(tag) == tag for tag in made.tags)
