"""What every store promises, tried on both that we ship: a folder, and S3 over HTTP against a real server."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import s3_server
from botocore.exceptions import ClientError
from loopback import QuietHandler, serving

from codex_assets.errors import InternalError, JobCancelled, MissingInput, StorageError
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import ObjectStore, Stores, file_sha256
from codex_assets.storage.s3 import S3Store
from codex_assets.storage.s3_parts import UploadInParts

MIB = 1024 * 1024
KEY = "c1/hls/m1/720p/segment_00000.ts"
TS = "video/mp2t"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server.s3_server() as url:
        yield url


@pytest.fixture
def s3(endpoint: str) -> S3Store:
    return S3Store(s3_server.location(endpoint, s3_server.bucket(endpoint)), part_size=5 * MIB)


@pytest.fixture
def folder(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store", "media", "codex-media-local")


@pytest.fixture(params=["folder", "s3", "s3-versioned"])
def store(request: pytest.FixtureRequest, endpoint: str) -> ObjectStore:
    if request.param == "folder":
        made: DirectoryStore = request.getfixturevalue("folder")
        return made
    versioned = request.param == "s3-versioned"
    bucket = s3_server.bucket(endpoint, versioned=versioned)
    return S3Store(s3_server.location(endpoint, bucket, versioned=versioned), part_size=5 * MIB)


def a_file(folder: Path, size: int, name: str = "source.bin") -> Path:
    path = folder / name
    path.write_bytes(os.urandom(size))
    return path


class Counter:
    """Counts bytes; raises once `limit` of them have moved."""

    def __init__(self, limit: int | None = None) -> None:
        self.total = 0
        self.limit = limit

    def __call__(self, count: int) -> None:
        assert count >= 0
        self.total += count
        if self.limit is not None and self.total >= self.limit:
            raise JobCancelled()


# Both stores


@pytest.mark.parametrize("size", [0, 1, 100_000, 12 * MIB + 7])
def test_what_goes_up_comes_down(store: ObjectStore, tmp_path: Path, size: int) -> None:
    source, up, down = a_file(tmp_path, size), Counter(), Counter()
    sent = store.upload(source, KEY, content_type=TS, cache_control="max-age=60", on_bytes=up)
    assert (sent.key, sent.size, sent.sha256) == (KEY, size, file_sha256(source))
    assert (sent.content_type, sent.cache_control) == (TS, "max-age=60")
    assert sent.modified is not None
    assert sent.modified.tzinfo is not None
    assert store.head(KEY) == sent

    target = tmp_path / "deep" / "down" / "target.bin"
    got = store.download(KEY, target, on_bytes=down)
    assert target.read_bytes() == source.read_bytes()
    assert (got.size, got.sha256) == (size, sent.sha256)
    assert up.total == down.total == size
    assert os.listdir(target.parent) == ["target.bin"]


def test_small_objects_from_memory(store: ObjectStore) -> None:
    written = store.write("records/m1/media.json", b'{"a": 1}', content_type="application/json")
    assert written.sha256 == hashlib.sha256(b'{"a": 1}').hexdigest()
    assert (written.content_type, written.cache_control) == ("application/json", None)
    assert store.read("records/m1/media.json") == b'{"a": 1}'


def test_a_later_write_replaces(store: ObjectStore) -> None:
    store.write(KEY, b"former", content_type=TS, cache_control="no-cache")
    store.write(KEY, b"present", content_type="text/plain")
    stored_object = store.head(KEY)
    assert stored_object is not None
    assert (stored_object.size, stored_object.content_type, stored_object.cache_control) == (7, "text/plain", None)
    assert store.read(KEY) == b"present"
    assert [stored_object.key for stored_object in store.list("")] == [KEY]


def test_a_listing_is_whole_and_in_order(store: ObjectStore) -> None:
    names = [f"m1/{number:03d}.ts" for number in range(2 * s3_server.PAGE + 5)]
    for key in [
        *reversed(names),
        "m10/a.ts",
        "m1.json",
        "m1-x/a.ts",
        "m1/deep/er/b.ts",
        "m1/deep-er.ts",
        "m1/é ö+%.ts",
    ]:
        store.write(key, b"x" * 3, content_type=TS)
    listed = list(store.list("m1/"))
    assert [stored_object.key for stored_object in listed] == [
        *names,
        "m1/deep-er.ts",
        "m1/deep/er/b.ts",
        "m1/é ö+%.ts",
    ]
    assert {stored_object.size for stored_object in listed} == {3}
    assert [stored_object.key for stored_object in store.list("m1/00")] == names[:10]
    assert [stored_object.key for stored_object in store.list("m1")] == [
        "m1-x/a.ts",
        "m1.json",
        *(stored_object.key for stored_object in listed),
        "m10/a.ts",
    ]
    assert list(store.list("nothing/")) == []


@pytest.mark.parametrize("store", ["folder", "s3", pytest.param("s3-versioned", marks=pytest.mark.slow)], indirect=True)
def test_what_is_not_there(store: ObjectStore, tmp_path: Path) -> None:
    store.write("c1/x.ts", b"x", content_type=TS)
    target = tmp_path / "target" / "x"
    for key in ("c1/y.ts", "c1", "c1/x.ts/y"):
        assert store.head(key) is None
        with pytest.raises(MissingInput, match=rf"media store holds no object '{key}' in bucket '{store.bucket}'"):
            store.read(key)
        with pytest.raises(MissingInput):
            store.download(key, target)
        store.delete(key)
    assert not target.exists()
    assert store.read("c1/x.ts") == b"x"


def test_deleting_takes_exactly_one_key(store: ObjectStore) -> None:
    for key in ("c1/a", "c1/a.bak", "c1/ab/c", "c1/b"):
        store.write(key, b"1", content_type=TS)
        store.write(key, b"2", content_type=TS)
    store.delete("c1/a")
    store.delete("c1/a")
    assert store.head("c1/a") is None
    assert [stored_object.key for stored_object in store.list("")] == ["c1/a.bak", "c1/ab/c", "c1/b"]


def test_keys_that_lead_elsewhere_are_refused(store: ObjectStore, tmp_path: Path) -> None:
    source = a_file(tmp_path, 1)
    attempts: list[Callable[[str], object]] = [
        lambda key: store.upload(source, key, content_type=TS),
        lambda key: store.write(key, b"", content_type=TS),
        lambda key: store.download(key, tmp_path / "out"),
        store.read,
        store.head,
        store.delete,
    ]
    for key in ("", "/a", "a//b", "a/", "../a", "a/../b", "a/./b", "a\\b", "a\nb", "a\0b", "é" * 513):
        for attempt in attempts:
            with pytest.raises(StorageError, match="not a valid storage key") as caught:
                attempt(key)
            assert not caught.value.retryable
    assert list(store.list("")) == []


@pytest.mark.parametrize("size", [1000, 12 * MIB])
def test_a_cancelled_upload_leaves_no_new_object(store: ObjectStore, tmp_path: Path, size: int) -> None:
    """The former version stays, where the store can take it back: a small object is in place once its bytes are."""
    store.write(KEY, b"former", content_type=TS)
    with pytest.raises(JobCancelled):
        store.upload(a_file(tmp_path, size), KEY, content_type=TS, on_bytes=Counter(limit=1))
    if size > 1000 or isinstance(store, DirectoryStore):
        assert store.read(KEY) == b"former"


@pytest.mark.parametrize("size", [1000, 12 * MIB])
def test_a_cancelled_download_leaves_no_file(store: ObjectStore, tmp_path: Path, size: int) -> None:
    store.upload(a_file(tmp_path, size), KEY, content_type=TS)
    target = tmp_path / "target" / "file"
    with pytest.raises(JobCancelled):
        store.download(KEY, target, on_bytes=Counter(limit=1))
    assert os.listdir(target.parent) == []


@pytest.mark.parametrize("size", [1000, 12 * MIB])
def test_a_file_that_is_not_the_announced_one_is_not_published(store: ObjectStore, tmp_path: Path, size: int) -> None:
    with pytest.raises(InternalError, match="changed"):
        store.upload(a_file(tmp_path, size), KEY, content_type=TS, sha256="0" * 64)
    assert store.head(KEY) is None


def test_a_local_file_is_not_the_stores_fault(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="could not read a local file") as caught:
        store.upload(tmp_path / "gone", KEY, content_type=TS)
    assert str(tmp_path) not in caught.value.public
    store.write(KEY, b"x", content_type=TS)
    blocked = a_file(tmp_path, 1, "blocked")
    with pytest.raises(InternalError, match="could not write a local file") as caught:
        store.download(KEY, blocked / "target")
    assert str(tmp_path) not in caught.value.public


def test_a_callbacks_own_failure_is_not_taken_for_the_stores(store: ObjectStore, tmp_path: Path) -> None:
    def broken(count: int) -> None:
        raise OSError("the callback's own")

    with pytest.raises(OSError, match="the callback's own"):
        store.upload(a_file(tmp_path, 10), KEY, content_type=TS, on_bytes=broken)
    store.write(KEY, b"x", content_type=TS)
    with pytest.raises(OSError, match="the callback's own"):
        store.download(KEY, tmp_path / "target", on_bytes=broken)


def test_one_store_serves_many_threads(store: ObjectStore, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(3):
                key = f"same/folder/{number}-{turn}"
                store.write(key, key.encode(), content_type=TS)
                assert store.read(key) == key.encode()
                store.delete(key)
        except BaseException as error:  # noqa: BLE001 (reported below, in the test's own thread)
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert list(store.list("")) == []


def test_a_store_that_works_passes_its_check(store: ObjectStore) -> None:
    store.check()
    assert (store.name, store.bucket) == ("media", store.bucket)


def test_stores_by_role_and_bucket(tmp_path: Path) -> None:
    archive, media, assets = (
        DirectoryStore(tmp_path, role, f"codex-{role}") for role in ("archive", "media", "assets")
    )
    stores = Stores(archive, media, assets)
    assert [stores.by_role("archive"), stores.by_role("media"), stores.by_role("assets")] == [archive, media, assets]


# S3


def test_a_large_file_goes_up_in_equal_parts(s3: S3Store, endpoint: str, tmp_path: Path) -> None:
    source = a_file(tmp_path, 12 * MIB)
    sent = s3.upload(source, KEY, content_type=TS)
    data = source.read_bytes()
    parts = [hashlib.md5(data[at : at + 5 * MIB]).digest() for at in range(0, len(data), 5 * MIB)]
    assert sent.etag == f"{hashlib.md5(b''.join(parts)).hexdigest()}-3"
    first = s3_server.client(endpoint).head_object(Bucket=s3.bucket, Key=KEY, PartNumber=1)
    assert first["ContentLength"] == 5 * MIB


def test_the_default_part_is_16_mib(endpoint: str, tmp_path: Path) -> None:
    store = S3Store(s3_server.location(endpoint, s3_server.bucket(endpoint)))
    single = store.upload(a_file(tmp_path, 16 * MIB), "single", content_type=TS)
    double = store.upload(a_file(tmp_path, 16 * MIB + 1), "double", content_type=TS)
    assert single.etag is not None
    assert "-" not in single.etag
    assert double.etag is not None
    assert double.etag.endswith("-2")
    assert store.download("double", tmp_path / "down").sha256 == double.sha256


def test_a_cancelled_upload_leaves_no_parts(s3: S3Store, endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(JobCancelled):
        s3.upload(a_file(tmp_path, 25 * MIB), KEY, content_type=TS, on_bytes=Counter(limit=10 * MIB))
    assert s3_server.client(endpoint).list_multipart_uploads(Bucket=s3.bucket).get("Uploads", []) == []
    assert s3.head(KEY) is None


@pytest.mark.parametrize(
    ("body", "noted", "finding"),
    [
        (b"x" * 999, True, "999 bytes long instead of 1000"),
        pytest.param(b"x" * 1000, True, "ETag is that of other contents", marks=pytest.mark.slow),
        pytest.param(b"x" * 1000, False, "recorded SHA-256 is another one", marks=pytest.mark.slow),
    ],
)
def test_what_another_writer_put_in_between_is_noticed(
    s3: S3Store, endpoint: str, tmp_path: Path, body: bytes, noted: bool, finding: str
) -> None:
    source = a_file(tmp_path, 1000)

    def interfere(count: int) -> None:  # called when the bytes are in the store, before it is asked what it holds
        s3_server.client(endpoint).put_object(
            Bucket=s3.bucket, Key=KEY, Body=body, Metadata={"sha256": file_sha256(source)} if noted else {}
        )

    with pytest.raises(StorageError, match=finding) as caught:
        s3.upload(source, KEY, content_type=TS, on_bytes=interfere)
    assert caught.value.retryable


def test_an_object_that_vanished_after_its_upload_is_noticed(s3: S3Store, endpoint: str, tmp_path: Path) -> None:
    client = s3_server.client(endpoint)
    with pytest.raises(StorageError, match="it is not there"):
        s3.upload(
            a_file(tmp_path, 10),
            KEY,
            content_type=TS,
            on_bytes=lambda count: client.delete_object(Bucket=s3.bucket, Key=KEY) and None,
        )


def test_contents_that_do_not_match_their_record_are_not_handed_over(
    s3: S3Store, endpoint: str, tmp_path: Path
) -> None:
    s3_server.client(endpoint).put_object(Bucket=s3.bucket, Key=KEY, Body=b"x", Metadata={"sha256": "0" * 64})
    with pytest.raises(StorageError, match="other contents"):
        s3.download(KEY, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_an_object_that_changes_while_it_is_read_is_not_handed_over(s3: S3Store, endpoint: str, tmp_path: Path) -> None:
    # More ranges than are in flight at once, so that some are asked for after the change.
    store = S3Store(s3_server.location(endpoint, s3.bucket), part_size=MIB)
    client, data = s3_server.client(endpoint), os.urandom(12 * MIB)
    client.put_object(Bucket=s3.bucket, Key=KEY, Body=data)
    moved = Counter()
    others = [data[::-1], data]

    def replace_once(count: int) -> None:
        moved(count)
        if moved.total == count:
            client.put_object(Bucket=s3.bucket, Key=KEY, Body=others.pop(0))

    hasty = S3Store(s3_server.location(endpoint, s3.bucket), part_size=MIB, attempts=1)
    with pytest.raises(StorageError, match="changed while it was read") as caught:
        hasty.download(KEY, tmp_path / "target", on_bytes=replace_once)
    assert caught.value.retryable
    assert not (tmp_path / "target").exists()

    moved.total = 0
    store.download(KEY, tmp_path / "target", on_bytes=replace_once)
    assert (tmp_path / "target").read_bytes() == data, "read again, and whole"
    assert moved.total == len(data), "no byte is reported twice"


def test_an_upload_of_someone_else_has_no_sha256_until_it_is_read(s3: S3Store, endpoint: str, tmp_path: Path) -> None:
    s3_server.client(endpoint).put_object(Bucket=s3.bucket, Key="originals/c1/m1/original.mov", Body=b"movie")
    stored_object = s3.head("originals/c1/m1/original.mov")
    assert stored_object is not None
    assert stored_object.sha256 is None
    got = s3.download("originals/c1/m1/original.mov", tmp_path / "original.mov")
    assert got == replace(stored_object, sha256=hashlib.sha256(b"movie").hexdigest())


def test_a_versioned_bucket_keeps_nothing_of_a_deleted_key(endpoint: str) -> None:
    store = S3Store(
        s3_server.location(endpoint, s3_server.bucket(endpoint, versioned=True), role="archive", versioned=True)
    )
    client = s3_server.client(endpoint)
    for _ in range(s3_server.PAGE + 3):
        store.write("originals/a", b"a", content_type=TS)
    client.delete_object(Bucket=store.bucket, Key="originals/a")  # a marker, as other programs leave them
    store.write("originals/a", b"a", content_type=TS)
    store.write("originals/a.bak", b"b", content_type=TS)

    store.delete("originals/a")
    left = client.list_object_versions(Bucket=store.bucket)
    assert [version["Key"] for version in left.get("Versions", [])] == ["originals/a.bak"]
    assert left.get("DeleteMarkers", []) == []


@pytest.mark.slow
def test_a_bucket_that_does_not_exist(endpoint: str, tmp_path: Path) -> None:
    store = S3Store(s3_server.location(endpoint, "no-such-bucket", role="archive"))
    attempts: list[Callable[[], object]] = [
        store.check,
        lambda: list(store.list("a/")),
        lambda: store.read("a"),
        lambda: store.write("a", b"", content_type=TS),
        lambda: store.download("a", tmp_path / "a"),
        lambda: store.delete("a"),
    ]
    for attempt in attempts:
        with pytest.raises(StorageError, match="archive store has no bucket 'no-such-bucket'") as caught:
            attempt()
        assert not caught.value.retryable


def test_a_store_that_cannot_be_reached() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = S3Store(s3_server.location(f"http://127.0.0.1:{port}", "b"), attempts=1)
    with pytest.raises(StorageError, match=r"media store could not list bucket 'b'.*check the endpoint") as caught:
        store.check()
    assert caught.value.retryable
    assert str(port) not in caught.value.public


def test_an_address_that_is_none() -> None:
    with pytest.raises(StorageError, match="is not valid") as caught:
        S3Store(s3_server.location("not an address", "b")).check()
    assert not caught.value.retryable


def test_no_secret_shows() -> None:
    at = s3_server.location("http://127.0.0.1:1", "b")
    for shown in (repr(at), repr(S3Store(at)), str(S3Store(at))):
        assert s3_server.ACCESS_KEY not in shown
        assert s3_server.SECRET_KEY not in shown


# Answers that moto never gives, from a server that gives nothing else


class Scripted(QuietHandler):
    """Answers each request with the next of `answers`, the last one for ever."""

    answers: list[tuple[int, bytes]]
    asked: list[str]

    def answer(self) -> None:
        self.read_body()
        self.asked.append(self.command)
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        announced = len(body)
        if body.endswith(b"<cut>"):  # promise more than is sent, then hang up
            body, announced = body.removesuffix(b"<cut>"), len(body) + 100
            self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", str(announced))
        self.send_header("ETag", '"tag"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer


@contextmanager
def scripted(*answers: tuple[int, bytes], attempts: int = 1) -> Iterator[tuple[S3Store, list[str]]]:
    asked: list[str] = []
    handler = type("Handler", (Scripted,), {"answers": list(answers), "asked": asked})
    with serving(handler) as port:
        yield S3Store(s3_server.location(f"http://127.0.0.1:{port}", "b"), attempts=attempts), asked


def refusal(code: str, message: str = "no") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


@pytest.mark.parametrize(
    ("status", "body", "sentence", "retryable"),
    [
        (403, refusal("InvalidAccessKeyId"), "does not accept the worker's credentials", False),
        (403, refusal("SignatureDoesNotMatch"), "does not accept the worker's credentials", False),
        (401, refusal("Unauthorized"), "does not accept the worker's credentials", False),
        (403, refusal("AccessDenied"), "credentials are wrong, or do not allow it", False),
        (
            403,
            refusal("AccessDenied", "Cannot download file, download bandwidth or transaction (Class B) cap exceeded."),
            "usage cap of its account is exceeded",
            False,
        ),
        (400, refusal("AuthorizationHeaderMalformed"), "another region", False),
        (400, refusal("InvalidRequest"), r"refused to read 'k' in bucket 'b' \(InvalidRequest\)", False),
        (400, refusal("RequestTimeout"), "unavailable", True),
        (429, refusal("TooManyRequests"), "unavailable", True),
        (500, refusal("InternalError"), "unavailable", True),
        (503, refusal("ServiceUnavailable"), "unavailable", True),
        (502, b"<html>Bad Gateway</html>", "unavailable", True),
        (404, refusal("NoSuchBucket"), "has no bucket 'b'", False),
    ],
)
def test_what_a_refusal_means(status: int, body: bytes, sentence: str, retryable: bool) -> None:
    with scripted((status, body)) as (store, asked), pytest.raises(StorageError, match=sentence) as caught:
        store.read("k")
    assert caught.value.retryable is retryable
    assert len(asked) == 1
    assert "127.0.0.1" not in caught.value.public


def test_a_key_id_that_a_store_quotes_stays_out_of_the_log() -> None:
    body = refusal("InvalidAccessKeyId", f"The key '{s3_server.ACCESS_KEY}' is not valid")
    with scripted((403, body)) as (store, _), pytest.raises(StorageError) as caught:
        store.read("k")
    assert caught.value.detail is not None
    assert "The key '***' is not valid" in caught.value.detail


def test_a_store_that_is_busy_is_asked_again() -> None:
    answers = (503, refusal("ServiceUnavailable")), (500, refusal("InternalError")), (200, b"here")
    with scripted(*answers, attempts=3) as (store, asked):
        assert store.read("k") == b"here"
    assert asked == ["GET"] * 3


def test_a_body_that_breaks_off_is_fetched_again() -> None:
    with scripted((200, b"he<cut>"), (200, b"here")) as (store, asked):
        assert store.read("k") == b"here"
    assert asked == ["GET"] * 2


def test_a_body_that_always_breaks_off() -> None:
    with scripted((200, b"he<cut>")) as (store, asked), pytest.raises(StorageError, match="unavailable") as caught:
        store.read("k")
    assert caught.value.retryable
    assert len(asked) == 4


def test_a_multipart_upload_whose_last_answer_was_lost_counts_as_done(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK repeats the completion, and the store answers that there is no such upload: it became the object."""

    # moto remembers completed uploads, R2 and B2 do not: the repeated request is answered by a server that forgot.
    with scripted((404, refusal("NoSuchUpload"))) as (forgetful, asked):
        complete = UploadInParts._complete

        def complete_twice(upload: UploadInParts, upload_id: str, parts: list[tuple[str, bytes]], size: int) -> None:
            complete(upload, upload_id, parts, size)
            complete(replace(upload, requests=forgetful._requests), upload_id, parts, size)

        monkeypatch.setattr(UploadInParts, "_complete", complete_twice)
        store = S3Store(s3_server.location(endpoint, s3_server.bucket(endpoint)), part_size=5 * MIB)
        source = a_file(tmp_path, 6 * MIB)
        assert store.upload(source, KEY, content_type=TS).sha256 == file_sha256(source)
    assert asked == ["POST"]


# Folders


def test_a_folder_holds_the_objects_and_nothing_else(folder: DirectoryStore, tmp_path: Path) -> None:
    root = tmp_path / "store"
    folder.upload(a_file(tmp_path, 3), "c1/hls/m1/a.ts", content_type=TS)
    folder.write("c1/b.json", b"{}", content_type="application/json")
    files = sorted(path.relative_to(root / folder.bucket).as_posix() for path in (root / folder.bucket).rglob("*.*"))
    assert files == ["c1/b.json", "c1/hls/m1/a.ts"]
    assert list((root / ".meta" / ".incoming").iterdir()) == []

    folder.delete("c1/hls/m1/a.ts")
    assert sorted(path.name for path in (root / folder.bucket / "c1").iterdir()) == ["b.json"]
    folder.delete("c1/b.json")
    assert list((root / folder.bucket).iterdir()) == []
    assert list((root / ".meta" / folder.bucket).iterdir()) == []


def test_a_file_that_was_put_there_by_hand_is_an_object(folder: DirectoryStore, tmp_path: Path) -> None:
    path = tmp_path / "store" / folder.bucket / "originals" / "c1" / "m1" / "original.mov"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"movie")
    stored_object = folder.head("originals/c1/m1/original.mov")
    assert stored_object is not None
    assert (stored_object.size, stored_object.sha256) == (5, hashlib.sha256(b"movie").hexdigest())
    assert stored_object.content_type is None


def test_a_file_that_was_changed_by_hand_is_seen_as_changed(folder: DirectoryStore, tmp_path: Path) -> None:
    folder.write("c1/a", b"former", content_type=TS)
    path = tmp_path / "store" / folder.bucket / "c1" / "a"
    path.write_bytes(b"by hand")
    stored_object = folder.head("c1/a")
    assert stored_object is not None
    assert stored_object.sha256 == hashlib.sha256(b"by hand").hexdigest()


def test_damage_that_keeps_size_and_time_is_found_on_the_way_down(folder: DirectoryStore, tmp_path: Path) -> None:
    folder.write("c1/a", b"former", content_type=TS)
    path = tmp_path / "store" / folder.bucket / "c1" / "a"
    times = path.stat()
    path.write_bytes(b"latter")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(StorageError, match="other contents"):
        folder.download("c1/a", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_link_that_leads_out_of_the_folder_is_not_followed(folder: DirectoryStore, tmp_path: Path) -> None:
    folder.write("c1/a", b"here", content_type=TS)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b").write_bytes(b"not ours")
    bucket = tmp_path / "store" / folder.bucket
    (bucket / "c1" / "linked").symlink_to(outside)
    (bucket / "c1" / "file").symlink_to(outside / "b")
    (bucket / "c1" / "self").symlink_to(bucket / "c1" / "a")
    (tmp_path / "store" / ".meta" / folder.bucket / "notes").symlink_to(outside)

    attempts: list[Callable[[str], object]] = [
        folder.read,
        folder.head,
        folder.delete,
        folder.path,
        lambda key: folder.download(key, tmp_path / "target"),
        lambda key: folder.write(key, b"x", content_type=TS),
        lambda key: folder.upload(outside / "b", key, content_type=TS),
        lambda key: list(folder.list(f"{key}/")),
    ]
    for key in ("c1/linked/b", "c1/linked", "c1/file"):
        for attempt in attempts:
            with pytest.raises(StorageError, match="symbolic link") as caught:
                attempt(key)
            assert not caught.value.retryable
            assert str(tmp_path) not in caught.value.public
    with pytest.raises(StorageError, match="symbolic link"):
        folder.write("notes/b", b"x", content_type=TS)
    assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("b", b"not ours")]
    assert [each.key for each in folder.list("")] == ["c1/a", "c1/self"], "what leads out is no object"
    assert folder.read("c1/self") == b"here"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    blocked = a_file(tmp_path, 1, "blocked")
    store = DirectoryStore(blocked, "archive", "codex-archive")
    with pytest.raises(StorageError, match="check STORAGE_DIR") as caught:
        store.check()
    assert not caught.value.retryable
    assert str(tmp_path) not in caught.value.public
    with pytest.raises(StorageError, match="could not write 'k'") as caught:
        store.write("k", b"", content_type=TS)
    assert str(tmp_path) not in caught.value.public


@pytest.mark.parametrize("bucket", ["", ".", "..", ".meta", "a/b"])
def test_a_bucket_is_one_folder(tmp_path: Path, bucket: str) -> None:
    with pytest.raises(ValueError, match="name of a bucket"):
        DirectoryStore(tmp_path, "media", bucket)


# --- The server that the tests ask ------------------------------------------------------------------------------------


def winners(url: str, key: str) -> int:
    """How many of eight creates of the same key at once succeed."""
    client, bucket = s3_server.client(url), s3_server.bucket(url)
    together = threading.Barrier(8)

    def create(_: int) -> bool:
        together.wait(30)
        try:
            client.put_object(Bucket=bucket, Key=key, Body=os.urandom(8), IfNoneMatch="*")
        except ClientError as error:
            return error.response["Error"]["Code"] != "PreconditionFailed"
        return True

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(create, range(8)))


def test_of_creates_at_once_one_wins(endpoint: str) -> None:
    assert [winners(endpoint, f"lease-{number}") for number in range(5)] == [1] * 5


def test_of_creates_at_once_several_win_without_the_lock() -> None:
    with s3_server.s3_server(locked=False) as url:
        assert winners(url, "lease") > 1


def test_a_copied_server_goes_its_own_way() -> None:
    with s3_server.started() as server:
        bucket = s3_server.bucket(server.url, versioned=True)
        s3_server.client(server.url).put_object(Bucket=bucket, Key="kept", Body=b"before")
        with server.copied() as url:
            copy = s3_server.client(url)
            original = s3_server.client(server.url).head_object(Bucket=bucket, Key="kept")
            assert copy.head_object(Bucket=bucket, Key="kept")["VersionId"] == original["VersionId"]
            copy.put_object(Bucket=bucket, Key="kept", Body=b"after")
            assert s3_server.client(server.url).get_object(Bucket=bucket, Key="kept")["Body"].read() == b"before"
