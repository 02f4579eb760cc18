"""Checks any HLS, in a folder of this machine or at a URL, whoever made it.

In: which playlist of a folder is meant, fetching what a URL names, and what the tools may open. Out: the rules
(`rules/`; those apply that need no knowledge of the source), and the check of published outputs (`audit.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codex_assets.archive.findings import Finding
from codex_assets.media import outputs
from codex_assets.net import hls_fetch
from codex_assets.net.hls_fetch import FetchedFile, FetchedHls
from codex_assets.net.outward import Outward
from codex_assets.system import scratch
from codex_assets.system.sandbox import Reach
from codex_assets.system.tools import Tools
from codex_assets.verification.delivery import DeliveredFile, DeliveryObservation, PartSeen
from codex_assets.verification.judge import Observation, judge
from codex_assets.verification.observations import (
    AnyObservation,
    LoudnessObservation,
    MasterObservation,
    VariantObservation,
)
from codex_assets.verification.observe.observer import Observer
from codex_assets.verification.observe.playlists import parse_master

WORKERS = 2
"""Playlists that are observed at once."""


@dataclass(frozen=True)
class CheckedHls:
    """What was observed of HLS, and every finding on it, passed ones too.

    Of a check for a report also `loudness`, that of each variant's sound, which no rule judges here, and `ffmpeg`: the
    version of it that decoded everything.
    """

    observations: tuple[Observation, ...]
    findings: tuple[Finding, ...]
    loudness: tuple[LoudnessObservation, ...] = ()
    ffmpeg: str | None = None


@dataclass(frozen=True)
class HlsCheck:
    """How HLS is checked: by tools in the environment `variables`, in a directory of `scratch`, by `rule` alone or
    (None) by every rule.

    Setting `cancelled` ends a check with `JobCancelled`. `for_report`: what only a report shows is found out, too.
    """

    variables: Mapping[str, str]
    scratch: Path
    rule: str | None
    cancelled: threading.Event
    for_report: bool = False

    def check_url(self, url: str, outward: Outward) -> CheckedHls:
        """Download the playlist at `url` with everything that it names, and check it.

        Private addresses are allowed: whoever types a URL may reach what it leads to. Raises `JobError` when the
        playlist cannot be had; other files that are missing are findings.
        """
        with scratch.opened_run(self.scratch) as folder:
            fetched = hls_fetch.fetch(url, folder, allow_private=True, cancelled=self.cancelled, outward=outward)
            checked = self.check_playlist(fetched.playlist)
            delivery = delivery_of(fetched)
            return replace(
                checked,
                observations=(*checked.observations, delivery),
                findings=(*checked.findings, *judge(delivery, only=self._only)),
            )

    def check_playlist(self, playlist: Path) -> CheckedHls:
        """Check a master with its variants, or a variant alone."""
        with scratch.opened_run(self.scratch) as folder:
            tools = Tools(self.variables, reach=Reach(), cancelled=self.cancelled)
            tools = tools.within(folder, reads=(playlist.parent.absolute(),))
            observer = Observer(tools, scratch=folder)
            observations = _observe(observer, playlist)
            loudness = _loudness(observer, playlist, observations) if self.for_report else ()
            ffmpeg = tools.version("ffmpeg") if self.for_report else None
        findings = [finding for observation in observations for finding in judge(observation, only=self._only)]
        return CheckedHls(observations, tuple(findings), loudness, ffmpeg)

    @property
    def _only(self) -> tuple[str, ...] | None:
        return None if self.rule is None else (self.rule,)


def delivery_of(fetched: FetchedHls) -> DeliveryObservation:
    """What servers said of the files that were fetched, for the rules about delivery."""
    playlist = fetched.playlist
    uris = [stream.uri for stream in parse_master(playlist.read_text(encoding="utf-8", errors="replace")).streams]
    is_ours = is_laid_out_as_ours(uris or [f"{playlist.parent.name}/{playlist.name}"])
    return DeliveryObservation(tuple(_delivered(file) for file in fetched.files), hls_fetch.ORIGIN, is_ours)


def _delivered(file: FetchedFile) -> DeliveredFile:
    part = file.part
    return DeliveredFile(
        file.name,
        is_playlist=file.is_playlist,
        is_first=file.is_first,
        is_tls=file.is_tls,
        redirects=file.redirects,
        size=file.size,
        content_type=file.content_type,
        content_length=file.content_length,
        content_encoding=file.content_encoding,
        cache_control=file.cache_control,
        allow_origin=file.allow_origin,
        part=PartSeen(hls_fetch.RANGE_BYTES, part.status, part.size, part.content_range) if part is not None else None,
    )


def _observe(observer: Observer, playlist: Path) -> tuple[AnyObservation, ...]:
    """What there is of HLS, given its master or one media playlist; judged by the contract if it is laid out so."""
    master = parse_master(playlist.read_text(encoding="utf-8", errors="replace"))
    if master.streams:
        return tuple(
            _as_ours(seen) if is_laid_out_as_ours([stream.uri for stream in master.streams]) else seen
            for seen in observer.hls(playlist)
        )
    folder = playlist.parent.resolve().name
    look = observer.preview if is_preview(folder, playlist.name) else observer.variant
    seen = look(playlist, output=folder)
    return (_as_ours(seen) if is_laid_out_as_ours([f"{folder}/{playlist.name}"]) else seen,)


def _loudness(
    observer: Observer, playlist: Path, observations: Sequence[AnyObservation]
) -> tuple[LoudnessObservation, ...]:
    """The loudness of every variant that has a sound, at one decode of each."""
    masters = [seen for seen in observations if isinstance(seen, MasterObservation)]
    places = {variant.output: playlist.parent / uri for master in masters for uri, variant in master.measured}
    return tuple(
        observer.loudness(places.get(seen.output, playlist), output=seen.output)
        for seen in observations
        if isinstance(seen, VariantObservation) and seen.audio is not None and (seen.output in places or not masters)
    )


def is_preview(folder: str, name: str) -> bool:
    """Whether a playlist is called as our previews are."""
    return (folder, name) == ("preview", "preview.m3u8")


def is_laid_out_as_ours(uris: Sequence[str]) -> bool:
    """Whether all playlists have the folders and the name that ours have."""
    folders = {output.playlist_name for output in (*outputs.variants("video"), *outputs.variants("audio"))}
    return all(uri in {f"{folder}/playlist.m3u8" for folder in folders} or is_preview(*_parts(uri)) for uri in uris)


def _parts(uri: str) -> tuple[str, str]:
    folder, _, name = uri.rpartition("/")
    return folder, name


def _as_ours(seen: AnyObservation) -> AnyObservation:
    match seen:
        case VariantObservation():
            return replace(seen, expected=replace(seen.expected, is_of_contract=True))
        case MasterObservation():
            return replace(seen, expected=replace(seen.expected, is_of_contract=True))
        case _:
            return seen


def find_playlist(target: Path) -> Path | None:
    """The playlist that a path means: itself, or of a folder its `master.m3u8` or its only playlist. None: there is
    none."""
    if not target.is_dir():
        return target if target.is_file() else None
    playlists = sorted(target.glob("*.m3u8"))
    master = next((path for path in playlists if path.name == "master.m3u8"), None)
    return master or (playlists[0] if len(playlists) == 1 else None)
