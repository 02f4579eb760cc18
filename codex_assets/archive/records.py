"""What is known of a media across runs and machines: small frozen records, JSON in the archive.

The state that makes every output rebuildable from any machine: who the media is, and for each output what was built,
from which recipe, where it lies and what was measured of it. Never a local path, never a secret, never a pickle.
Keys: `records/{mediaId}/{name}.json`, `media` for the media itself, else the output's name. Reading and writing them is
in `store.py`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationInfo, field_validator

from codex_assets.archive.findings import Finding, findings_of
from codex_assets.archive.notes import Note
from codex_assets.contract.names import MediaType
from codex_assets.media import outputs
from codex_assets.media.encode.loudness import Measurement
from codex_assets.media.outputs import OutputKind
from codex_assets.storage.objects import Role


class Record(BaseModel):
    """Frozen; unknown fields are ignored, so that an older worker reads what a newer one wrote."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")


class MediaRecord(Record):
    """Who a media is and where its original lies."""

    media_id: str
    creator_id: str
    media_type: MediaType
    input_role: Role
    input_key: str


ORIGINAL = "original"
"""Name of the record that says what became of the original; there is none while it is kept."""


class OriginalRecord(Record):
    """An original that is not there any more: deleted by the clean-up, or found missing by it.

    A mezzanine that is built again needs an original that is there again, and takes this record away.
    """

    media_id: str
    input_key: str
    gone_since: str
    """When it was deleted, or found missing: UTC, ISO 8601."""
    deleted: bool
    """False: it was missing already, whoever deleted it."""
    size: int | None = None
    """Bytes of its last version."""
    mezzanine_sha256: str | None = None
    """Of the mezzanine that was checked right before, and stands for it now."""


class StoredFile(Record):
    """One published object: store role, key, bytes, SHA-256 (hex)."""

    role: Role
    key: str
    size: int
    sha256: str
    version: str | None = None
    """Which of the contents that its key had, as the store names it; None where the store keeps one."""
    etag: str | None = None
    """The store's own digest of the contents when they were confirmed; None where it makes none, and in records of
    earlier releases."""


class Build(Record):
    """How an output was made: its receipt. `speed` is media seconds per wall second of the encode.

    Seconds are wall seconds of the work that it came from, from fetching to publishing; outputs that were built
    together share that work, and `shared` says how many they were.
    """

    built_at: str
    """When it was finished, before it was published: ISO 8601, UTC."""
    wall_seconds: float
    encode_seconds: float | None = None
    speed: float | None = None
    encoder: str | None = None
    encoder_reason: str | None = None
    tool_versions: dict[str, str] = {}
    inputs: dict[str, str] = {}
    """What it was made from: output name -> its data version then; `original` -> SHA-256 (hex) of the upload."""
    shared: int = 1
    recipe: dict[str, Any] = {}
    """The numbers and rules behind `code_version`, so that a later recipe can say what is different."""
    phases: dict[str, float] = {}
    """Wall seconds by phase (`fetching the mezzanine`, `variants`, `verifying`, `publishing`, ...)."""
    gpu: str | None = None
    """The model of the GPU that encoded; None on a CPU."""
    run_id: str | None = None
    """Which run built it: RunPod's job id, or Dagster's run id."""
    cost_usd: float | None = None
    """This output's share of what the worker's time cost; None where no price is known. Shares add up to the whole."""


class OutputRecord(Record):
    """What every output's record says. A marker (`applicable=False`, with the reason) has no files."""

    media_id: str
    media_type: MediaType
    output: str
    applicable: bool = True
    reason: str | None = None
    code_version: str
    data_version: str
    files: tuple[StoredFile, ...] = ()
    warnings: tuple[str, ...] = ()
    checks: tuple[Finding, ...] = ()
    """Findings of its verification before it was published."""
    rule_set: str | None = None
    """Which rules made them; None in records of earlier releases."""
    build: Build | None = None

    @field_validator("checks", mode="after")
    @classmethod
    def _name_the_output(cls, checks: tuple[Finding, ...], info: ValidationInfo) -> tuple[Finding, ...]:
        return findings_of(info.data.get("output", ""), checks)

    @property
    def media_seconds(self) -> float | None:
        """How long it plays; None for what has no length of its own, or is not built."""
        return None

    @property
    def picture_size(self) -> tuple[int, int] | None:
        """Width and height that variants are fitted into; None for what no variant is made from."""
        return None

    @property
    def rung(self) -> str | None:
        """The rung that it is, or was cut from; None for what is of no rung, or of several."""
        return None

    @property
    def named_rungs(self) -> tuple[str, ...]:
        """The rungs that it lists."""
        return ()


class SourceFacts(Record):
    """The original as it was uploaded: displayed pixels, frames a second, seconds."""

    container: str
    size: int
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    frame_rate: str | None = None
    rotation: int = 0
    interlaced: bool = False
    hdr: bool = False
    video_codec: str | None = None
    audio_codec: str | None = None
    audio_channels: int | None = None
    audio_sample_rate: int | None = None
    uploaded_at: str | None = None
    """When the store took the upload (UTC, ISO 8601), and its ETag there: which upload it was that was read."""
    etag: str | None = None
    coded_width: int | None = None
    coded_height: int | None = None
    sample_aspect: str | None = None
    """Width over height of a sample."""
    mirrored: bool | None = None
    """Left to right, before it is turned by `rotation` (degrees clockwise)."""
    nominal_frame_rate: str | None = None
    """`frame_rate` is the average one."""
    deinterlaced: str | None = None
    """Which frames were taken apart: `never`, `flagged`, or all of them with `tff` or `bff`."""
    pixel_format: str | None = None
    color_range: str | None = None
    color_matrix: str | None = None
    color_transfer: str | None = None
    color_primaries: str | None = None
    alpha: bool | None = None
    hdr_kind: str | None = None
    """`PQ` or `HLG`."""
    dolby_vision: int | None = None
    """Profile."""
    # Time, sound, tracks and damage.
    audio_layout: str | None = None
    audio_bits: int | None = None
    audio_after_video: float | None = None
    """Seconds by which the sound starts after the picture; negative: before it."""
    tracks_left_out: dict[str, int] | None = None
    """How many tracks were not taken, by kind; `picture` is a cover."""
    video_packets: int | None = None
    video_seconds_declared: float | None = None
    video_share_lost: float | None = None
    """Of what was declared, 0 to 1."""
    audio_seconds_declared: float | None = None
    audio_share_lost: float | None = None
    captions: tuple[str, ...] | None = None
    """Services of the closed captions in its picture, as INSTREAM-ID names them (`CC1`); None: not known."""


class MezzanineRecord(OutputRecord):
    """`duration`: seconds of the longest track, decoded. `frame_rate`: "30000/1001"; None for audio media."""

    source: SourceFacts
    duration: float
    width: int | None = None
    height: int | None = None
    frame_rate: str | None = None
    frames: int | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    audio_treatment: str | None = None
    """`copied`, `lossless` (ALAC) or `encoded` (AAC); None without sound."""
    sound_gain: float = 0.0
    """Decibels by which the sound was turned down, because its samples passed full scale."""
    captions: tuple[str, ...] | None = None
    """Services of the closed captions that its picture carries, all of the upload's or none; None for audio media, and
    where it was made before captions were looked for."""

    @property
    def media_seconds(self) -> float | None:
        return self.duration

    @property
    def picture_size(self) -> tuple[int, int] | None:
        return (self.width, self.height) if self.width is not None and self.height is not None else None

    @property
    def rate(self) -> Fraction | None:
        """Frames a second; None for audio media."""
        return Fraction(self.frame_rate) if self.frame_rate else None

    @property
    def has_audio(self) -> bool:
        return self.audio_codec is not None


_RECORDED_AS = {
    "integrated": "integrated_lufs",
    "true_peak": "true_peak_dbtp",
    "range": "range_lu",
    "threshold": "threshold_lufs",
}
"""Fields of a measurement: their names in records, and those of `Measurement`."""


def _measurement_of(value: object) -> object:
    """A measurement as it is recorded, with the names of `Measurement`; anything else as it is."""
    if not isinstance(value, dict):
        return value
    return {ours: value[recorded] for recorded, ours in _RECORDED_AS.items() if recorded in value}


def _recorded(measurement: Measurement) -> dict[str, float]:
    return {recorded: getattr(measurement, ours) for recorded, ours in _RECORDED_AS.items()}


RecordedMeasurement = Annotated[Measurement, BeforeValidator(_measurement_of), PlainSerializer(_recorded)]


class LoudnessRecord(OutputRecord):
    """`measurement` is None for silence and for media without sound."""

    measurement: RecordedMeasurement | None = None
    """Of the stereo that is delivered."""
    measured_of: Literal["original", "mezzanine"]
    upload_peak_dbtp: float | None = None
    """True peak of the upload's own channels, where it is not that of their stereo; None: as measured."""

    @property
    def peak_dbtp(self) -> float | None:
        """True peak of the upload's sound."""
        if self.upload_peak_dbtp is not None or self.measurement is None:
            return self.upload_peak_dbtp
        return self.measurement.true_peak_dbtp


class SegmentFact(Record):
    """One segment as its playlist names it: EXTINF seconds and bytes."""

    name: str
    duration: float
    size: int


class VariantRecord(OutputRecord):
    """A rendered playlist with its segments; also the preview. Rates in bit/s, as EXT-X-STREAM-INF declares them."""

    variant: str
    playlist_key: str | None = None
    version: str | None = None
    """The folder of its segments, below the playlist's; None where they lie beside it, as the first releases put them.
    """
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    codecs: str | None = None
    bandwidth: int | None = None
    average_bandwidth: int | None = None
    duration: float | None = None
    segments: tuple[SegmentFact, ...] = ()
    loudness: RecordedMeasurement | None = None
    """What the delivered sound measures; None for silence and without sound."""
    gain_mode: str | None = None
    """How the sound was normalised: `linear`, `dynamic`, `gain`, `limited`, `none`."""
    captions: tuple[str, ...] | None = None
    """Services of the closed captions that its pictures carry; None where it was made before there were any."""
    notes: tuple[Note, ...] | None = None
    """What a viewer would complain of in the programme, whichever variant it is seen in; None: nobody looked."""

    @property
    def media_seconds(self) -> float | None:
        return self.duration

    @property
    def rung(self) -> str | None:
        return self.variant


class MasterRecord(OutputRecord):
    """The master playlist, and the names of the variants that it lists."""

    master_key: str | None = None
    variants: tuple[str, ...] = ()

    @property
    def named_rungs(self) -> tuple[str, ...]:
        return self.variants


class ThumbnailRecord(OutputRecord):
    """The thumbnail, in pixels."""

    at: float = 0.0
    """Seconds into the mezzanine."""
    width: int = 0
    height: int = 0


class StoryboardRecord(OutputRecord):
    """A sheet of small pictures, and the text that says when each is shown."""

    duration: float = 0.0
    """Seconds that the pictures stand for, all together."""
    tiles: int = 0
    columns: int = 0
    tile_width: int = 0
    """Pixels of one picture."""
    tile_height: int = 0

    @property
    def media_seconds(self) -> float | None:
        return self.duration


class SmallThumbnailsRecord(OutputRecord):
    """The thumbnail in several sizes: `sizes` are width and height in pixels, in the order of the files."""

    at: float = 0.0
    """Seconds into the mezzanine."""
    sizes: tuple[tuple[int, int], ...] = ()


class BlurHashRecord(OutputRecord):
    """The thumbnail as a BlurHash."""

    at: float = 0.0
    """Seconds into the mezzanine."""
    blurhash: str = ""


class WaveformRecord(OutputRecord):
    """The JSON (`points`, `samples_per_pixel`) or the picture (`width`, `height`)."""

    duration: float = 0.0
    points: int | None = None
    samples_per_pixel: int | None = None
    silent: bool | None = None
    """Whether the merged channels are silent: those of opposite phase cancel, though each can be heard."""
    width: int | None = None
    height: int | None = None

    @property
    def media_seconds(self) -> float | None:
        return self.duration


RECORD_TYPES: dict[OutputKind, type[OutputRecord]] = {
    outputs.MEZZANINE: MezzanineRecord,
    outputs.LOUDNESS: LoudnessRecord,
    outputs.VARIANT: VariantRecord,
    outputs.PREVIEW: VariantRecord,
    outputs.MASTER: MasterRecord,
    outputs.THUMBNAIL: ThumbnailRecord,
    outputs.STORYBOARD: StoryboardRecord,
    outputs.THUMBNAILS: SmallThumbnailsRecord,
    outputs.BLURHASH: BlurHashRecord,
    outputs.WAVEFORM_JSON: WaveformRecord,
    outputs.WAVEFORM_PNG: WaveformRecord,
}


def record_type(output: str) -> type[OutputRecord]:
    """The model of an output's record, by its name. A name that is no output's is that of a rung which is gone."""
    kind = outputs.kind_of(output)
    return RECORD_TYPES[kind] if kind is not None else VariantRecord
