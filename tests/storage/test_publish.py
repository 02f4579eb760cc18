"""Order and proof of an upload, on real stores: what viewers see changes at the last write, or not at all."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import s3_server

from codex_assets.archive.records import OutputRecord, StoredFile
from codex_assets.errors import InternalError, JobCancelled, StorageError
from codex_assets.storage import keys
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import ObjectStore, Role, StoredObject, Stores
from codex_assets.storage.publish import Published, Stage, Upload, headers, publish
from codex_assets.storage.s3 import S3Store
from codex_assets.worker import redelivery

PREFIX = keys.hls_prefix("c1", "m1", "video")
MASTER = keys.master_playlist("c1", "m1", "video")
VARIANT = keys.variant_playlist("c1", "m1", "video", "720p")
THUMBNAIL = keys.thumbnail("c1", "m1")
SEGMENTS = 10
MIB = 1024 * 1024


class Noting(DirectoryStore):
    """A folder that notes what is sent to it, and can refuse one key."""

    refused: str | None = None
    takes: float = 0
    """Seconds that a transfer takes at least."""

    def __init__(self, root: Path, role: Role, bucket: str) -> None:
        super().__init__(root, role, bucket)
        self.sent: list[str] = []
        self.deleted: list[str] = []

    def upload(self, path: Path, key: str, **options: Any) -> StoredObject:
        if key == self.refused:
            raise StorageError(f"The {self.name} store refused '{key}'.", retryable=False)
        time.sleep(self.takes)
        stored_object = super().upload(path, key, **options)
        self.sent.append(key)
        return stored_object

    def delete(self, key: str) -> None:
        super().delete(key)
        self.deleted.append(key)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server.s3_server() as url:
        yield url


@pytest.fixture
def media(tmp_path: Path) -> Noting:
    return Noting(tmp_path / "store", "media", "codex-media-local")


@pytest.fixture
def stores(tmp_path: Path, media: Noting) -> Stores:
    root = tmp_path / "store"
    return Stores(
        DirectoryStore(root, "archive", "codex-archive"), media, DirectoryStore(root, "assets", "codex-assets-local")
    )


@pytest.fixture
def s3_stores(endpoint: str) -> Stores:
    def at(role: Role) -> S3Store:
        return S3Store(
            s3_server.location(
                endpoint,
                s3_server.bucket(endpoint, versioned=role == "archive"),
                role=role,
                versioned=role == "archive",
            )
        )

    return Stores(at("archive"), at("media"), at("assets"))


def a_version(folder: Path, version: str, *, segments: int = SEGMENTS) -> list[Upload]:
    """Files of one published media, whose contents name the version they belong to; the master first."""
    plan = [
        (MASTER, "media", Stage.MASTER),
        (VARIANT, "media", Stage.PLAYLIST),
        *((keys.segment(VARIANT, index), "media", Stage.CONTENT) for index in range(segments)),
        (THUMBNAIL, "assets", Stage.CONTENT),
        (keys.mezzanine("c1", "m1"), "archive", Stage.CONTENT),
    ]
    uploads = []
    for key, role, stage in plan:
        path = folder / version / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"{version} {key}".encode())
        uploads.append(Upload(path, role, key, stage))  # type: ignore[arg-type]
    return uploads


def versions(store: ObjectStore, wanted: Sequence[str]) -> set[str]:
    return {store.read(key).split()[0].decode() for key in wanted}


@pytest.mark.parametrize("kind", ["stores", "s3_stores"])
def test_everything_is_where_the_answer_says(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    stores: Stores = request.getfixturevalue(kind)
    uploads = a_version(tmp_path, "one")
    moved: list[int] = []
    done = publish(stores, uploads, on_bytes=moved.append)

    assert [(published.role, published.key) for published in done] == [(upload.role, upload.key) for upload in uploads]
    assert sum(moved) == sum(upload.path.stat().st_size for upload in uploads)
    for published, upload in zip(done, uploads, strict=True):
        store, data = stores.by_role(published.role), upload.path.read_bytes()
        content_type, cache_control = headers(published.key)
        stored_object = store.head(published.key)
        assert stored_object is not None
        assert (stored_object.version is not None) is (published.role == "archive")
        assert published == Published(
            *(upload.role, store.bucket, upload.key, len(data), hashlib.sha256(data).hexdigest(), content_type),
            version=stored_object.version,
            etag=stored_object.etag,
        )
        assert (stored_object.sha256, stored_object.content_type, stored_object.cache_control) == (
            published.sha256,
            content_type,
            cache_control,
        )


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (MASTER, ("application/vnd.apple.mpegurl", "no-cache")),
        (keys.segment(VARIANT, 3, "0123456789ab"), ("video/mp2t", "public, max-age=31536000, immutable")),
        (THUMBNAIL, ("image/jpeg", "max-age=300, must-revalidate")),
        (keys.waveform_png("c1", "m1"), ("image/png", "max-age=300, must-revalidate")),
        (keys.waveform_json("c1", "m1"), ("application/json", "max-age=300, must-revalidate")),
        (keys.mezzanine("c1", "m1"), ("video/mp4", None)),
    ],
)
def test_headers_by_suffix(key: str, expected: tuple[str, str | None]) -> None:
    assert headers(key) == expected


def test_content_then_playlists_then_the_master(stores: Stores, media: Noting, tmp_path: Path) -> None:
    publish(stores, a_version(tmp_path, "one"))
    assert sorted(media.sent[:SEGMENTS]) == [keys.segment(VARIANT, index) for index in range(SEGMENTS)]
    assert media.sent[SEGMENTS:] == [VARIANT, MASTER]


def test_a_refused_segment_leaves_the_playlists(stores: Stores, media: Noting, tmp_path: Path) -> None:
    publish(stores, a_version(tmp_path, "one"))
    media.refused = keys.segment(VARIANT, 4)
    with pytest.raises(StorageError, match=r"refused 'c1/hls/m1/720p/segment_00004\.ts'") as caught:
        publish(stores, a_version(tmp_path, "two"))
    assert not caught.value.retryable
    assert versions(media, [VARIANT, MASTER]) == {"one"}
    assert len(list(media.list(PREFIX))) == SEGMENTS + 2


def test_a_refused_playlist_leaves_the_master(stores: Stores, media: Noting, tmp_path: Path) -> None:
    publish(stores, a_version(tmp_path, "one"))
    media.refused = VARIANT
    with pytest.raises(StorageError):
        publish(stores, a_version(tmp_path, "two"))
    assert versions(media, [VARIANT, MASTER]) == {"one"}


def test_a_failure_in_another_store_leaves_the_playlists_too(stores: Stores, media: Noting, tmp_path: Path) -> None:
    publish(stores, a_version(tmp_path, "one"))
    blocked = tmp_path / "store" / "codex-assets-local" / THUMBNAIL
    blocked.unlink()
    blocked.mkdir()
    with pytest.raises(StorageError, match="assets store"):
        publish(stores, a_version(tmp_path, "two"))
    assert versions(media, [VARIANT, MASTER]) == {"one"}


def test_after_a_failure_nothing_more_is_begun(stores: Stores, media: Noting, tmp_path: Path) -> None:
    media.refused, media.takes = keys.segment(VARIANT, 0), 0.02
    with pytest.raises(StorageError):
        publish(stores, a_version(tmp_path, "one", segments=200), threads=2)
    assert len(media.sent) < 50


@pytest.mark.parametrize("change", ["replaced", "deleted", "retyped"])
@pytest.mark.parametrize("kind", ["stores", "s3_stores"])
def test_what_changes_before_the_stage_is_complete_stops_the_switch(
    kind: str, change: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    stores: Stores = request.getfixturevalue(kind)
    publish(stores, a_version(tmp_path, "one"))
    uploads = a_version(tmp_path, "two")
    victim, last = keys.segment(VARIANT, 0), keys.segment(VARIANT, SEGMENTS - 1)
    data = next(upload.path for upload in uploads if upload.key == victim).read_bytes()
    seen = 0

    def interfere(count: int) -> None:
        nonlocal seen
        seen += count
        # One thread: segment 0 is up and was confirmed by its upload long before the last one moves.
        if seen == sum(len(f"two {keys.segment(VARIANT, index)}") for index in range(SEGMENTS)):
            match change:
                case "replaced":
                    stores.media.write(
                        victim, b"x" * len(data), content_type="video/mp2t", cache_control="max-age=3600"
                    )
                case "deleted":
                    stores.media.delete(victim)
                case "retyped":
                    stores.media.write(victim, data, content_type="text/plain", cache_control="max-age=3600")

    with pytest.raises(StorageError, match=f"no longer holds what was uploaded to '{victim}'") as caught:
        publish(stores, uploads, threads=1, on_bytes=interfere)
    assert caught.value.retryable
    assert versions(stores.media, [last]) == {"two"}
    assert versions(stores.media, [VARIANT, MASTER]) == {"one"}


def test_contents_swapped_under_an_unchanged_record_are_noticed(
    s3_stores: Stores, endpoint: str, tmp_path: Path
) -> None:
    """Same length, same metadata: only the ETag tells."""
    uploads = a_version(tmp_path, "one")
    victim = keys.segment(VARIANT, 0)
    seen = 0

    def interfere(count: int) -> None:
        nonlocal seen
        seen += 1
        if seen == SEGMENTS:
            stored_object = s3_stores.media.head(victim)
            assert stored_object is not None
            s3_server.client(endpoint).put_object(
                Bucket=s3_stores.media.bucket,
                Key=victim,
                Body=b"x" * stored_object.size,
                Metadata={"sha256": stored_object.sha256 or ""},
                ContentType=stored_object.content_type or "",
                CacheControl=stored_object.cache_control or "",
            )

    with pytest.raises(StorageError, match="no longer holds"):
        publish(s3_stores, uploads, threads=1, on_bytes=interfere)
    assert s3_stores.media.head(MASTER) is None


def test_a_bucket_that_goes_away_in_the_middle(s3_stores: Stores, endpoint: str, tmp_path: Path) -> None:
    client, bucket = s3_server.client(endpoint), s3_stores.media.bucket

    def remove(count: int) -> None:
        for stored_object in s3_stores.media.list(""):
            s3_stores.media.delete(stored_object.key)
        client.delete_bucket(Bucket=bucket)

    segments = [upload for upload in a_version(tmp_path, "one") if upload.role == "media"]
    with pytest.raises(StorageError, match="media store"):
        publish(s3_stores, segments, threads=1, on_bytes=remove)


@pytest.mark.parametrize("kind", ["stores", "s3_stores"])
def test_what_is_there_already_is_not_sent_again(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    stores: Stores = request.getfixturevalue(kind)
    uploads = a_version(tmp_path, "one")
    first = publish(stores, uploads)
    times = {stored_object.key: stored_object.modified for stored_object in stores.media.list("")}
    assert not any(published.unchanged for published in first)

    changed = uploads[2]
    changed.path.write_bytes(b"other contents")
    moved: list[int] = []
    second = publish(stores, uploads, on_bytes=moved.append)
    assert [published.key for published in second if not published.unchanged] == [changed.key]
    assert sum(moved) == sum(upload.path.stat().st_size for upload in uploads)
    after = {stored_object.key: stored_object.modified for stored_object in stores.media.list("")}
    assert {key for key in times if times[key] != after[key]} <= {changed.key}


def damage(endpoint: str, store: ObjectStore, key: str) -> None:
    """Other bytes of the same length in the store, under all that was recorded of the right ones."""
    client = s3_server.client(endpoint)
    there = client.head_object(Bucket=store.bucket, Key=key)
    parameters: Any = {"Bucket": store.bucket, "Key": key, "ContentType": there["ContentType"]}
    parameters |= {"Metadata": there["Metadata"], "CacheControl": there.get("CacheControl", "")}
    data = bytes(there["ContentLength"])
    if "-" not in there["ETag"]:
        client.put_object(**parameters, Body=data)
        return
    upload: Any = {
        "Bucket": store.bucket,
        "Key": key,
        "UploadId": client.create_multipart_upload(**parameters)["UploadId"],
    }
    parts: list[Any] = []
    for number, start in enumerate(range(0, len(data), 5 * MIB), start=1):
        answer = client.upload_part(**upload, PartNumber=number, Body=data[start : start + 5 * MIB])
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


@pytest.mark.parametrize("size", [1000, 11 * MIB])
def test_damage_that_shows_in_the_etag_alone_is_sent_again(
    s3_stores: Stores, endpoint: str, size: int, tmp_path: Path
) -> None:
    """The SHA-256 in the metadata is what the uploader wrote; the ETag is of the bytes that are there."""
    store = S3Store(s3_stores.media._location, part_size=5 * MIB)  # type: ignore[attr-defined]
    stores = Stores(archive=s3_stores.archive, media=store, assets=store)
    path, key = tmp_path / "segment", keys.segment(VARIANT, 0)
    path.write_bytes(os.urandom(size))
    uploads = [Upload(path, "media", key, Stage.CONTENT)]
    publish(stores, uploads)
    damage(endpoint, store, key)
    (again,) = publish(stores, uploads)
    assert not again.unchanged
    store.download(key, tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == path.read_bytes()
    (last,) = publish(stores, uploads)
    assert last.unchanged


def test_parts_of_another_size_say_nothing(s3_stores: Stores, tmp_path: Path) -> None:
    """As an earlier release may have sent them: they are not sent again, each time that they are looked at."""
    location = s3_stores.media._location  # type: ignore[attr-defined]
    path = tmp_path / "segment"
    path.write_bytes(os.urandom(11 * MIB))
    uploads = [Upload(path, "media", keys.segment(VARIANT, 0), Stage.CONTENT)]
    for earlier, unchanged in ((6 * MIB, False), (5 * MIB, True), (16 * MIB, True)):
        store = S3Store(location, part_size=earlier)
        (published,) = publish(Stores(archive=store, media=store, assets=store), uploads)
        assert published.unchanged is unchanged
    # Whole, it has an ETag that can be compared by any release.
    S3Store(location).upload(path, uploads[0].key, content_type="video/mp2t", cache_control=headers(uploads[0].key)[1])
    store = S3Store(location, part_size=5 * MIB)
    (published,) = publish(Stores(archive=store, media=store, assets=store), uploads)
    assert published.unchanged


def test_a_record_knows_the_etag_that_was_confirmed(s3_stores: Stores, endpoint: str, tmp_path: Path) -> None:
    """So that a job that comes again is not answered with what was damaged since: a few objects or many."""
    uploads = a_version(tmp_path, "one")
    files = tuple(
        StoredFile(
            role=each.role, key=each.key, size=each.size, sha256=each.sha256, version=each.version, etag=each.etag
        )
        for each in publish(s3_stores, uploads)
    )
    record = OutputRecord(
        media_id="m1", media_type="video", output="x", code_version="1", data_version="1", files=files
    )
    few = record.model_copy(update={"files": files[:1]})
    assert redelivery.is_published([record], s3_stores)
    assert redelivery.is_published([few], s3_stores)
    damage(endpoint, s3_stores.media, files[0].key)
    assert not redelivery.is_published([record], s3_stores)
    assert not redelivery.is_published([few], s3_stores)
    earlier = tuple(file.model_copy(update={"etag": None}) for file in files)
    assert redelivery.is_published([record.model_copy(update={"files": earlier})], s3_stores), "of earlier releases"


def test_same_contents_under_other_headers_are_sent_again(stores: Stores, tmp_path: Path) -> None:
    uploads = a_version(tmp_path, "one")
    stores.media.write(MASTER, uploads[0].path.read_bytes(), content_type="text/plain")
    done = publish(stores, uploads)
    assert not done[0].unchanged
    stored_object = stores.media.head(MASTER)
    assert stored_object is not None
    assert stored_object.content_type == "application/vnd.apple.mpegurl"


def test_cancelling_stops_and_is_not_renamed(stores: Stores, media: Noting, tmp_path: Path) -> None:
    publish(stores, a_version(tmp_path, "one"))
    calls: list[int] = []

    def cancel(count: int) -> None:
        calls.append(count)
        if len(calls) == 3:
            raise JobCancelled()

    with pytest.raises(JobCancelled):
        publish(stores, a_version(tmp_path, "two", segments=200), on_bytes=cancel)
    assert len(calls) == 3
    assert versions(media, [VARIANT, MASTER]) == {"one"}


def test_progress_is_told_one_call_at_a_time(stores: Stores, tmp_path: Path) -> None:
    busy = threading.Lock()

    def count(_: int) -> None:
        assert busy.acquire(blocking=False)
        time.sleep(0.001)  # long enough for another thread to come in, if it could
        busy.release()

    publish(stores, a_version(tmp_path, "one", segments=100), on_bytes=count)


def test_a_missing_local_file_is_found_before_anything_is_sent(stores: Stores, media: Noting, tmp_path: Path) -> None:
    uploads = a_version(tmp_path, "one")
    uploads[0].path.unlink()
    with pytest.raises(InternalError, match="could not read a local file"):
        publish(stores, uploads)
    assert media.sent == []


def test_plans_that_cannot_be_meant(stores: Stores, media: Noting, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    segment = Upload(path, "media", keys.segment(VARIANT, 0), Stage.CONTENT)
    with pytest.raises(ValueError, match="two files"):
        publish(stores, [segment, segment])
    with pytest.raises(ValueError, match="no content type"):
        publish(stores, [segment, Upload(path, "media", PREFIX + "notes.bin", Stage.CONTENT)])
    with pytest.raises(ValueError, match="is a playlist"):
        publish(stores, [segment, Upload(path, "media", VARIANT, Stage.CONTENT)])
    assert media.sent == []
    assert publish(stores, []) == ()
