"""The faults: what a store, a receiver or the machine does to a job, each by its name.

Each is one kind of thing that goes wrong, whatever the stage. Those of stores and receivers are given an exchange and
do something to it; those of the machine are done to the job's processes when it has come to the stage. In: which there
are. Out: how they are done to a connection (`fault_proxy.py`), and when (`fault_stages.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
from xml.etree import ElementTree

from fault_proxy import Asked, Exchange
from store_front import Answer

LASTING = 1_000_000
Area = Literal["connection", "answer", "contents", "listing", "write", "parts", "receiver", "machine"]
ANY = ("HEAD", "GET", "PUT", "POST", "DELETE")
OBJECT_READS = ("HEAD", "GET")
PAGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"
BRIEFLY_SECONDS = 0.25


@dataclass
class Memory:
    """What a fault remembers within one job: how often it happened, and what objects were before they were written."""

    count: int = 0
    former: dict[str, dict[str, Answer]] = field(default_factory=dict)


Act = Callable[[Exchange, Memory], None]


@dataclass(frozen=True)
class Kind:
    """`methods`: of the requests that it can happen to. `times`: how often it does in one job, then all is well."""

    name: str
    area: Area
    description: str
    methods: tuple[str, ...]
    act: Act | None = None
    times: int = LASTING
    listings: bool = False
    """It happens to listings, and to nothing else."""
    stages: tuple[str, ...] | None = None
    """The stages in which it can happen, where methods do not tell."""
    everywhere: bool = False
    """It is tried at every stage; else at those that stand for the others."""

    @property
    def damages(self) -> bool:
        """Whether the store itself has other bytes then than it was given: those that are replaced in place are damaged
        until they are written again."""
        return self.name.startswith(("write_altered", "write_cut"))

    def may_happen(self, asked: Asked, memory: Memory) -> bool:
        """Whether it can happen to this request, and has not happened often enough."""
        if asked.method not in self.methods or memory.count >= self.times:
            return False
        is_listing = asked.method == "GET" and not asked.key
        if self.area == "parts":
            return "uploadId" in asked.query or "uploads" in asked.query
        return is_listing if self.listings else not (is_listing and self.area == "contents")


KINDS: dict[str, Kind] = {}


def _kind(
    name: str,
    area: Area,
    description: str,
    methods: tuple[str, ...],
    act: Act | None = None,
    *,
    times: int = LASTING,
    listings: bool = False,
    stages: tuple[str, ...] | None = None,
    everywhere: bool = False,
) -> None:
    assert name not in KINDS, name
    KINDS[name] = Kind(name, area, description, methods, act, times, listings, stages, everywhere)


# --- The connection ---------------------------------------------------------------------------------------------------


def _refused(exchange: Exchange, memory: Memory) -> None:
    exchange.proxy.refuse()


def _refused_briefly(exchange: Exchange, memory: Memory) -> None:
    proxy = exchange.proxy
    proxy.refuse()
    back = threading.Timer(BRIEFLY_SECONDS, proxy.listen)
    back.daemon = True
    back.start()


def _reset_before(exchange: Exchange, memory: Memory) -> None:
    exchange.reset()


def _reset_after(exchange: Exchange, memory: Memory) -> None:
    exchange.hand_on()
    exchange.reset()


def _reset_in_head(exchange: Exchange, memory: Memory) -> None:
    exchange.hand_on()
    exchange._write(b"HTTP/1.1 200 OK\r\nContent-Le")
    time.sleep(0.02)
    exchange.reset()


def _reset_in_body(exchange: Exchange, memory: Memory) -> None:
    answer = exchange.hand_on()
    exchange.send_part(answer, len(answer.body) // 2)


def _silence(exchange: Exchange, memory: Memory) -> None:
    exchange.say_nothing()


def _silence_after(exchange: Exchange, memory: Memory) -> None:
    exchange.hand_on()
    exchange.say_nothing()


def _trickle(exchange: Exchange, memory: Memory) -> None:
    exchange.trickle(exchange.hand_on())


def _slow(exchange: Exchange, memory: Memory) -> None:
    time.sleep(BRIEFLY_SECONDS)
    exchange.send(exchange.hand_on())


def _no_http(exchange: Exchange, memory: Memory) -> None:
    exchange._write(b"SSH-2.0-OpenSSH_9.6\r\n")
    time.sleep(0.02)
    exchange.reset()


_kind("refused", "connection", "no connection is accepted from then on", ANY, _refused, times=1, everywhere=True)
_broken: tuple[tuple[str, str, Act, int, bool], ...] = (
    ("reset_before", "the connection breaks before the request arrives, each time", _reset_before, LASTING, True),
    ("reset_before_once", "the same, once", _reset_before, 1, False),
    ("reset_after", "the request is done, and the connection breaks, each time", _reset_after, LASTING, True),
    ("reset_after_once", "the same, once", _reset_after, 1, True),
    ("silence", "the request does not arrive, and nothing is said", _silence, LASTING, True),
    ("silence_after", "the request is done, and nothing is said", _silence_after, LASTING, False),
)
for _name, _what, _act, _times, _is_everywhere in _broken:
    _kind(_name, "connection", _what, ANY, _act, times=_times, everywhere=_is_everywhere)
_kind("refused_briefly", "connection", "no connection is accepted for a moment", ANY, _refused_briefly, times=1)
_kind("reset_in_head", "connection", "the connection breaks within the head of the answer", ANY, _reset_in_head)
_kind("reset_in_body", "connection", "the connection breaks within the body, each time", ("GET",), _reset_in_body)
_kind("reset_in_body_once", "connection", "the same, once", ("GET",), _reset_in_body, times=1)
_kind("trickle", "connection", "the answer comes byte by byte", ANY, _trickle)
_kind("slow", "connection", "every answer takes a while", ANY, _slow)
_kind("no_http", "connection", "what answers speaks another protocol", ANY, _no_http)

# --- Other answers ----------------------------------------------------------------------------------------------------


_CODES = {
    400: "InvalidRequest",
    403: "AccessDenied",
    404: "NoSuchKey",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "OperationAborted",
    412: "PreconditionFailed",
    429: "TooManyRequests",
    500: "InternalError",
    501: "NotImplemented",
    503: "SlowDown",
}


def _error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()


def _answering(status: int, body: bytes = b"", content_type: str = "application/xml", **headers: str) -> Act:
    def act(exchange: Exchange, memory: Memory) -> None:
        answer = Answer(status, [], b"")
        answer.become(status, body, content_type)
        for name, value in headers.items():
            answer.put(name.replace("_", "-"), value)
        exchange.send(answer)

    return act


_EVERYWHERE = ("answered_403", "answered_404", "answered_500", "answered_500_once", "answered_503_once")
for _suffix, _often, _times, _statuses in (
    ("", "each time", LASTING, (400, 403, 404, 405, 408, 409, 412, 429, 500, 501, 503)),
    ("_once", "once", 1, (403, 429, 500, 503)),
):
    for _status in _statuses:
        _name = f"answered_{_status}{_suffix}"
        _what = f"{_status} ({_CODES[_status]}) instead of an answer, {_often}"
        _act = _answering(_status, _error(_CODES[_status]))
        _kind(_name, "answer", _what, ANY, _act, times=_times, everywhere=_name in _EVERYWHERE)
_kind(
    "error_with_200",
    "answer",
    "200, and the body is the store's error document",
    ANY,
    _answering(200, _error("InternalError")),
    everywhere=True,
)
_kind("page_with_200", "answer", "200, and a web page", ANY, _answering(200, PAGE, "text/html"), everywhere=True)
_kind("page_with_403", "answer", "403, and a web page", ANY, _answering(403, PAGE, "text/html"))
_kind(
    "redirect",
    "answer",
    "307 to another host",
    ANY,
    _answering(307, _error("TemporaryRedirect"), Location="http://127.0.0.1:9/elsewhere"),
)
_kind("nothing_with_204", "answer", "204, as if it were done", ANY, _answering(204))

# --- What is said of an object, and its bytes -------------------------------------------------------------------------


def _changing(change: Callable[[Answer], None]) -> Act:
    def act(exchange: Exchange, memory: Memory) -> None:
        answer = exchange.hand_on()
        if answer.status < 300:
            change(answer)
        exchange.send(answer)

    return act


def _without_body(answer: Answer) -> None:
    answer.body = b""
    answer.put("Content-Length", "0")


def _cut(answer: Answer) -> None:
    answer.body = answer.body[: len(answer.body) * 2 // 3]
    answer.put("Content-Length", str(len(answer.body)))


def _longer(answer: Answer) -> None:
    answer.body += b"more" * 8
    answer.put("Content-Length", str(len(answer.body)))


def _other_bytes(answer: Answer) -> None:
    at = len(answer.body) // 2
    answer.body = answer.body[:at] + bytes(byte ^ 0x55 for byte in answer.body[at : at + 16]) + answer.body[at + 16 :]


def _other_etag(answer: Answer) -> None:
    answer.put("ETag", '"0123456789abcdef0123456789abcdef"')


def _shorter_length(answer: Answer) -> None:
    """For HEAD, whose length is that of a body that does not come."""
    answer.put("Content-Length", str(max(0, int(answer.get("content-length") or 0) - 7)))


def _older(answer: Answer) -> None:
    answer.put("Last-Modified", "Thu, 01 Jan 2015 00:00:00 GMT")


def _without_all_headers(answer: Answer) -> None:
    answer.headers = [(name, value) for name, value in answer.headers if name.lower() == "content-length"]


for _suffix, _often, _times in (("", "each time", LASTING), ("_once", "once", 1)):
    for _name, _what, _methods, _change in (
        ("body_empty", "the body is empty", ("GET",), _without_body),
        ("body_cut", "the body is cut off, and its length fits", ("GET",), _cut),
        ("body_longer", "the body has more bytes at its end", ("GET",), _longer),
        ("body_other", "some bytes of the body are others", ("GET",), _other_bytes),
        ("length_wrong", "HEAD says another length", ("HEAD",), _shorter_length),
        ("etag_other", "the ETag is that of other contents", OBJECT_READS, _other_etag),
    ):
        _kind(f"{_name}{_suffix}", "contents", f"{_what}, {_often}", _methods, _changing(_change), times=_times)
_kind("etag_missing", "contents", "the ETag is missing", ANY, _changing(lambda answer: answer.drop("etag")))
_kind(
    "metadata_missing",
    "contents",
    "the metadata is missing",
    OBJECT_READS,
    _changing(lambda answer: answer.drop("x-amz-meta-sha256")),
)
_kind(
    "metadata_other",
    "contents",
    "the metadata is that of other contents",
    OBJECT_READS,
    _changing(lambda answer: answer.put("x-amz-meta-sha256", "0" * 64)),
)
_kind(
    "version_missing",
    "contents",
    "the version is not said",
    ("HEAD", "GET", "PUT", "POST"),
    _changing(lambda answer: answer.drop("x-amz-version-id")),
    stages=("mezzanine_put", "mezzanine_head", "records"),
)
_kind("time_wrong", "contents", "the time of the last change is years ago", OBJECT_READS, _changing(_older),
      stages=("original_head", "original_get", "lease_taken", "mezzanine_head"))  # fmt: skip
_kind("headers_missing", "contents", "nothing is said but a length", OBJECT_READS, _changing(_without_all_headers))


def _absent(exchange: Exchange, memory: Memory) -> None:
    _answering(404, _error("NoSuchKey"))(exchange, memory)


_kind("absent_a_while", "contents", "an object is not seen at first", OBJECT_READS, _absent, times=2)


def _stale(exchange: Exchange, memory: Memory) -> None:
    asked = exchange.asked
    before = memory.former.get(asked.key)
    if before is None or asked.method not in before:
        memory.count -= 1
        exchange.send(exchange.hand_on())
    else:
        exchange.send(before[asked.method])


_kind("stale", "contents", "an object is read as it was before the job wrote it, each time", OBJECT_READS, _stale)
_kind("stale_a_while", "contents", "the same, at first", OBJECT_READS, _stale, times=2)

# --- Listings ---------------------------------------------------------------------------------------------------------

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def _listing(change: Callable[[ElementTree.Element], None]) -> Act:
    def act(exchange: Exchange, memory: Memory) -> None:
        answer = exchange.hand_on()
        if answer.status == 200:
            ElementTree.register_namespace("", _NAMESPACE)
            root = ElementTree.fromstring(answer.body)
            change(root)
            answer.body = ElementTree.tostring(root)
            answer.put("Content-Length", str(len(answer.body)))
        exchange.send(answer)

    return act


def _contents(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [element for element in root if element.tag.endswith("}Contents") or element.tag == "Contents"]


def _cut_listing(root: ElementTree.Element) -> None:
    for element in _contents(root)[1:]:
        root.remove(element)
    for element in list(root):
        if element.tag.endswith("IsTruncated"):
            element.text = "true"
        elif element.tag.endswith("NextContinuationToken"):
            root.remove(element)


def _every_other(root: ElementTree.Element) -> None:
    for element in _contents(root)[::2]:
        root.remove(element)


def _none(root: ElementTree.Element) -> None:
    for element in _contents(root):
        root.remove(element)


_kind(
    "listing_without_token",
    "listing",
    "a listing is cut off, and does not say where it goes on",
    ("GET",),
    _listing(_cut_listing),
    listings=True,
)
_kind("listing_with_gaps", "listing", "every other key is missing", ("GET",), _listing(_every_other), listings=True)
_kind("listing_empty", "listing", "a listing has no keys", ("GET",), _listing(_none), listings=True)

# --- Writes -----------------------------------------------------------------------------------------------------------


def _lost(exchange: Exchange, memory: Memory) -> None:
    answer = Answer(200, [("ETag", '"0123456789abcdef0123456789abcdef"'), ("Content-Length", "0")], b"")
    exchange.send(answer)


def _done_and_500(exchange: Exchange, memory: Memory) -> None:
    exchange.hand_on()
    _answering(500, _error("InternalError"))(exchange, memory)


def _done_and_412(exchange: Exchange, memory: Memory) -> None:
    exchange.hand_on()
    _answering(412, _error("PreconditionFailed"))(exchange, memory)


def _done_twice(exchange: Exchange, memory: Memory) -> None:
    exchange.hand_on()
    exchange.send(exchange.hand_on())


def _altered(exchange: Exchange, memory: Memory) -> None:
    asked, body = exchange.asked, exchange.asked.body
    at = len(body) // 2
    changed = body[:at] + bytes(byte ^ 0x55 for byte in body[at : at + 16]) + body[at + 16 :]
    exchange.send(exchange.hand_on(Asked(asked.method, asked.target, asked.headers, changed)))


def _shortened(exchange: Exchange, memory: Memory) -> None:
    asked = exchange.asked
    body = asked.body[: len(asked.body) // 2]
    headers = {**asked.headers, "content-length": str(len(body))}
    exchange.send(exchange.hand_on(Asked(asked.method, asked.target, headers, body)))


def _metadata_lost(exchange: Exchange, memory: Memory) -> None:
    exchange.send(exchange.hand_on(exchange.asked.without("x-amz-meta-sha256")))


def _unconditional(exchange: Exchange, memory: Memory) -> None:
    exchange.send(exchange.hand_on(exchange.asked.without("if-match", "if-none-match")))


_PUT = ("PUT",)
for _suffix, _often, _times in (("", "each time", LASTING), ("_once", "once", 1)):
    for _name, _what, _act in (
        ("write_lost", "a write is acknowledged and lost", _lost),
        ("write_done_and_500", "a write is done and answered with 500", _done_and_500),
        ("write_altered", "a write arrives with other bytes", _altered),
        ("write_cut", "half of a write arrives", _shortened),
        ("write_done_and_412", "a write is done and answered with 412", _done_and_412),
    ):
        _kind(f"{_name}{_suffix}", "write", f"{_what}, {_often}", _PUT, _act, times=_times)
_kind("write_done_twice", "write", "every write is done twice", _PUT, _done_twice)
_kind("write_without_metadata", "write", "the metadata of a write is lost", _PUT, _metadata_lost)
_kind("condition_ignored", "write", "the condition of a write is not looked at", _PUT, _unconditional)
_kind(
    "false_412_once", "write", "the condition of a write is denied though it holds, once", _PUT,
    _answering(412, _error("PreconditionFailed")), times=1,
)  # fmt: skip
_kind(
    "delete_refused", "write", "a delete is refused", ("DELETE",), _answering(403, _error("AccessDenied")),
)  # fmt: skip
_kind(
    "delete_lost", "write", "a delete is acknowledged and not done", ("DELETE",), _answering(204),
)  # fmt: skip

# --- Uploads in parts -------------------------------------------------------------------------------------------------


def _is_part(asked: Asked) -> bool:
    return asked.method == "PUT" and "partNumber" in asked.query


def _if(applies: Callable[[Asked], bool], act: Act) -> Act:
    def chosen(exchange: Exchange, memory: Memory) -> None:
        if applies(exchange.asked):
            act(exchange, memory)
        else:
            memory.count -= 1
            exchange.send(exchange.hand_on())

    return chosen


def _is_complete(asked: Asked) -> bool:
    return asked.method == "POST" and "uploadId" in asked.query


def _parts_and_abort(exchange: Exchange, memory: Memory) -> None:
    asked = exchange.asked
    if _is_part(asked):
        _answering(400, _error("InvalidRequest"))(exchange, memory)
    elif asked.method == "DELETE":
        _answering(403, _error("AccessDenied"))(exchange, memory)
    else:
        exchange.send(exchange.hand_on())


_PARTS = ("segments_put",)
_M = ("PUT", "POST", "DELETE")
_kind("part_lost", "parts", "a part is acknowledged and lost", _M, _if(_is_part, _lost), stages=_PARTS)
_kind("part_altered", "parts", "a part arrives with other bytes", _M, _if(_is_part, _altered), stages=_PARTS)
_kind("part_done_and_500", "parts", "a part is taken and answered with 500, once", _M, _if(_is_part, _done_and_500),
      times=1, stages=_PARTS)  # fmt: skip
_kind("part_refused", "parts", "parts are refused", _M, _if(_is_part, _answering(400, _error("InvalidRequest"))),
      stages=_PARTS)  # fmt: skip
_kind("complete_error_with_200", "parts", "the end of an upload in parts is answered with 200 and an error", _M,
      _if(_is_complete, _answering(200, _error("InternalError"))), stages=_PARTS)  # fmt: skip
_kind("complete_done_and_reset", "parts", "an upload in parts is put together, and the connection breaks, once", _M,
      _if(_is_complete, _reset_after), times=1, stages=_PARTS)  # fmt: skip
_kind("complete_lost", "parts", "an upload in parts is acknowledged and lost", _M, _if(_is_complete, _answering(
    200, b"<CompleteMultipartUploadResult><ETag>&quot;0123456789abcdef0123456789abcdef-2&quot;</ETag>"
    b"</CompleteMultipartUploadResult>")), stages=_PARTS)  # fmt: skip
_kind("abort_refused", "parts", "parts are refused, and so is taking the upload back", _M, _parts_and_abort,
      stages=_PARTS)  # fmt: skip

# --- The receiver -----------------------------------------------------------------------------------------------------

_POST, _HOOK = ("POST",), ("webhook",)
for _status in (302, 400, 401, 404, 410, 413, 422, 429, 500, 502, 503):
    _more = {"Retry_After": "1"} if _status in (429, 503) else {}
    _kind(f"receiver_{_status}", "receiver", f"the receiver answers {_status}", _POST,
          _answering(_status, b'{"error": "no"}', "application/json", **_more), stages=_HOOK)  # fmt: skip
for _status in (429, 500, 503):
    _kind(f"receiver_{_status}_once", "receiver", f"the receiver answers {_status}, once", _POST,
          _answering(_status, b'{"error": "no"}', "application/json"), times=1, stages=_HOOK)  # fmt: skip
_of_receiver: tuple[tuple[str, str, Act, int], ...] = (
    ("receiver_refused", "the receiver accepts no connection", _refused, 1),
    ("receiver_refused_briefly", "the receiver accepts no connection for a moment", _refused_briefly, 1),
    (
        "receiver_reset_before",
        "the connection to the receiver breaks before it has the webhook",
        _reset_before,
        LASTING,
    ),
    ("receiver_reset_before_once", "the same, once", _reset_before, 1),
    ("receiver_reset_after", "the receiver takes the webhook, and the connection breaks", _reset_after, LASTING),
    ("receiver_reset_after_once", "the same, once", _reset_after, 1),
    ("receiver_silence", "the receiver says nothing, and has not taken it", _silence, LASTING),
    ("receiver_silence_after", "the receiver takes the webhook and says nothing", _silence_after, LASTING),
    ("receiver_silence_after_once", "the same, once", _silence_after, 1),
    ("receiver_trickle", "the receiver's answer comes byte by byte", _trickle, LASTING),
    ("receiver_500_after", "the receiver takes the webhook and answers 500, once", _done_and_500, 1),
    ("receiver_no_http", "what answers for the receiver speaks another protocol", _no_http, LASTING),
    ("receiver_page", "a web page with 200 answers for the receiver", _answering(200, PAGE, "text/html"), LASTING),
    (
        "receiver_redirect",
        "the receiver redirects to another host",
        _answering(307, b"", Location="http://127.0.0.1:9/elsewhere"),
        LASTING,
    ),
    (
        "receiver_refuses",
        "the receiver answers 200 and says that it did not take it",
        _answering(200, b'{"received": false, "error": "no such job"}', "application/json"),
        LASTING,
    ),
    (
        "receiver_empty",
        "the receiver takes the webhook and answers with an empty body",
        _changing(_without_body),
        LASTING,
    ),
    ("receiver_slow", "the receiver takes a while", _slow, LASTING),
)
for _name, _what, _act, _times in _of_receiver:
    _kind(_name, "receiver", _what, _POST, _act, times=_times, stages=_HOOK)

# --- The machine ------------------------------------------------------------------------------------------------------

_kind("job_killed", "machine", "the job's process is killed before the request is made", ANY, times=1)
_kind("job_killed_after", "machine", "the job's process is killed when the request is done", ANY, times=1)
_kind("worker_killed", "machine", "the worker is killed, and all that it started", ANY, times=1)
_kind("worker_told_to_stop", "machine", "the worker is told to stop (SIGTERM)", ANY, times=1)
_kind("disk_full", "machine", "the worker's disk is full from then on", ANY, times=1)
_ENCODING = ("encoding",)
_kind("tool_killed", "machine", "an encoding ffmpeg is killed, once", ANY, times=1, stages=_ENCODING)
_kind("out_of_memory", "machine", "memory is short: every encoding ffmpeg is killed", ANY, times=1, stages=_ENCODING)

SUPERVISED = frozenset({"job_killed", "job_killed_after", "worker_killed", "worker_told_to_stop"})
"""Kinds that whoever supervises the job has to answer for."""
