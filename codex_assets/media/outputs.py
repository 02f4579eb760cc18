"""Which outputs there are: their names, their order, what each is made from, and what kind of thing it is.

Everything that depends on what an output is asks here, by an output's name or by its kind, and never looks at how a
name begins. A new rung is one line in `profile.py`, and its name on the wire. A new kind of output is an `OutputKind`
and its place in `LINE_UP`; beside that it needs, because these are other decisions:

- its recipe: `RECIPES` in `recipe.py`
- its record: `RECORD_TYPES` in `archive/records.py`
- the keys of its files: `storage/keys.py`
- what is judged of it: `KINDS` in `verification/kinds.py`
- who builds it: a function in `build/`, called by `LocalBuilder.build`, and its phase in `build/phases.py`
- its name on the wire: `contract/names.py`, which imports nothing of ours, and which a test compares with this file

One that a media need not have `is_optional`, and is built where `EXTRA_OUTPUTS` names it.

Optional: what is shown of its record (`cli/views/media.py`, `defs/output_metadata.py`), under which name the webhook
announces it (`worker/announcement.py`), and how fast it is assumed to be built (`library/costs.py`).

In: names, order, parents, kinds. Out: what shapes an output's bytes (`recipe.py`), and its numbers (`profile.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from codex_assets.media import profile

ORIGINAL = "original"
"""The upload. It is no output, but what the first ones are made from."""


@dataclass(frozen=True)
class OutputKind:
    """What outputs of a kind have in common, whatever the media and the rung.

    `name` is the output's name as well, but for variants, of which a media has several.
    """

    name: str
    made_from: tuple[str, ...]
    """Names of kinds: all outputs of these kinds that the media type has; or `ORIGINAL`."""
    work: str
    """The piece of work that makes it, mostly one decode. What shares one takes as long as the slowest of it."""
    description: str
    """For engineers; `{rung}` is the name of its rung."""
    labels: frozenset[str]
    """The tools that make it, and the format of its files."""
    tools: tuple[str, ...] = ("ffmpeg",)
    """The tools whose version its bytes may depend on; x264 is a library of ffmpeg's with versions of its own."""
    is_still: bool = False
    """Its file is a picture that can be looked at."""
    is_optional: bool = False
    """Built where somebody asks for it: a media without it lacks nothing."""


MEZZANINE = OutputKind(
    "mezzanine",
    made_from=(ORIGINAL,),
    work="mezzanine",
    description="The original, normalised once: H.264 (or sound alone) that every other output is made from. Archive.",
    labels=frozenset({"ffmpeg", "mp4"}),
    tools=("ffmpeg", "x264"),
)
LOUDNESS = OutputKind(
    "loudness",
    made_from=(ORIGINAL,),
    work="loudness",
    description="EBU R 128 measurement of the original's sound, taken in the mezzanine's decode.",
    labels=frozenset({"ffmpeg", "json"}),
)
VARIANT = OutputKind(
    "variant",
    made_from=("mezzanine", "loudness"),
    work="ladder",
    description="HLS variant {rung}: 6 s segments, cut alike in every variant.",
    labels=frozenset({"ffmpeg", "hls"}),
    tools=("ffmpeg", "x264"),
)
PREVIEW = OutputKind(
    "preview",
    made_from=("mezzanine", "loudness"),
    work="ladder",
    description="The first 30 seconds at up to 720p: the first segments of their variant.",
    labels=frozenset({"ffmpeg", "hls"}),
    tools=("ffmpeg", "x264"),
)
MASTER = OutputKind(
    "hls_master",
    made_from=("variant",),
    work="ladder",
    description="The master playlist of all variants that exist, with measured rates.",
    labels=frozenset({"m3u8"}),
    tools=(),
)
THUMBNAIL = OutputKind(
    "thumbnail",
    made_from=("mezzanine",),
    work="thumbnail",
    description="The frame at a tenth of the duration, 1280x720 JPEG.",
    labels=frozenset({"ffmpeg", "jpeg"}),
    is_still=True,
)
WAVEFORM_JSON = OutputKind(
    "waveform_json",
    made_from=("mezzanine", "loudness"),
    work="waveform",
    description="audiowaveform's data of the delivered sound, 10 points a second.",
    labels=frozenset({"audiowaveform", "json"}),
    tools=("ffmpeg", "audiowaveform"),
)
WAVEFORM_PNG = OutputKind(
    "waveform_png",
    made_from=("mezzanine", "loudness"),
    work="waveform",
    description="The waveform drawn at 1280x720.",
    labels=frozenset({"audiowaveform", "png"}),
    tools=("ffmpeg", "audiowaveform"),
    is_still=True,
)
STORYBOARD = OutputKind(
    "storyboard",
    made_from=("mezzanine",),
    work="storyboard",
    description="Optional: small pictures of the whole film on one sheet, and WebVTT that says when each is shown.",
    labels=frozenset({"ffmpeg", "jpeg"}),
    is_optional=True,
)
THUMBNAILS = OutputKind(
    "thumbnails",
    made_from=("mezzanine",),
    work="thumbnail",
    description="Optional: the thumbnail as WebP, 200, 400 and 800 pixels wide.",
    labels=frozenset({"ffmpeg", "webp"}),
    is_optional=True,
)
BLURHASH = OutputKind(
    "blurhash",
    made_from=("mezzanine",),
    work="thumbnail",
    description="Optional: the thumbnail as a BlurHash, a text that is shown as a blur until a picture is there.",
    labels=frozenset({"ffmpeg", "text"}),
    is_optional=True,
)

LINE_UP: dict[str, tuple[OutputKind, ...]] = {
    "video": (MEZZANINE, LOUDNESS, VARIANT, PREVIEW, MASTER, THUMBNAIL, STORYBOARD, THUMBNAILS, BLURHASH),
    "audio": (MEZZANINE, LOUDNESS, VARIANT, MASTER, WAVEFORM_JSON, WAVEFORM_PNG),
}
"""The kinds of outputs of a media type, in the order in which they are built and listed."""


@dataclass(frozen=True)
class OutputDefinition:
    """One output of a media type."""

    name: str
    media_type: str
    kind: OutputKind
    rung: str | None = None
    """The name of a variant's rung in the profile; None for what is no variant."""

    @property
    def description(self) -> str:
        """What it is, for engineers."""
        return self.kind.description.format(rung=self.rung)

    @property
    def has_segments(self) -> bool:
        """It is a playlist with segments of its own: a variant or the preview."""
        return self.kind in (VARIANT, PREVIEW)

    @property
    def playlist_name(self) -> str:
        """The short name of what `has_segments`, which is also its folder's: `720p`, `preview`."""
        return self.rung or self.name


def variant_output(rung: str) -> str:
    """The name of the output of a rung: `hls_720p`."""
    return f"hls_{rung}"


def definitions_of(media_type: str, kinds: tuple[OutputKind, ...]) -> tuple[OutputDefinition, ...]:
    """The outputs of these kinds, in order: one per kind, but of variants one per rung of the profile."""
    ladder = profile.LADDER if media_type == "video" else profile.AUDIO_LADDER
    definitions: list[OutputDefinition] = []
    for kind in kinds:
        if kind is VARIANT:
            definitions += [OutputDefinition(variant_output(rung.name), media_type, kind, rung.name) for rung in ladder]
        else:
            definitions.append(OutputDefinition(kind.name, media_type, kind))
    return tuple(definitions)


DEFINITIONS: dict[str, tuple[OutputDefinition, ...]] = {
    media_type: definitions_of(media_type, kinds) for media_type, kinds in LINE_UP.items()
}
"""Every output of a media type, in the order of building."""
OUTPUTS: dict[str, tuple[str, ...]] = {
    media_type: tuple(output.name for output in definitions) for media_type, definitions in DEFINITIONS.items()
}
"""The names of every output of a media type, in the order of building."""

OPTIONAL: tuple[str, ...] = tuple(
    dict.fromkeys(kind.name for kinds in LINE_UP.values() for kind in kinds if kind.is_optional)
)
"""The names of the outputs that a media need not have."""


def wanted(media_type: str, extras: Collection[str] = ()) -> tuple[str, ...]:
    """What a media of this type is to have, in the order of building: every output that is not optional, and those of
    `extras` that it can have."""
    return tuple(name for name in OUTPUTS[media_type] if name not in OPTIONAL or name in extras)


def definition(media_type: str, name: str) -> OutputDefinition:
    """The output of this name. Raises `KeyError` when the media type has none."""
    for output in DEFINITIONS[media_type]:
        if output.name == name:
            return output
    raise KeyError(name)


def kind_of(name: str) -> OutputKind | None:
    """The kind of an output, which is the same in every media type that has it; None for a name that is no output's."""
    return next(
        (output.kind for definitions in DEFINITIONS.values() for output in definitions if output.name == name), None
    )


def is_variant(name: str) -> bool:
    """Whether an output is one rung of the ladder. The preview is none, and a master names only variants."""
    return kind_of(name) is VARIANT


def variants(media_type: str) -> tuple[OutputDefinition, ...]:
    """The variants of a media type, best first, without the preview."""
    return tuple(output for output in DEFINITIONS[media_type] if output.kind is VARIANT)


def parents(media_type: str, name: str) -> tuple[str, ...]:
    """What an output is made from: outputs, and `ORIGINAL`. Variants that do not apply are among a master's too."""
    made_from: list[str] = []
    for source in definition(media_type, name).kind.made_from:
        if source == ORIGINAL:
            made_from.append(source)
        made_from += [output.name for output in DEFINITIONS[media_type] if output.kind.name == source]
    return tuple(made_from)


def is_of_ladder(name: str) -> bool:
    """Whether it is built with the ladder: variants, the preview, the master."""
    return kind_of(name) in (VARIANT, PREVIEW, MASTER)
