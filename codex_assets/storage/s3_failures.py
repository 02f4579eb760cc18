"""What a store's refusal means: which error it becomes, the sentence for it, and whether it may be over in a moment.

A front may answer in the store's place, with a web page. Not here: how often a request is repeated (`s3_requests.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ProxyConnectionError, SSLError
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from codex_assets.errors import MissingInput, StorageError
from codex_assets.storage import deadlines
from codex_assets.storage.deadlines import TooSlow
from codex_assets.storage.locations import S3Location
from codex_assets.storage.objects import Role, media_type, missing

_CREDENTIALS: Final = {
    "AuthFailure",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "Unauthorized",
}
_REGION: Final = {"AuthorizationHeaderMalformed", "InvalidRegion", "InvalidRegionName", "PermanentRedirect"}
_CLOCK: Final = {"RequestExpired", "RequestTimeTooSkewed"}
_AT_ONCE: Final = "ConditionalRequestConflict"
"""Two conditional writes of one key came at once; which of them holds is known a moment later."""
_UNAVAILABLE: Final = {
    "BadDigest",
    "Busy",
    _AT_ONCE,
    "IncompleteBody",
    "InternalError",
    "InternalFailure",
    "InvalidRange",  # the object was replaced by a shorter one while it was read
    "OperationAborted",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServerBusy",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "XAmzContentSHA256Mismatch",
}
"""Refusals that the same request need not meet again, whatever their status: an error may come with a 200."""
_SDK_REPEATS: Final = {500, 502, 503, 504}
"""Statuses that the SDK itself asks again after. Not among them: 408, 425, 429, and those of CDNs above 504."""


class BodyBroke(Exception):
    """The connection ended within a body that had begun to arrive."""


class StoreFailures:
    """The failures of one store, as errors of ours. Their sentences name the store, the bucket and a key."""

    def __init__(self, location: S3Location) -> None:
        self._location = location

    @property
    def name(self) -> Role:
        return self._location.role

    @property
    def bucket(self) -> str:
        return self._location.bucket

    @contextmanager
    def translated(self, action: str, key: str) -> Iterator[None]:
        """Raises what the SDK raises in the block as `StorageError` or `MissingInput`. `action`: a verb ("read")."""
        try:
            yield
        except (ClientError, BotoCoreError, BodyBroke, TooSlow) as error:
            if isinstance(error, TooSlow) or (deadlines.is_over() and not isinstance(error, ClientError)):
                raise StorageError(
                    f"The {self.name} store is too slow, or does not answer: it took too long to {action} "
                    f"{self._place(key)}.",
                    detail=self.without_keys(error),
                ) from error
            raise self._translate(error, action, key) from error
        except (ResponseParserError, LookupError, AttributeError, TypeError, ValueError) as error:
            # The SDK trusts answers to have the form that is documented.
            raise self.unreadable(action, key, self.without_keys(error)) from error

    def _translate(self, error: Exception, action: str, key: str) -> StorageError | MissingInput:
        store, detail, place = f"The {self.name} store", self.without_keys(error), self._place(key)

        def refused(sentence: str, *, retryable: bool = False) -> StorageError:
            return StorageError(f"{store} {sentence}", detail=detail, retryable=retryable)

        unavailable = refused(
            f"could not {action} {place}: it is unavailable or cannot be reached at the moment.{_hint(error)}",
            retryable=True,
        )
        if not isinstance(error, ClientError):
            if isinstance(error, (HTTPClientError, BotoConnectionError, BodyBroke)):
                return unavailable
            return refused(f"could not {action} {place}: the request could not be made ({type(error).__name__}).")

        status, code = status_of(error), code_of(error)
        front = f"could not {action} {place}: not the store answered, but a web page ({status}). Check the endpoint"
        if code == "NoSuchBucket" or (status == 404 and action == "list" and not is_page(error)):
            return refused(f"has no bucket '{self.bucket}': check the bucket's name and the endpoint in the settings.")
        if is_page(error) and 300 <= status < 500 and status not in {408, 425, 429}:
            return refused(f"{front} in the settings, and what stands between it and the worker.")
        if status == 404 and action != "write":
            return missing(self, key)
        if code in _CREDENTIALS or status == 401:
            return refused("does not accept the worker's credentials: check the key and its secret in the settings.")
        if code in _REGION or status in {301, 307}:
            return refused("is in another region: check the region and the endpoint in the settings.")
        if code in _CLOCK:
            return refused(
                f"refused to {action} {place}: the clock of the worker is wrong by more than it allows.", retryable=True
            )
        if code in _UNAVAILABLE or status >= 500 or status in {404, 408, 425, 429}:
            return unavailable
        if _is_cap(error):
            return refused(
                f"refused to {action} {place}: a usage cap of its account is exceeded. Raise the cap, then run again."
            )
        if status == 403:
            return refused(f"refused to {action} {place}: the worker's credentials are wrong, or do not allow it.")
        return refused(f"refused to {action} {place} ({code}).")

    def unreadable(self, action: str, key: str, detail: str) -> StorageError:
        """The error of an answer whose form is not the documented one. `detail` is for the log."""
        return StorageError(
            f"The {self.name} store could not {action} {self._place(key)}: its answer cannot be read. If this lasts, "
            "check the endpoint in the settings, and what stands between it and the worker.",
            detail=detail,
            retryable=True,
        )

    def _place(self, key: str) -> str:
        return f"'{key}' in bucket '{self.bucket}'" if key else f"bucket '{self.bucket}'"

    def without_keys(self, error: Exception) -> str:
        """What an engineer may read of an error in a log: B2 quotes the key id in its messages."""
        text = f"{type(error).__name__}: {error}"
        for secret in (self._location.access_key, self._location.secret_key):
            if value := secret.get_secret_value():
                text = text.replace(value, "***")
        return text

    def not_as_sent(self, key: str, reason: str) -> StorageError:
        """The error of an upload that the store holds otherwise than it was sent; `reason` says in which way."""
        return StorageError(
            f"The {self.name} store does not hold what was uploaded to '{key}' in bucket '{self.bucket}': {reason}.",
            retryable=True,
        )


def status_of(error: ClientError) -> int:
    """The HTTP status of a refusal; 0 if it has none."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def code_of(error: ClientError) -> str:
    """S3's code of a refusal (`NoSuchKey`); "unknown" if it has none that is a word."""
    code = error.response.get("Error", {}).get("Code", "")
    return code if re.fullmatch(r"\w{1,64}", code) else "unknown"


def is_precondition(error: BaseException | None) -> bool:
    """Whether a conditional write was refused because its condition does not hold (any more)."""
    if not isinstance(error, ClientError) or is_page(error):
        return False
    return status_of(error) == 412 or (status_of(error) == 404 and code_of(error) == "NoSuchKey")


def is_page(error: ClientError) -> bool:
    """Whether the refusal is a web page: a firewall's, a proxy's, or that of a host which is no store. S3's are XML,
    from which the SDK has a code; without one it takes the status for it."""
    sent = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("content-type", "")
    return media_type(sent) in {"text/html", "application/xhtml+xml"} and code_of(error) in {
        str(status_of(error)),
        "unknown",
    }


def _is_cap(error: ClientError) -> bool:
    return "cap exceeded" in str(error).lower()


def may_pass(cause: BaseException | None) -> bool:
    """Whether a refusal may be over in a moment, and is not asked again by the SDK."""
    if not isinstance(cause, ClientError):
        return False
    status, code = status_of(cause), code_of(cause)
    if code in _CLOCK or _is_cap(cause):
        return False
    spreads = status in {401, 403} or code in _CREDENTIALS or code == "NoSuchBucket"
    return (
        spreads
        or status in {408, 425, 429}
        or code == _AT_ONCE
        or (status >= 500 and status not in _SDK_REPEATS | {501})
    )


def _hint(error: Exception) -> str:
    """What may be wrong with the way to a store, where that is known."""
    if isinstance(error, SSLError):
        return " Its TLS certificate was not accepted: the CA of a proxy belongs into AWS_CA_BUNDLE."
    if isinstance(error, ProxyConnectionError):
        return " The proxy that the environment names did not let the request through: check HTTPS_PROXY."
    return " If this lasts, check the endpoint in the settings." if isinstance(error, BotoConnectionError) else ""
