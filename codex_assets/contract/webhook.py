"""The webhook body: what media-api accepts as the answer to a job, field by field.

In: the models and their limits. Out: converting measurements into these units, and sending (`net/webhook.py`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from codex_assets.contract.names import (
    DURATION_SECONDS,
    ERROR_CHARACTERS,
    HEIGHT_LIMIT,
    INTEGRATED_RANGE,
    KEY_BYTES,
    LOUDNESS_RANGE_RANGE,
    PEAK_RANGE,
    VARIANTS,
    WIDTH_LIMIT,
    MediaType,
    PathSegment,
    VariantName,
    when_media_type,
)


class _Wire(BaseModel):
    """Absent, never null: the receiver refuses null, so an explicit None is refused here."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        strict=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _no_null(cls, data: Any) -> Any:
        if isinstance(data, dict) and (nulls := sorted(str(key) for key, value in data.items() if value is None)):
            raise PydanticCustomError("contract", "{names} must be left out, not null", {"names": ", ".join(nulls)})
        return data


class Loudness(_Wire):
    """Pass 1's measurement of the source, each value x100."""

    integrated: int = Field(ge=INTEGRATED_RANGE[0], le=INTEGRATED_RANGE[1], description="LUFS x100.")
    peak: int = Field(ge=PEAK_RANGE[0], le=PEAK_RANGE[1], description="True peak, dBTP x100.")
    range: int = Field(ge=LOUDNESS_RANGE_RANGE[0], le=LOUDNESS_RANGE_RANGE[1], description="Loudness range, LU x100.")


WireKey = Annotated[str, Field(min_length=1, max_length=KEY_BYTES)]
Sentence = Annotated[str, Field(min_length=1, max_length=ERROR_CHARACTERS)]

_VIDEO_ONLY = ("hls_preview_key", "thumbnail_key", "width", "height")
_AUDIO_ONLY = ("waveform_key", "waveform_image_key")


def _output_by_media_type(schema: dict[str, Any]) -> None:
    """Add to the schema which fields each media type may have."""
    excluded = {"video": _AUDIO_ONLY, "audio": _VIDEO_ONLY}
    clauses = []
    for kind, names in VARIANTS.items():
        properties: dict[str, Any] = {"readyVariants": {"items": {"enum": list(names)}}}
        properties |= {to_camel(name): False for name in excluded[kind]}
        clauses.append(when_media_type(kind, properties))
    schema["allOf"] = clauses
    schema["dependentRequired"] = {"width": ["height"], "height": ["width"]}


class Output(_Wire):
    """The published outputs. A key is present only if its object was written and verified."""

    model_config = ConfigDict(json_schema_extra=_output_by_media_type)

    media_id: PathSegment
    media_type: MediaType
    hls_master_playlist_key: WireKey | None = None
    hls_preview_key: WireKey | None = Field(default=None, description="Video only.")
    thumbnail_key: WireKey | None = Field(default=None, description="Video only.")
    waveform_key: WireKey | None = Field(default=None, description="Audio only.")
    waveform_image_key: WireKey | None = Field(default=None, description="Audio only.")
    mezzanine_key: WireKey | None = Field(default=None, description="In the archive bucket.")
    duration_seconds: int | None = Field(
        default=None, ge=DURATION_SECONDS[0], le=DURATION_SECONDS[1], description="Rounded."
    )
    width: int | None = Field(
        default=None, ge=1, le=WIDTH_LIMIT, description="Displayed width of the source, pixels. Video only."
    )
    height: int | None = Field(
        default=None, ge=1, le=HEIGHT_LIMIT, description="Displayed height of the source, pixels. Video only."
    )
    ready_variants: Annotated[tuple[VariantName, ...], Field(strict=False)] | None = Field(
        default=None,
        description="Rendered variants, best first, then the preview.",
        json_schema_extra={"uniqueItems": True},
    )
    loudness: Loudness | None = Field(default=None, description="Left out for silence and for sources without audio.")
    warnings: Annotated[tuple[Sentence, ...], Field(strict=False)] | None = Field(
        default=None, description="Extension: sentences about losses in the delivered outputs."
    )

    @model_validator(mode="after")
    def _fits_media_type(self) -> Self:
        foreign = _AUDIO_ONLY if self.media_type == "video" else _VIDEO_ONLY
        if present := [to_camel(name) for name in foreign if getattr(self, name) is not None]:
            raise ValueError(f"{', '.join(present)} cannot be set for {self.media_type}")
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height come together")
        variants = self.ready_variants or ()
        if len(set(variants)) != len(variants) or not set(variants) <= set(VARIANTS[self.media_type]):
            raise ValueError(f"readyVariants must hold variants of {self.media_type}, each once")
        return self


class FailedOutput(_Wire):
    """The media that failed. A field is left out if the payload has no valid value for it."""

    media_id: PathSegment | None = None
    media_type: MediaType | None = None


class _Body(_Wire):
    """What both bodies have."""

    id: str = Field(min_length=1, description="RunPod's job id.")

    def wire(self) -> dict[str, Any]:
        """The body as JSON-ready dict with wire names, nothing null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class CompletedBody(_Body):
    """All requested outputs are published."""

    status: Literal["completed"]
    output: Output


class FailedBody(_Body):
    """The job failed; what was published before stays as it was."""

    status: Literal["failed"]
    output: FailedOutput
    error: Sentence = Field(description="One or two sentences that a person can act on.")
    error_code: str | None = Field(
        default=None, pattern="^[a-z][a-z0-9_]*$", description="Extension: the kind of failure."
    )
    retryable: bool | None = Field(default=None, description="Extension: whether the same job can succeed later.")


class AnnouncedMedia(_Wire):
    """The media that a job works on."""

    media_id: PathSegment
    media_type: MediaType


class JobProgress(_Wire):
    """How far a job is."""

    phase: str = Field(min_length=1, description="What is being done, for people: `variants`, `verifying`, ...")
    percent: int = Field(ge=0, le=100, description="Of the whole job. It may fall when more work is found.")


class ProgressBody(_Body):
    """The job is at work. Never after `completed` or `failed`; only with `WEBHOOK_PROGRESS_SECONDS`."""

    status: Literal["progress"]
    output: AnnouncedMedia
    progress: JobProgress


WebhookBody = Annotated[CompletedBody | FailedBody, Field(discriminator="status")]
WEBHOOK_BODY: TypeAdapter[CompletedBody | FailedBody] = TypeAdapter(WebhookBody)


def parse_webhook_body(raw: object) -> CompletedBody | FailedBody:
    """A body as it came over the wire (a dict) as an object. Raises pydantic's ValidationError (a ValueError)."""
    return WEBHOOK_BODY.validate_python(raw)
