"""Stores behind what people put before them: fronts that re-write answers, leave parts of them out, or answer instead.

A real S3 server behind a real proxy. What the store has is never in doubt; what its answers say of it is.
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jobs
import pytest
import s3_server
from pydantic import SecretStr
from store_front import Answer, Asked, Change, Front, front
from webhook_receiver import receiving

from codex_assets.config import settings as configuration
from codex_assets.errors import MissingInput, StorageError
from codex_assets.storage.locations import S3Location
from codex_assets.storage.objects import Stores, file_sha256
from codex_assets.storage.publish import Stage, Upload, publish
from codex_assets.storage.s3 import S3Store
from codex_assets.worker import job

MIB = 1024 * 1024
KEY = "c1/hls/m1/720p/segment_00000.ts"
TS = "video/mp2t"
CAP = b"<Error><Code>AccessDenied</Code><Message>Cannot download file, download cap exceeded.</Message></Error>"
PAGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title><body><p>Checking your browser<br></body></html>"
NEAT_PAGE = b"<html><head><title>Log in</title></head><body><p>Log in</p></body></html>"


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with s3_server.s3_server() as url:
        yield url


@pytest.fixture
def behind(upstream: str) -> Iterator[Callable[..., S3Store]]:
    """Makes a store behind a front with these changes; its `front` is how the front is looked at."""
    fronts = []

    def make(*changes: Change, versioned: bool = False, attempts: int = 3, pauses: tuple[float, ...] = (0, 0)) -> Made:
        block = front(upstream, *changes)
        state = block.__enter__()
        fronts.append(block)
        bucket = s3_server.bucket(upstream, versioned=versioned)
        store = Made(
            S3Location(
                "archive" if versioned else "media",
                bucket,
                state.url,
                s3_server.REGION,
                SecretStr(s3_server.ACCESS_KEY),
                SecretStr(s3_server.SECRET_KEY),
                versioned=versioned,
            ),
            part_size=5 * MIB,
            attempts=attempts,
            pauses=pauses,
        )
        store.front = state
        return store

    yield make
    for block in fronts:
        block.__exit__(None, None, None)


class Made(S3Store):
    front: Front


def a_file(folder: Path, size: int) -> Path:
    path = folder / f"{size}.ts"
    path.write_bytes(os.urandom(size))
    return path


def on(method: str, change: Callable[[Answer], None], *, once: bool = False) -> Change:
    """`change` for requests of one method; with `once` for the first of them alone."""
    done: list[Asked] = []

    def apply(asked: Asked, answer: Answer) -> None:
        if asked.method == method and not (once and done):
            done.append(asked)
            change(answer)

    return apply


# --- Headers ----------------------------------------------------------------------------------------------------------


def title(asked: Asked, answer: Answer) -> None:
    answer.headers = [("-".join(p.capitalize() for p in n.split("-")), v) for n, v in reversed(answer.headers)]


def upper(asked: Asked, answer: Answer) -> None:
    answer.headers = [(name.upper(), value) for name, value in answer.headers]


def lower(asked: Asked, answer: Answer) -> None:
    answer.headers = [(name.lower(), value) for name, value in reversed(answer.headers)]


def parameters(asked: Asked, answer: Answer) -> None:
    if kind := answer.get("content-type"):
        answer.put("Content-Type", f"{kind.upper()} ; charset=UTF-8")


def quoted(asked: Asked, answer: Answer) -> None:
    if kind := answer.get("content-type"):
        answer.put("Content-Type", f'"{kind}"')


def weak(asked: Asked, answer: Answer) -> None:
    if etag := answer.get("etag"):
        answer.put("ETag", f"W/{etag}")


def weak_when_read(asked: Asked, answer: Answer) -> None:
    if asked.method == "GET" and (etag := answer.get("etag")):
        answer.put("ETag", f"w/{etag}")


def upper_etag(asked: Asked, answer: Answer) -> None:
    if etag := answer.get("etag"):
        answer.put("ETag", etag.upper())


def unquoted(asked: Asked, answer: Answer) -> None:
    if etag := answer.get("etag"):
        answer.put("ETag", etag.strip('"'))


def suffixed(asked: Asked, answer: Answer) -> None:
    if asked.method == "GET" and (etag := answer.get("etag")):
        answer.put("ETag", f'"{etag.strip(chr(34))}-gzip"')


def without(*names: str) -> Change:
    def apply(asked: Asked, answer: Answer) -> None:
        if asked.method in {"HEAD", "PUT"} or "content-length" not in names:
            answer.drop(*names)
            if asked.method != "HEAD" and answer.get("content-length") is None:
                answer.put("Content-Length", str(len(answer.body)))

    return apply


def chunked(asked: Asked, answer: Answer) -> None:
    if asked.method == "HEAD":
        answer.drop("content-length")
        answer.put("Transfer-Encoding", "chunked")


def no_length(asked: Asked, answer: Answer) -> None:
    if asked.method == "HEAD":
        answer.drop("content-length")


def zero_length(asked: Asked, answer: Answer) -> None:
    if asked.method == "HEAD":
        answer.put("Content-Length", "0")


def caching(asked: Asked, answer: Answer) -> None:
    if value := answer.get("cache-control"):
        answer.put("Cache-Control", ",".join(reversed(value.upper().split(", "))))


def compressed(asked: Asked, answer: Answer) -> None:
    """As a CDN that compresses what it thinks is text, whatever was asked for."""
    if asked.method == "HEAD" and answer.status == 200:
        answer.drop("content-length")
        answer.put("Content-Encoding", "gzip")
    if asked.method == "GET" and answer.status == 200 and answer.get("x-amz-meta-sha256"):
        answer.body = gzip.compress(answer.body)
        answer.put("Content-Length", str(len(answer.body)))
        answer.put("Content-Encoding", "gzip")


def compressed_length(asked: Asked, answer: Answer) -> None:
    if asked.method == "HEAD" and answer.status == 200:
        answer.put("Content-Length", "17")
        answer.put("Content-Encoding", "gzip")


def aws_chunked(asked: Asked, answer: Answer) -> None:
    answer.put("Content-Encoding", "aws-chunked")


CHANGES = (
    *(title, upper, lower, parameters, quoted, weak, weak_when_read, upper_etag, unquoted, suffixed, chunked),
    *(no_length, zero_length, caching, compressed, compressed_length, aws_chunked),
    without("etag"),
    without("last-modified"),
    without("content-type"),
    without("date", "server", "etag", "last-modified", "accept-ranges"),
)


@pytest.mark.parametrize(
    ("change", "size"),
    [
        *((change, size) for change in CHANGES for size in (0, 1000)),
        *((change, 11 * MIB) for change in (title, weak_when_read, no_length, zero_length, without("etag"))),
    ],
)
def test_what_a_front_writes_otherwise_changes_nothing(
    behind: Callable[..., Made], tmp_path: Path, change: Change, size: int
) -> None:
    store = behind(change)
    source, target = a_file(tmp_path, size), tmp_path / "target"
    stores = Stores(archive=store, media=store, assets=store)
    uploads = [Upload(source, "media", KEY, Stage.CONTENT)]
    (published,) = publish(stores, uploads)
    assert (published.size, published.sha256, published.unchanged) == (size, file_sha256(source), False)
    (again,) = publish(stores, uploads)
    assert again.unchanged, "it is known again"

    stored_object = store.head(KEY)
    assert stored_object is not None
    assert (stored_object.size, stored_object.sha256) == (size, file_sha256(source))
    assert store.download(KEY, target).size == size
    assert target.read_bytes() == source.read_bytes()
    if size < MIB:
        assert store.read(KEY) == source.read_bytes()
    store.delete(KEY)
    assert store.head(KEY) is None


# --- Fields that are left out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        *("ETag", "LastModified", "Size", "Key", "UploadId", "VersionId", "Bucket", "KeyCount", "IsTruncated"),
        *("Contents", "Version", "NextContinuationToken"),
    ],
)
def test_a_field_that_a_store_leaves_out_is_its_own_fault(
    behind: Callable[..., Made], tmp_path: Path, name: str, versioned: bool
) -> None:
    """In every answer: nothing but errors of stores comes of it, and nothing that was sent is lost by it."""

    def leave_out(asked: Asked, answer: Answer) -> None:
        answer.drop(name.lower(), {"VersionId": "x-amz-version-id", "LastModified": "last-modified"}.get(name, ""))
        if b"<?xml" in answer.body[:10]:
            answer.body = re.sub(f"<{name}>.*?</{name}>|<{name}/>".encode(), b"", answer.body, flags=re.DOTALL)
            answer.put("Content-Length", str(len(answer.body)))

    store = behind(leave_out, versioned=versioned)
    small, large = a_file(tmp_path, 1000), a_file(tmp_path, 6 * MIB)
    attempts: list[Callable[[], object]] = [
        lambda: store.upload(large, "large", content_type=TS),
        lambda: store.upload(small, KEY, content_type=TS),
        lambda: store.head(KEY),
        lambda: store.read(KEY),
        lambda: store.download(KEY, tmp_path / "down"),
        lambda: list(store.list("c1/")),
        store.check,
        lambda: store.delete_version(KEY, "no-such-version"),
        lambda: store.delete(KEY),
    ]
    failures = []
    for attempt in attempts:
        try:
            attempt()
        except StorageError as error:
            failures.append(error)
    assert all(failure.retryable for failure in failures)
    if (tmp_path / "down").exists():
        assert (tmp_path / "down").read_bytes() == small.read_bytes()


# --- Damage on the way ------------------------------------------------------------------------------------------------

ORIGINAL = "originals/c1/m1/original.mov"


def put_original(store: Made, upstream: str, data: bytes, part_sizes: list[int]) -> None:
    """As the platform's clients upload: without a SHA-256, whole or in parts of their own sizes."""
    client = s3_server.client(upstream)
    named: Any = {"Bucket": store.bucket, "Key": ORIGINAL}
    if not part_sizes:
        client.put_object(**named, Body=data)
        return
    upload: Any = {**named, "UploadId": client.create_multipart_upload(**named)["UploadId"]}
    parts: list[Any] = []
    rest = data
    for number, size in enumerate(part_sizes, start=1):
        part = client.upload_part(**upload, PartNumber=number, Body=rest[:size])
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
        rest = rest[size:]
    assert not rest
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


def damaged(answer: Answer) -> None:
    """One bit of the body."""
    if len(answer.body) > 1:
        answer.body = answer.body[:-1] + bytes([answer.body[-1] ^ 1])


def short(answer: Answer) -> None:
    answer.put("Content-Length", str(int(answer.get("content-length") or 0) - 100))


@pytest.mark.parametrize(("method", "change"), [("GET", damaged), ("HEAD", short)])
@pytest.mark.parametrize(
    ("size", "part_sizes"),
    [
        (1000, []),
        (1000, [1000]),
        (11 * MIB, []),
        (11 * MIB, [5 * MIB, 5 * MIB, MIB]),
        (11 * MIB, [5 * MIB, 6 * MIB]),
        (16 * MIB, [5 * MIB, 6 * MIB, 5 * MIB]),
    ],
)
def test_an_original_that_arrives_otherwise_is_fetched_again(
    behind: Callable[..., Made],
    upstream: str,
    tmp_path: Path,
    method: str,
    change: Callable[[Answer], None],
    size: int,
    part_sizes: list[int],
) -> None:
    store, data = behind(), os.urandom(size)
    put_original(store, upstream, data, part_sizes)
    store.front.changes.append(on(method, change, once=True))
    assert store.download(ORIGINAL, tmp_path / "original").size == size
    assert (tmp_path / "original").read_bytes() == data
    assert store.download(ORIGINAL, tmp_path / "original").size == size, "undamaged, by itself"

    store.front.changes[:] = [on(method, change)]
    with pytest.raises(StorageError, match=r"other contents|another size") as caught:
        store.download(ORIGINAL, tmp_path / "never")
    assert caught.value.retryable
    assert not (tmp_path / "never").exists()


def test_parts_that_a_store_does_not_know_are_not_compared(
    behind: Callable[..., Made], upstream: str, tmp_path: Path
) -> None:
    def whole(asked: Asked, answer: Answer) -> None:
        if "partNumber" in asked.path:
            answer.put("Content-Length", str(11 * MIB))

    for change in (whole, on("HEAD", lambda answer: None)):
        store, data = behind(change), os.urandom(11 * MIB)
        put_original(store, upstream, data, [5 * MIB, 6 * MIB])
        store.download(ORIGINAL, tmp_path / "original")
        assert (tmp_path / "original").read_bytes() == data


def test_a_small_object_without_a_digest_is_compared_too(behind: Callable[..., Made], upstream: str) -> None:
    store = behind()
    put_original(store, upstream, b"12345", [])
    store.front.changes.append(on("GET", damaged, once=True))
    assert store.read(ORIGINAL) == b"12345"


def test_the_size_is_listed_where_nothing_else_says_it(behind: Callable[..., Made]) -> None:
    def no_size(asked: Asked, answer: Answer) -> None:
        if asked.method == "HEAD":
            answer.drop("content-length")
        elif asked.headers.get("range") == "bytes=0-0":
            answer.put("Content-Range", "bytes 0-0/*")

    store = behind(no_size)
    assert store.write(KEY, b"12345", content_type=TS).size == 5


def test_a_size_that_nobody_says_is_the_stores_fault(behind: Callable[..., Made], upstream: str) -> None:
    def no_size(asked: Asked, answer: Answer) -> None:
        if asked.method == "HEAD":
            answer.drop("content-length")
        elif asked.headers.get("range") == "bytes=0-0":
            answer.drop("content-range")
        elif "list-type" in asked.path:
            answer.become(200, b"<ListBucketResult><Name>b</Name></ListBucketResult>")

    store = behind(no_size)
    s3_server.client(upstream).put_object(Bucket=store.bucket, Key=KEY, Body=b"12345")
    with pytest.raises(StorageError, match="its answer cannot be read") as caught:
        store.head(KEY)
    assert caught.value.code == "storage_failed"
    assert caught.value.retryable


def test_metadata_that_never_comes_back_is_named(behind: Callable[..., Made]) -> None:
    store = behind(without("x-amz-meta-sha256"))
    with pytest.raises(StorageError, match="let x-amz-meta headers through") as caught:
        store.write(KEY, b"x", content_type=TS)
    assert not caught.value.retryable, "it would be so the next time, too"


def test_somebody_elses_metadata_of_that_name_is_not_ours(
    behind: Callable[..., Made], upstream: str, tmp_path: Path
) -> None:
    store = behind()
    digest = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    s3_server.client(upstream).put_object(Bucket=store.bucket, Key=KEY, Body=b"movie", Metadata={"sha256": digest})
    stored_object = store.head(KEY)
    assert stored_object is not None
    assert stored_object.sha256 is None
    assert store.download(KEY, tmp_path / "movie").size == 5


def test_ranges_that_a_front_ignores_are_named(behind: Callable[..., Made], upstream: str, tmp_path: Path) -> None:
    def whole(asked: Asked, answer: Answer) -> None:
        if "range" in asked.headers and answer.status == 206:
            answer.status = 200

    store = behind(whole)
    data = os.urandom(11 * MIB)
    s3_server.client(upstream).put_object(Bucket=store.bucket, Key=KEY, Body=data)
    with pytest.raises(StorageError, match="let the Range header through") as caught:
        store.download(KEY, tmp_path / "target")
    assert not caught.value.retryable
    assert not (tmp_path / "target").exists()


def test_contents_that_a_front_lost_or_changed_are_not_read(behind: Callable[..., Made], tmp_path: Path) -> None:
    for body in (b"", b"there", PAGE):

        def lose(asked: Asked, answer: Answer, body: bytes = body) -> None:
            if asked.method == "GET" and answer.status == 200:
                answer.body = body
                answer.put("Content-Length", str(len(body)))

        store = behind(lose)
        store.write(KEY, b"here", content_type=TS)
        for read in (lambda: store.read(KEY), lambda: store.download(KEY, tmp_path / "target")):  # noqa: B023
            with pytest.raises(StorageError) as caught:
                read()
            assert caught.value.retryable
    assert not (tmp_path / "target").exists()


@pytest.mark.slow
@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    "changes", [(title, parameters, no_length, weak_when_read), (upper, compressed)], ids=["rewritten", "compressed"]
)
def test_a_whole_job_behind_a_front(upstream: str, tmp_path: Path, changes: tuple[Change, ...]) -> None:
    with front(upstream, *changes) as between, receiving() as receiver:
        environment, buckets = jobs.s3_environment(tmp_path, upstream)
        environment |= {"R2_ENDPOINT": between.url, "B2_ENDPOINT": between.url}
        settings = configuration.load(environment)
        jobs.put_original(settings.stores(), "audio", "m")
        result = job.run("job-1", jobs.payload("audio", "m", receiver.url, buckets=buckets), settings)
    assert result["status"] == "completed", result
    for role, key in jobs.announced_keys(result["output"]).values():
        store = settings.stores().by_role(role)
        assert s3_server.client(upstream).head_object(Bucket=store.bucket, Key=key)["ContentLength"]


# --- What a refusal is about ------------------------------------------------------------------------------------------


def bodiless(status: int) -> Change:
    return on("HEAD", lambda answer: answer.become(status))


def refused(status: int, body: bytes, content_type: str = "application/xml") -> Change:
    """By HEAD without a body, and by GET with one, as stores do it."""

    def apply(asked: Asked, answer: Answer) -> None:
        if asked.method in {"HEAD", "GET"}:
            answer.become(status, b"" if asked.method == "HEAD" else body, content_type)

    return apply


def xml(code: str, message: str = "no") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


@pytest.mark.parametrize(
    ("change", "sentence", "retryable"),
    [
        (refused(403, CAP), "usage cap of its account is exceeded", False),
        (refused(403, b"\xef\xbb\xbf" + CAP), "usage cap of its account is exceeded", False),
        (refused(403, xml("AccessDenied")), "credentials are wrong, or do not allow it", False),
        (refused(403, xml("InvalidAccessKeyId")), "does not accept the worker's credentials", False),
        (refused(403, xml("RequestTimeTooSkewed")), "clock of the worker is wrong", True),
        (refused(400, xml("AuthorizationHeaderMalformed")), "another region", False),
        (refused(400, xml("InvalidRequest")), "InvalidRequest", False),
        (refused(301, xml("PermanentRedirect")), "another region", False),
        (refused(307, xml("TemporaryRedirect")), "another region", False),
        (refused(403, PAGE, "text/html; charset=utf-8"), "not the store answered, but a web page", False),
        (refused(403, NEAT_PAGE, "text/html"), "not the store answered, but a web page", False),
        (refused(404, PAGE, "text/html"), "not the store answered, but a web page", False),
        (refused(302, NEAT_PAGE, "text/html"), "not the store answered, but a web page", False),
        (refused(407, PAGE, "text/html"), "not the store answered, but a web page", False),
        (refused(503, PAGE, "text/html"), "unavailable", True),
        (refused(429, b""), "unavailable", True),
        (refused(522, PAGE, "text/html"), "unavailable", True),
        (refused(400, xml("SlowDown")), "unavailable", True),
        (refused(403, b"not XML"), "credentials are wrong, or do not allow it", False),
        (refused(403, b""), "credentials are wrong, or do not allow it", False),
    ],
)
def test_what_head_cannot_say_is_asked_by_a_get(
    behind: Callable[..., Made], tmp_path: Path, change: Change, sentence: str, retryable: bool
) -> None:
    store = behind(change, attempts=2)
    for ask in (lambda: store.download(KEY, tmp_path / "x"), lambda: store.read(KEY)):
        with pytest.raises(StorageError, match=sentence) as caught:
            ask()
        assert caught.value.retryable is retryable
        assert "127.0.0.1" not in caught.value.public


@pytest.mark.parametrize("status", [400, 403, 405])
def test_a_front_that_forbids_head_is_asked_by_get(behind: Callable[..., Made], status: int, tmp_path: Path) -> None:
    store = behind(bodiless(status))
    for size in (0, 1000):
        sent = store.upload(a_file(tmp_path, size), KEY, content_type=TS, cache_control="no-cache")
        assert (sent.size, sent.content_type, sent.cache_control) == (size, TS, "no-cache")
    assert store.head("c1/nothing") is None


@pytest.mark.parametrize(
    ("body", "kind"), [(PAGE, "text/html"), (NEAT_PAGE, "text/html"), (b"", "application/xml"), (b"{}", "text/plain")]
)
def test_a_page_with_200_is_no_listing(behind: Callable[..., Made], body: bytes, kind: str) -> None:
    """A captive portal is not an empty bucket."""
    store = behind(on("GET", lambda answer: answer.become(200, body, kind)))
    for ask in (store.check, lambda: list(store.list("c1/"))):
        with pytest.raises(StorageError) as caught:
            ask()
        assert caught.value.code == "storage_failed"
        assert caught.value.retryable


def test_a_page_with_200_is_no_object(behind: Callable[..., Made], tmp_path: Path) -> None:
    store = behind(on("HEAD", lambda answer: answer.become(200, b"", "text/html")))
    with pytest.raises(StorageError):
        store.write(KEY, b"x", content_type=TS)


def test_a_listing_that_ends_too_soon_is_not_believed(behind: Callable[..., Made]) -> None:
    def cut(asked: Asked, answer: Answer) -> None:
        if "list-type" in asked.path:
            answer.become(
                200,
                b"<ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated>"
                b"<Contents><Key>c1/a</Key><Size>1</Size></Contents></ListBucketResult>",
            )

    with pytest.raises(StorageError, match="its answer cannot be read"):
        list(behind(cut).list("c1/"))


@pytest.mark.parametrize(
    "body",
    [
        b"<ListBucketResult><Name>b</Name><Contents><Size>1</Size></Contents></ListBucketResult>",
        b"<ListBucketResult><Name>b</Name><Contents><Key>a</Key></Contents></ListBucketResult>",
        b"<ListBucketResult><Name>b</Name><Contents><Key>a</Key><Size>x</Size></Contents></ListBucketResult>",
        b"<ListBucketResult><Name>b</Name>",
    ],
)
def test_a_listing_of_another_form_is_the_stores_fault(behind: Callable[..., Made], body: bytes) -> None:
    store = behind(on("GET", lambda answer: answer.become(200, body)))
    with pytest.raises(StorageError) as caught:
        list(store.list("c1/"))
    assert caught.value.code == "storage_failed"


def of_parts(asked: Asked) -> str:
    """Which request of an upload in parts it is."""
    if asked.method == "POST":
        return "create" if "uploads" in asked.path else "complete"
    return "part" if "partNumber" in asked.path else ""


def test_an_upload_in_parts_through_a_front_that_weakens_and_drops_etags(
    behind: Callable[..., Made], tmp_path: Path
) -> None:
    def change(asked: Asked, answer: Answer) -> None:
        if of_parts(asked) == "part":
            if "partNumber=1" in asked.path:
                answer.drop("etag")
            else:
                weak(asked, answer)

    store, source = behind(change), a_file(tmp_path, 11 * MIB)
    assert store.upload(source, KEY, content_type=TS).sha256 == file_sha256(source)


@pytest.mark.parametrize(
    ("step", "body"),
    [
        ("create", b"<InitiateMultipartUploadResult><Key>k</Key></InitiateMultipartUploadResult>"),
        ("create", PAGE),
        ("complete", PAGE),
        ("complete", xml("InternalError")),
        ("complete", b"  \n <?xml version='1.0'?>" + xml("SlowDown")),
    ],
)
def test_an_upload_in_parts_that_is_answered_oddly(
    behind: Callable[..., Made], tmp_path: Path, step: str, body: bytes
) -> None:
    def change(asked: Asked, answer: Answer) -> None:
        if of_parts(asked) == step:
            answer.become(200, body)

    store = behind(change, attempts=2)
    with pytest.raises(StorageError) as caught:
        store.upload(a_file(tmp_path, 6 * MIB), KEY, content_type=TS)
    assert caught.value.retryable, caught.value.public


# --- True for a moment only -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "HEAD", "GET", "DELETE"])
@pytest.mark.parametrize(
    "fault",
    [
        (403, xml("InvalidAccessKeyId")),
        (403, xml("AccessDenied")),
        (403, b""),
        (401, xml("Unauthorized")),
        (404, xml("NoSuchBucket")),
        (429, xml("TooManyRequests")),
        (408, b""),
        (520, PAGE),
    ],
)
def test_a_refusal_that_was_seen_once_is_not_final(
    behind: Callable[..., Made], method: str, fault: tuple[int, bytes], tmp_path: Path
) -> None:
    """While a new key spreads through B2, or a bucket is new, or somebody was too fast."""
    status, body = fault
    store = behind(on(method, lambda answer: answer.become(status, b"" if method == "HEAD" else body), once=True))
    store.write(KEY, b"here", content_type=TS)
    store.download(KEY, tmp_path / "here")
    assert store.read(KEY) == b"here"
    store.delete(KEY)
    store.delete(KEY)
    store.check()


def test_an_object_that_was_just_written_may_be_seen_a_moment_later(
    behind: Callable[..., Made], tmp_path: Path
) -> None:
    store = behind(on("HEAD", lambda answer: answer.become(404), once=True))
    store.write(KEY, b"here", content_type=TS)


def test_an_input_that_is_not_seen_at_once_is_looked_for_again(
    behind: Callable[..., Made], upstream: str, tmp_path: Path
) -> None:
    store = behind(on("HEAD", lambda answer: answer.become(404), once=True))
    s3_server.client(upstream).put_object(Bucket=store.bucket, Key=KEY, Body=b"movie")
    assert store.download(KEY, tmp_path / "movie").size == 5


def test_a_former_version_that_is_still_seen_is_looked_at_again(behind: Callable[..., Made]) -> None:
    def former(answer: Answer) -> None:
        answer.put("Content-Length", "3")
        answer.put("ETag", '"former"')

    store = behind(on("HEAD", former, once=True))
    assert store.write(KEY, b"here", content_type=TS).size == 4


def test_what_stays_refused_is_final_and_named(behind: Callable[..., Made], tmp_path: Path) -> None:
    store = behind(refused(403, xml("AccessDenied")))
    with pytest.raises(StorageError, match="credentials are wrong, or do not allow it") as caught:
        store.read(KEY)
    assert not caught.value.retryable
    assert store.front.count("GET") == 3
    store = behind()
    with pytest.raises(MissingInput, match="holds no object"):
        store.download(KEY, tmp_path / "x")
    assert store.front.count("HEAD") == 3


def test_a_cap_is_not_asked_again(behind: Callable[..., Made]) -> None:
    store = behind(refused(403, CAP))
    with pytest.raises(StorageError, match="cap"):
        store.read(KEY)
    assert store.front.count("GET") == 1


# --- What is signed ---------------------------------------------------------------------------------------------------


def test_no_header_is_signed_that_fronts_rewrite(behind: Callable[..., Made], tmp_path: Path) -> None:
    """Accept-Encoding, Connection, User-Agent and the like: a store would refuse the signature."""
    store = behind()
    store.upload(a_file(tmp_path, 6 * MIB), KEY, content_type=TS, cache_control="no-cache")
    store.download(KEY, tmp_path / "target")
    store.check()
    for asked in store.front.asked:
        signed = asked.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        assert {name for name in signed if not name.startswith("x-amz-")} <= {
            *("host", "content-type", "cache-control", "content-md5", "range"),
        }
