"""Judges the published outputs of one media, as often as is wanted, without encoding anything.

An output is fetched and observed (`observe/`), the observation is compared with what records lead to expect
(`expectations.py`), and every rule that applies gives a finding (`rules/`). In: which outputs are observed, what of
them is fetched, and how findings replace recorded ones. Out: which media are judged (`library/sweep.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import singledispatchmethod
from pathlib import Path

from codex_assets.archive import stored_files
from codex_assets.archive.check_results import VERIFICATION, OutputVerification, VerificationRecord
from codex_assets.archive.findings import Finding
from codex_assets.archive.notes import Note
from codex_assets.archive.records import (
    BlurHashRecord,
    LoudnessRecord,
    MasterRecord,
    MediaRecord,
    MezzanineRecord,
    OutputRecord,
    SmallThumbnailsRecord,
    StoredFile,
    StoryboardRecord,
    ThumbnailRecord,
    VariantRecord,
    WaveformRecord,
)
from codex_assets.archive.replaced import GRACE
from codex_assets.archive.store import RecordStore
from codex_assets.errors import MissingInput, StorageError
from codex_assets.media import outputs as media_outputs
from codex_assets.media import profile, target_format
from codex_assets.media.outputs import OUTPUTS
from codex_assets.storage import keys
from codex_assets.storage.objects import Role, StoredObject, Stores, file_sha256
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace
from codex_assets.verification import causes, expectations, measures
from codex_assets.verification.judge import RULES, Observation, failures, judge, rule_set
from codex_assets.verification.kinds import ObservationKind, kinds_of
from codex_assets.verification.observations import (
    AnyObservation,
    LoudnessExpected,
    MasterExpected,
    MasterObservation,
    MezzanineObservation,
    VariantObservation,
)
from codex_assets.verification.observe.observer import Observer
from codex_assets.verification.programme_notes import recorded_notes
from codex_assets.verification.record_observations import (
    PublishedFile,
    marker_observation,
    missing_record,
    record_observation,
)
from codex_assets.verification.rules.pictures import words_of
from codex_assets.verification.strays import Strays


@dataclass(frozen=True)
class Audit:
    """The findings on one published output.

    `record` is the output's own record, None when there is none: then the only finding, if the media is published, is
    that it is missing. There are none on an output that does not apply to its media. `notes`: what a viewer would
    complain of, whatever was found; None where nobody looked.
    """

    output: str
    record: OutputRecord | None
    checks: tuple[Finding, ...]
    notes: tuple[Note, ...] | None = None
    observations: tuple[Observation, ...] = ()
    """What they are findings on."""

    @property
    def failed(self) -> tuple[Finding, ...]:
        """Findings for which the output would not be published."""
        return failures(self.checks)

    @property
    def warned(self) -> tuple[Finding, ...]:
        """Findings that do not keep it from being published."""
        return tuple(finding for finding in self.checks if finding.is_warning)


def keep_results(
    records: RecordStore, media: MediaRecord, audits: Collection[Audit], *, all_rules: bool
) -> VerificationRecord:
    """Write the findings of `audits` into the media's verification record, and return that record.

    `all_rules`: every rule was asked, so that the findings replace everything that was recorded of these outputs. Else
    they replace the findings of the same rules, and the others stay as long as the output has the same contents.
    Raises `StorageError` when the archive cannot be written, or an older record is needed and cannot be read.
    """
    try:
        earlier = records.get(media.media_id, VERIFICATION, VerificationRecord)
    except StorageError:
        # It only repeats what can be found again.
        if not all_rules:
            raise
        earlier = None
    results = {result.output: result for result in earlier.outputs} if earlier is not None else {}
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    for audit in audits:
        if audit.record is None or not audit.record.applicable:
            results.pop(audit.output, None)
            continue
        if not all_rules and not audit.checks:
            continue
        fresh = OutputVerification(
            output=audit.output,
            data_version=audit.record.data_version,
            checked_at=now,
            passed=tuple(dict.fromkeys(finding.rule for finding in audit.checks if finding.passed)),
            failed=tuple(finding for finding in audit.checks if not finding.passed),
            rule_set=rule_set() if all_rules else None,
            notes=audit.notes,
        )
        known = results.get(audit.output)
        if not all_rules and known is not None and known.data_version == fresh.data_version:
            fresh = _merged(known, fresh)
        results[audit.output] = fresh
    order = OUTPUTS[media.media_type]
    record = VerificationRecord(
        media_id=media.media_id,
        creator_id=media.creator_id,
        media_type=media.media_type,
        outputs=tuple(results[output] for output in order if output in results and kinds_of(output)),
    )
    records.put(media.media_id, VERIFICATION, record)
    return record


def _merged(known: OutputVerification, fresh: OutputVerification) -> OutputVerification:
    """`fresh`, with what `known` says of the rules that were not asked this time."""
    asked = {*fresh.passed, *(finding.rule for finding in fresh.failed)}
    return fresh.model_copy(
        update={
            "passed": (*(rule for rule in known.passed if rule not in asked), *fresh.passed),
            "failed": (*(finding for finding in known.failed if finding.rule not in asked), *fresh.failed),
            "rule_set": known.rule_set,
            "notes": fresh.notes if fresh.notes is not None else known.notes,
        }
    )


def _by_cause(
    findings: causes.Findings,
    looked: Mapping[str, tuple[OutputRecord | None, Sequence[Observation]]],
    source: MezzanineRecord,
) -> causes.Findings:
    """The findings on the outputs of a media, each cause once. `looked`: record and observations of each output."""
    records = {output: record for output, (record, _) in looked.items() if record is not None and record.applicable}
    variants = [output for output in records if media_outputs.is_variant(output)]
    pictures = {
        output: observation.pictures
        for output in variants
        for observation in looked[output][1]
        if isinstance(observation, VariantObservation) and observation.pictures is not None
    }
    still = records.get(media_outputs.THUMBNAIL.name)
    origins = {output: _is_origin(source, records[output]) for output in variants}
    evidence = causes.Evidence(
        variants=tuple(variants),
        outdated=frozenset(output for output, is_origin in origins.items() if is_origin is False),
        is_origin=all(origins.values()),
        changes={output: change.change for output, each in pictures.items() if (change := each.change) is not None},
        originals={output: words for output, each in pictures.items() if (words := words_of(each.change_of_original))},
        still_at=still.at if isinstance(still, ThumbnailRecord) else None,
    )
    blamed = causes.disagreements(findings, evidence)
    rest = dict(causes.without_consequences(findings, blamed, variants[0] if variants else None))
    name = media_outputs.MEZZANINE.name
    if name in rest and not causes.is_damaged(findings):
        mezzanines = [each for each in looked[name][1] if isinstance(each, MezzanineObservation)]
        for mezzanine in mezzanines:
            blamed_mezzanine = replace(mezzanine, disagreements=blamed if variants else None)
            rest[name] = (*rest[name], *judge(blamed_mezzanine, only=("mezzanine_is_its_variants_origin",)))
    return rest


def _is_origin(source: MezzanineRecord, record: OutputRecord) -> bool | None:
    """Whether a variant was made of the mezzanine that is recorded now; False where it was made earlier, of another
    one; None where the records do not say."""
    if record.build is None or source.build is None or media_outputs.MEZZANINE.name not in record.build.inputs:
        return None
    if record.build.inputs[media_outputs.MEZZANINE.name] == source.data_version:
        return True
    return False if record.build.built_at < source.build.built_at else None


def _applies(media: MediaRecord, source: MezzanineRecord, output: str) -> bool:
    """Whether a media has this output: of variants that is said by its mezzanine, and it has all others."""
    if not media_outputs.is_variant(output):
        return True
    if media.media_type == "audio":
        return source.has_audio
    rungs = target_format.rungs(*source.picture_size) if source.picture_size is not None else ()
    return output in {media_outputs.variant_output(rung.name) for rung in rungs}


@dataclass(frozen=True)
class _AuditedMedia:
    """A media whose outputs are judged. `wanted`: its variants and preview that are to be judged; `seen`: those that
    were observed so far, by output."""

    media: MediaRecord
    source: MezzanineRecord
    wanted: tuple[str, ...]
    seen: dict[str, VariantObservation]
    kinds: frozenset[ObservationKind]
    """Those that the rules ask for."""


class Auditor:
    """Judges published outputs, in one workspace."""

    def __init__(
        self, stores: Stores, tools: Tools, workspace: Workspace, *, deep: bool = True, grace: timedelta = GRACE
    ) -> None:
        """`deep` also fetches the mezzanine: it is decoded, and the outputs are compared with it. `grace`: how long
        what was replaced is kept."""
        self._stores = stores
        self._records = RecordStore(stores.archive)
        self._observer = Observer(tools.within(workspace.root), scratch=workspace.root)
        self._workspace = workspace
        self._deep = deep
        self._strays = Strays(stores, self._records, grace)
        self._stored: dict[Path, StoredObject] = {}
        """What the store said of each file as it was fetched."""

    def audit(
        self, media: MediaRecord, outputs: Collection[str], *, only: Collection[str] | None = None
    ) -> Iterator[Audit]:
        """Judge `outputs`, one after the other in order of building, by the rules named in `only` or by all.

        Files are fetched as they are needed, into the workspace. Yields an audit of every output, also of one that was
        never built. Raises `KeyError` for a rule that there is not, `StorageError` when a store cannot be read.
        """
        kinds = ObservationKind if only is None else (kind for rule in only for kind in RULES[rule].kinds)
        asked = frozenset(kinds)
        source = self._records.get(media.media_id, "mezzanine", MezzanineRecord)
        seen: dict[str, VariantObservation] = {}
        wanted = [output for output in OUTPUTS[media.media_type] if output in outputs]
        moving = {ObservationKind.VARIANT, ObservationKind.PREVIEW}
        playlists = tuple(output for output in wanted if moving.intersection(kinds_of(output)))
        looked: dict[str, tuple[OutputRecord | None, list[Observation]]] = {}
        notes: dict[str, tuple[Note, ...] | None] = {}
        for output in wanted:
            record = self._records.output(media.media_id, output)
            looks: list[AnyObservation] = []
            if not asked.intersection(kinds_of(output)):
                observations: list[Observation] = []
            elif record is None:
                observations = [missing_record(output)] if self._is_published(media, output) else []
            elif source is None:
                observations = []
            elif not record.applicable:
                applies = _applies(media, source, output)
                wrong = marker_observation(output, record, media, applies=applies)
                observations = [wrong] if wrong is not None else []
            else:
                audited = _AuditedMedia(media, source, playlists, seen, asked)
                looks = list(self._observe(record, audited))
                observations = [*self._of_record(output, record, audited, looks), *looks]
            looked[output] = record, observations
            notes[output] = recorded_notes(looks)
        findings: causes.Findings = {
            output: [finding for observation in observations for finding in judge(observation, only=only)]
            for output, (_, observations) in looked.items()
        }
        if only is None and source is not None:
            findings = _by_cause(findings, looked, source)
        for output, (record, observations) in looked.items():
            yield Audit(output, record, tuple(findings[output]), notes[output], tuple(observations))

    def _is_published(self, media: MediaRecord, output: str) -> bool:
        """Whether an output without a record was published: the media's master is, unless the output need not be
        there, or the output's own object is there."""
        is_optional = output in media_outputs.OPTIONAL
        if not is_optional and self._records.get(media.media_id, media_outputs.MASTER.name, MasterRecord) is not None:
            return True
        creator, media_id = media.creator_id, media.media_id
        objects: dict[str, tuple[Role, str]] = {
            media_outputs.MASTER.name: ("media", keys.master_playlist(creator, media_id, media.media_type)),
            media_outputs.PREVIEW.name: ("media", keys.preview_playlist(creator, media_id)),
            media_outputs.THUMBNAIL.name: ("assets", keys.thumbnail(creator, media_id)),
            media_outputs.STORYBOARD.name: ("assets", keys.storyboard(creator, media_id)),
            media_outputs.THUMBNAILS.name: (
                "assets",
                keys.small_thumbnail(creator, media_id, profile.THUMBNAIL_SIZES[0][0]),
            ),
            media_outputs.BLURHASH.name: ("assets", keys.blurhash(creator, media_id)),
            media_outputs.WAVEFORM_JSON.name: ("assets", keys.waveform_json(creator, media_id)),
            media_outputs.WAVEFORM_PNG.name: ("assets", keys.waveform_png(creator, media_id)),
        }
        if output not in objects:
            return False
        role, key = objects[output]
        return self._stores.by_role(role).head(key) is not None

    def _of_record(
        self, output: str, record: OutputRecord, audited: _AuditedMedia, looks: list[AnyObservation]
    ) -> Iterator[Observation]:
        """The record itself, beside the files that it names and what was observed of them."""
        if ObservationKind.RECORD not in audited.kinds:
            return
        files = []
        is_fetched = self._deep or record.output != media_outputs.MEZZANINE.name
        folder = self._fetched(audited.media, record) if is_fetched else None
        for file in record.files:
            path = folder / _place(record, file) if folder is not None else None
            if path is not None and path.is_file():
                files.append(_published(file, path, self._stored.get(path)))
        seen = record_observation(output, record, audited.media, audited.source, files, looks)
        public_copy = self._strays.public_copy(record)
        if isinstance(record, MasterRecord):
            exposed, beside = self._strays.beside_outputs(audited.media)
            seen = replace(seen, exposed=exposed, beside=beside)
        yield replace(seen, public_copy=public_copy)

    @singledispatchmethod
    def _observe(self, record: OutputRecord, audited: _AuditedMedia) -> Iterator[AnyObservation]:
        """What is observed of an output, by the type of its record; nothing of one without files of its own."""
        yield from ()

    @_observe.register
    def _observe_mezzanine(self, record: MezzanineRecord, audited: _AuditedMedia) -> Iterator[AnyObservation]:
        path = self._file(audited.media, record)
        yield self._observer.mezzanine(path, expectations.mezzanine(record), decode=self._deep)

    @_observe.register
    def _observe_variant(self, record: VariantRecord, audited: _AuditedMedia) -> Iterator[AnyObservation]:
        if audited.kinds & {ObservationKind.VARIANT, ObservationKind.PREVIEW}:
            if record.output not in audited.seen:
                audited.seen.update(self._variants(audited, record))
            yield audited.seen[record.output]
        seen = audited.seen.get(record.output)
        # A part of a programme has another loudness than the whole; of a playlist that cannot be read nothing is heard.
        is_heard = audited.source.has_audio and media_outputs.is_variant(record.output)
        is_heard = is_heard and (seen is None or seen.readable)
        if ObservationKind.LOUDNESS in audited.kinds and is_heard:
            playlist = self._playlist(audited.media, record)
            wanted = self._loudness_expected(audited, record)
            heard = self._observer.loudness(playlist, wanted, output=record.output)
            yield replace(heard, gain=seen.sound.gain if seen is not None and seen.sound is not None else None)

    @_observe.register
    def _observe_master(self, record: MasterRecord, audited: _AuditedMedia) -> Iterator[AnyObservation]:
        yield self._master(audited.media, audited.source, record, audited.seen)

    @_observe.register
    def _observe_thumbnail(self, record: ThumbnailRecord, audited: _AuditedMedia) -> Iterator[AnyObservation]:
        reference = self._reference(audited.media, audited.source)
        at = expectations.thumbnail_moment(audited.source)
        yield self._observer.thumbnail(self._file(audited.media, record), reference=reference, at=at)

    @_observe.register
    def _observe_storyboard(self, record: StoryboardRecord, audited: _AuditedMedia) -> Iterator[AnyObservation]:
        reference = self._reference(audited.media, audited.source)
        text = self._file(audited.media, record)
        yield self._observer.storyboard(text, audited.source.duration, reference=reference)

    @_observe.register
    def _observe_small_thumbnails(
        self, record: SmallThumbnailsRecord, audited: _AuditedMedia
    ) -> Iterator[AnyObservation]:
        reference = self._reference(audited.media, audited.source)
        folder = self._fetched(audited.media, record)
        paths = [folder / _place(record, file) for file in record.files]
        at = expectations.thumbnail_moment(audited.source)
        yield self._observer.small_thumbnails(paths, reference=reference, at=at)

    @_observe.register
    def _observe_blurhash(self, record: BlurHashRecord, audited: _AuditedMedia) -> Iterator[AnyObservation]:
        reference = self._reference(audited.media, audited.source)
        at = expectations.thumbnail_moment(audited.source)
        yield self._observer.blurhash(self._file(audited.media, record), reference=reference, at=at)

    @_observe.register
    def _observe_waveform(self, record: WaveformRecord, audited: _AuditedMedia) -> Iterator[AnyObservation]:
        is_data = record.output == media_outputs.WAVEFORM_JSON.name
        look = self._observer.waveform_json if is_data else self._observer.waveform_png
        best = media_outputs.variants(audited.media.media_type)[0].name
        sound = self._records.get(audited.media.media_id, best, VariantRecord)
        reference = self._playlist(audited.media, sound) if sound is not None and sound.applicable else None
        expected = expectations.waveform(audited.source, record)
        yield look(self._file(audited.media, record), expected, reference=reference)

    def _variants(self, audited: _AuditedMedia, record: VariantRecord) -> dict[str, VariantObservation]:
        """What is observed of an output and, because the mezzanine is decoded once for all, of the others that are
        still to be judged and compared with it."""
        media, source = audited.media, audited.source
        reference = self._reference(media, source)
        records = [record]
        if reference is not None:
            later = [self._records.get(media.media_id, name, VariantRecord) for name in audited.wanted]
            records += [
                other
                for other in later
                if other is not None and other.applicable and other.output not in {*audited.seen, record.output}
            ]
        looked = [(self._playlist(media, each), self._looked_at(media, source, each)) for each in records]
        seen = self._observer.compared(looked, reference) if reference is not None else [each for _, each in looked]
        return {observation.output: observation for observation in seen}

    def _looked_at(self, media: MediaRecord, source: MezzanineRecord, record: VariantRecord) -> VariantObservation:
        """A playlist as it is, before it is compared with anything."""
        look = self._observer.variant if media_outputs.is_variant(record.output) else self._observer.preview
        loudness = self._loudness_of_upload(media)
        cuts = self._cuts(media, record)
        expected = expectations.variant(
            media.media_type, source, record.output, record.variant, cuts, record.gain_mode, loudness
        )
        reference = self._reference(media, source)
        # What is compared is decoded then.
        observation = look(
            self._playlist(media, record),
            expected,
            output=record.output,
            reference=reference,
            decode=reference is None,
        )
        return replace(observation, stray=self._strays.beside_playlist(record, observation))

    def _cuts(self, media: MediaRecord, record: VariantRecord) -> tuple[float, ...] | None:
        """Segment boundaries of another variant, as they were recorded, in seconds; None when there is none."""
        for sibling in media_outputs.variants(media.media_type):
            if sibling.name == record.output:
                continue
            other = self._records.get(media.media_id, sibling.name, VariantRecord)
            if other is not None and other.applicable:
                return measures.cuts(segment.duration for segment in other.segments)
        return None

    def _master(
        self,
        media: MediaRecord,
        source: MezzanineRecord,
        record: MasterRecord,
        seen: dict[str, VariantObservation],
    ) -> MasterObservation:
        """The master beside every variant that exists by its record, whether the master names it or not.

        `seen`: variants that were observed already, by output; the others are observed now, and added.
        """
        existing = []
        variants = media_outputs.variants(media.media_type)
        for output in variants:
            variant = self._records.get(media.media_id, output.name, VariantRecord)
            if variant is None or not variant.applicable:
                continue
            existing.append(variant.variant)
            if output.name not in seen:
                seen[output.name] = self._looked_at(media, source, variant)
        path = self._file(media, record)
        observed = {output.playlist_name: seen[output.name] for output in variants if output.name in seen}
        seen_master = self._observer.master(path, observed, MasterExpected(tuple(existing)))
        return replace(seen_master, stray=self._strays.beside_master(media, record, existing))

    def _file(self, media: MediaRecord, record: OutputRecord) -> Path:
        """The one file of an output, or the one that names the others, fetched; it does not exist where the object is
        missing."""
        return self._fetched(media, record) / Path(record.files[-1].key).name

    def _playlist(self, media: MediaRecord, record: VariantRecord) -> Path:
        assert record.playlist_key is not None
        return self._fetched(media, record) / Path(record.playlist_key).name

    def _loudness_expected(self, audited: _AuditedMedia, record: VariantRecord) -> LoudnessExpected | None:
        upload = self._loudness_of_upload(audited.media)
        if upload is None:
            return None
        return expectations.loudness(upload, record.warnings, audited.source, record.gain_mode)

    def _loudness_of_upload(self, media: MediaRecord) -> LoudnessRecord | None:
        return self._records.get(media.media_id, media_outputs.LOUDNESS.name, LoudnessRecord)

    def _reference(self, media: MediaRecord, source: MezzanineRecord) -> Path | None:
        if not self._deep:
            return None
        folder = self._fetched(media, source)
        path = folder / Path(source.files[0].key).name
        return path if path.exists() else None

    def _fetched(self, media: MediaRecord, record: OutputRecord) -> Path:
        """A folder with the published files of an output; a missing object is a missing file, for the rules to see."""

        def fetch() -> Path:
            folder = self._workspace.folder(f"audit/{media.media_id}/{record.output}")
            for file in record.files:
                self._fetch(file, folder / _place(record, file))
            return folder

        folder: Path = self._workspace.once(f"audit {media.media_id} {record.output}", fetch)
        return folder

    def _fetch(self, file: StoredFile, path: Path) -> None:
        try:
            self._stored[path] = stored_files.fetch(self._stores, file, path)
        except MissingInput:
            return


def _published(file: StoredFile, path: Path, stored: StoredObject | None) -> PublishedFile:
    """A file as it is recorded, as it was fetched to `path`, and as its store delivers it."""
    sha256 = stored.sha256 if stored is not None else None
    fetched = PublishedFile(path.name, file.size, file.sha256, path.stat().st_size, sha256 or file_sha256(path))
    # Nobody plays what is archived; a folder that was copied without its notes says nothing of types.
    if stored is None or stored.content_type is None or file.role == "archive":
        return fetched
    return replace(
        fetched,
        is_delivered=True,
        is_of_version=keys.without_version(file.key) != file.key,
        content_type=stored.content_type,
        cache_control=stored.cache_control,
    )


def _place(record: OutputRecord, file: StoredFile) -> str:
    """Where a published file is put in the folder of its output: as it lies beside its playlist."""
    playlist = record.playlist_key if isinstance(record, VariantRecord) else None
    if playlist is not None and file.key.startswith(keys.folder(playlist)):
        return file.key.removeprefix(keys.folder(playlist))
    return Path(file.key).name
