"""A webhook that did not arrive waits in the archive, without any secret, until `redeliver` has sent it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jobs
import pytest
from commands import call
from webhook_receiver import Receiver

from codex_assets.archive import undelivered
from codex_assets.archive.store import RecordStore
from codex_assets.archive.undelivered import UndeliveredWebhook
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.readiness import store_checks
from codex_assets.readiness.checks import Health
from codex_assets.worker import job

OWN = "whsec_of_the_endpoint_9a"
REFUSED = [400]
"""A final answer: no further attempt, and no wait."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return configuration.load(jobs.local_environment(tmp_path, WEBHOOK_SECRET=OWN))


def fail(settings: Settings, job_id: str, media_id: str, url: str, **changes: Any) -> dict[str, Any]:
    """A job that fails at once: its original is not there."""
    return job.run(job_id, jobs.payload("audio", media_id, url, **changes), settings)


def waiting(settings: Settings, media_id: str) -> list[str]:
    """Ids of the jobs whose webhook waits."""
    return [kept.job_id for kept in undelivered.read(RecordStore(settings.stores().archive), media_id)]


def redeliver(settings: Settings, *arguments: object, **env: str) -> Any:
    return call(
        *("redeliver", *arguments, "--json"),
        store=settings.storage_dir,
        **{"WEBHOOK_SECRET": OWN, "WEBHOOK_ALLOW_PRIVATE": "1", **env},
    )


def test_a_body_that_was_not_delivered_is_sent_again_as_it_was(settings: Settings, receiver: Receiver) -> None:
    receiver.script = [*REFUSED]
    result = fail(settings, "job-1", "talk", receiver.url)
    assert result["errorCode"] == "webhook_undelivered"
    assert waiting(settings, "talk") == ["job-1"]

    answer = redeliver(settings)

    assert answer.code == 0
    assert [webhook["verdict"] for webhook in answer.json["webhooks"]] == ["delivered"]
    first, second = receiver.received
    assert second.body == first.body
    assert second.headers["x-codex-delivery"] == first.headers["x-codex-delivery"]
    assert first.is_signed_with(jobs.SECRET)
    assert second.is_signed_with(OWN)
    assert "WEBHOOK_SECRET" in answer.json["webhooks"][0]["message"], "another secret than the payload's signed it"
    assert waiting(settings, "talk") == []
    assert not any(key.endswith("undelivered.json") for key in jobs.objects(settings.stores())["archive"])


def test_a_webhook_that_was_not_accepted_waits_too(settings: Settings, receiver: Receiver) -> None:
    receiver.answer = b'{"received": true, "error": "No job of that id."}'
    assert fail(settings, "job-1", "talk", receiver.url)["errorCode"] == "webhook_refused"

    answer = redeliver(settings, "talk")

    assert answer.code == 1
    assert "No job of that id." in answer.json["webhooks"][0]["message"]
    assert waiting(settings, "talk") == ["job-1"], "it waits until it is accepted"


def test_no_secret_is_kept(settings: Settings, receiver: Receiver) -> None:
    receiver.script = [*REFUSED]
    fail(settings, "job-1", "talk", f"{receiver.url}?token=tok_31c77a9d")

    kept = settings.stores().archive.read("records/talk/undelivered.json").decode()
    assert receiver.url in kept
    for secret in ("tok_31c77a9d", jobs.SECRET, OWN):
        assert secret not in kept
    without = redeliver(settings)
    assert without.code == 1
    assert "--url" in without.json["webhooks"][0]["message"]
    assert len(receiver.received) == 1, "a receiver that wants its token is not asked without"
    assert redeliver(settings, "--url", f"{receiver.url}?token=tok_31c77a9d").code == 0
    assert receiver.received[-1].path.endswith("?token=tok_31c77a9d")


def test_a_refused_payload_with_a_usable_media_id_waits_and_any_other_does_not(
    settings: Settings, receiver: Receiver
) -> None:
    receiver.script = [*REFUSED, *REFUSED]
    assert fail(settings, "job-1", "talk", receiver.url, inputBucket="other")["errorCode"] == "webhook_undelivered"
    result = fail(settings, "job-2", "no id", receiver.url)
    assert result["webhook"]["id"] == "job-2", "RunPod's result has it, for half an hour"
    archive = jobs.objects(settings.stores())["archive"]
    assert [key for key in archive if "undelivered" in key] == ["records/talk/undelivered.json"]


def test_a_later_webhook_that_arrives_drops_the_older_one(settings: Settings, receiver: Receiver) -> None:
    receiver.script = [*REFUSED]
    fail(settings, "job-1", "talk", receiver.url)
    assert waiting(settings, "talk") == ["job-1"]
    fail(settings, "job-2", "talk", receiver.url)
    assert waiting(settings, "talk") == []


def entry(job_id: str, minute: int, asked: str, *, completed: bool) -> UndeliveredWebhook:
    at = f"2026-01-01T00:{minute:02d}:00.000+00:00"
    return UndeliveredWebhook(
        job_id=job_id,
        body="{}",
        url="https://hooks.example/",
        completed=completed,
        asked=tuple(asked.split()),
        begun_at=at,
        since=at,
        code="webhook_undelivered",
        reason="",
    )


@pytest.mark.parametrize(
    ("newer", "older", "outdated"),
    [
        (entry("b", 2, "mezzanine thumbnail", completed=True), entry("a", 1, "thumbnail", completed=True), True),
        (entry("b", 2, "mezzanine thumbnail", completed=True), entry("a", 1, "thumbnail", completed=False), True),
        # It says less than the older one: the receiver needs both.
        (entry("b", 2, "thumbnail", completed=True), entry("a", 1, "mezzanine thumbnail", completed=True), False),
        # What an earlier job has published stays published.
        (entry("b", 2, "mezzanine thumbnail", completed=False), entry("a", 1, "thumbnail", completed=True), False),
        (entry("b", 2, "thumbnail", completed=False), entry("a", 1, "thumbnail", completed=False), True),
        # It arrived later and is older.
        (entry("a", 1, "thumbnail", completed=True), entry("b", 2, "thumbnail", completed=True), False),
        # The same job, delivered again.
        (entry("a", 1, "thumbnail", completed=True), entry("a", 2, "thumbnail", completed=True), True),
    ],
)
def test_what_outdates_what(newer: UndeliveredWebhook, older: UndeliveredWebhook, outdated: bool) -> None:
    assert newer.outdates(older) is outdated


def test_what_waits_is_counted(settings: Settings, receiver: Receiver) -> None:
    receiver.script = [*REFUSED, *REFUSED]
    fail(settings, "job-1", "talk", receiver.url)
    fail(settings, "job-2", "song", receiver.url)

    counted = call("stats", "--json", store=settings.storage_dir)
    assert counted.json["undelivered"] == 2
    assert "codex-assets redeliver" in call("stats", store=settings.storage_dir).out
    check = store_checks.check_undelivered(settings)
    assert (check.status, "2 media" in check.result) == (Health.NOTE, True)
    listed = redeliver(settings, "--dry-run")
    assert (listed.code, listed.json["wouldSend"], len(receiver.received)) == (1, 2, 2)


def test_without_a_secret_nothing_is_sent(settings: Settings, receiver: Receiver) -> None:
    receiver.script = [*REFUSED]
    fail(settings, "job-1", "talk", receiver.url)
    answer = call("redeliver", store=settings.storage_dir, WEBHOOK_ALLOW_PRIVATE="1")
    assert answer.code == 2
    assert "WEBHOOK_SECRET" in answer.err
    assert len(receiver.received) == 1


def test_a_private_address_is_refused_as_in_a_job(settings: Settings, receiver: Receiver) -> None:
    receiver.script = [*REFUSED]
    fail(settings, "job-1", "talk", receiver.url)
    answer = redeliver(settings, WEBHOOK_ALLOW_PRIVATE="0")
    assert answer.code == 1
    assert len(receiver.received) == 1
