"""The mezzanine has one key: what it had before is kept until nobody needs it, and can be had or made current again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import s3_server

from codex_assets.archive import stored_files
from codex_assets.archive.records import StoredFile
from codex_assets.errors import MissingInput
from codex_assets.storage import keys
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import ObjectStore, StoredObject, Stores
from codex_assets.storage.overlay import overlaid
from codex_assets.storage.s3 import S3Store

KEY = keys.mezzanine("c1", "m1")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server.s3_server() as url:
        yield url


@pytest.fixture(params=["directory", "s3"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "directory":
        return DirectoryStore(tmp_path / "store", "archive", "archive")
    endpoint = request.getfixturevalue("endpoint")
    return S3Store(
        s3_server.location(endpoint, s3_server.bucket(endpoint, versioned=True), role="archive", versioned=True)
    )


def upload(store: ObjectStore, folder: Path, data: bytes, key: str = KEY) -> StoredObject:
    path = folder / "sent"
    path.write_bytes(data)
    return store.upload(path, key, content_type="video/mp4")


def contents(store: ObjectStore, folder: Path, version: str | None = None) -> bytes:
    path = folder / "fetched"
    store.download(KEY, path, version=version)
    return path.read_bytes()


def test_a_former_version_can_be_had(archive: ObjectStore, tmp_path: Path) -> None:
    first = upload(archive, tmp_path, b"one" * 1000)
    second = upload(archive, tmp_path, b"two" * 2000)
    assert first.version
    assert second.version
    assert first.version != second.version
    assert contents(archive, tmp_path) == b"two" * 2000
    assert contents(archive, tmp_path, second.version) == b"two" * 2000
    assert contents(archive, tmp_path, first.version) == b"one" * 1000
    known = archive.head(KEY, version=first.version)
    assert known is not None
    assert (known.size, known.sha256, known.version) == (3000, first.sha256, first.version)
    # Nobody who lists the bucket sees it.
    assert [listed.key for listed in archive.list("")] == [KEY]


def test_what_a_job_takes_back_makes_the_former_one_current(archive: ObjectStore, tmp_path: Path) -> None:
    first = upload(archive, tmp_path, b"one")
    second = upload(archive, tmp_path, b"two")
    third = upload(archive, tmp_path, b"three")
    assert second.version
    assert third.version
    archive.delete_version(KEY, third.version)
    assert contents(archive, tmp_path) == b"two"
    archive.delete_version(KEY, second.version)
    assert contents(archive, tmp_path) == b"one"
    current = archive.head(KEY)
    assert current is not None
    assert (current.version, current.sha256) == (first.version, first.sha256)
    archive.delete_version(KEY, third.version)
    assert contents(archive, tmp_path) == b"one"


def test_the_first_one_that_is_taken_back_leaves_nothing(archive: ObjectStore, tmp_path: Path) -> None:
    only = upload(archive, tmp_path, b"one")
    assert only.version
    archive.delete_version(KEY, only.version)
    assert archive.head(KEY) is None
    assert list(archive.list("")) == []


def test_the_same_again_is_the_same_version_in_a_folder(tmp_path: Path) -> None:
    archive = DirectoryStore(tmp_path, "archive", "archive")
    assert upload(archive, tmp_path, b"one").version == upload(archive, tmp_path, b"one").version
    archive.drop_former_versions(KEY)
    assert contents(archive, tmp_path) == b"one"


def test_a_folder_keeps_no_former_versions_once_they_are_dropped(tmp_path: Path) -> None:
    archive = DirectoryStore(tmp_path / "store", "archive", "archive")
    first = upload(archive, tmp_path, b"one")
    upload(archive, tmp_path, b"two")
    archive.drop_former_versions(KEY)
    assert archive.head(KEY, version=first.version) is None
    with pytest.raises(MissingInput):
        contents(archive, tmp_path, first.version)
    assert contents(archive, tmp_path) == b"two"
    versions = tmp_path / "store" / ".meta" / ".versions"
    assert [path for path in versions.rglob("*") if path.is_file()] == []


def test_deleting_an_object_takes_its_versions(archive: ObjectStore, tmp_path: Path) -> None:
    first = upload(archive, tmp_path, b"one")
    upload(archive, tmp_path, b"two")
    archive.delete(KEY)
    assert archive.head(KEY) is None
    assert archive.head(KEY, version=first.version) is None


def test_only_mezzanines_have_versions_in_a_folder(tmp_path: Path) -> None:
    for store, key in (
        (DirectoryStore(tmp_path / "store", "archive", "archive"), "originals/c1/m1/original"),
        (DirectoryStore(tmp_path / "store", "media", "media"), "mezzanine/c1/m1/mezzanine.mp4"),
    ):
        assert upload(store, tmp_path, b"one", key).version is None
        upload(store, tmp_path, b"two", key)
    assert not (tmp_path / "store" / ".meta" / ".versions").exists()


def test_a_version_is_no_way_out_of_the_folder(tmp_path: Path) -> None:
    archive = DirectoryStore(tmp_path / "store", "archive", "archive")
    upload(archive, tmp_path, b"one")
    (tmp_path / "secret").write_bytes(b"secret")
    for version in ("../../../../../../secret", "", "/etc/passwd"):
        with pytest.raises(MissingInput):
            archive.download(KEY, tmp_path / "fetched", version=version)


def test_a_record_is_fetched_as_it_was_recorded(archive: ObjectStore, tmp_path: Path) -> None:
    """A newer one under the key is of a job that has not switched; a version that is not known, of another store."""
    first = upload(archive, tmp_path, b"one")
    upload(archive, tmp_path, b"two")
    other = DirectoryStore(tmp_path / "other", "media", "media")
    stores = Stores(archive, other, other)
    recorded = StoredFile(role="archive", key=KEY, size=3, sha256=first.sha256 or "", version=first.version)
    path = tmp_path / "fetched"
    for seen_through in (stores, overlaid(stores, tmp_path / "overlay")):
        stored_files.fetch(seen_through, recorded, path)
        assert path.read_bytes() == b"one"
    stored_files.fetch(stores, recorded.model_copy(update={"version": None}), path)
    assert path.read_bytes() == b"two"
    if isinstance(archive, DirectoryStore):
        stored_files.fetch(stores, recorded.model_copy(update={"version": "of another store"}), path)
        assert path.read_bytes() == b"two"
