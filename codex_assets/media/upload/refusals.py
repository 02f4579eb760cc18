"""Every sentence that a creator gets about an upload: why it is refused, with the code and what to do about it, and
what is wrong with one that is used all the same.

In: the words. Out: when each of them is true (`intake.py`, `headers.py`, `damage.py`, `build/upload_check.py`), and
what the codes are (`errors.py`, docs/errors.md). A sentence says what is wrong with the upload and what to do about it;
it names no path, no tool and no number that a creator cannot check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codex_assets.errors import SourceCode, SourceError
from codex_assets.media import profile
from codex_assets.media.upload.codec_names import public_name


@dataclass(frozen=True)
class UploadRefusal:
    """Why an upload is not worked on."""

    code: SourceCode
    sentence: str

    def error(self, detail: str | None = None) -> SourceError:
        """As an exception, to be raised. `detail`: what a tool logged, for engineers."""
        return SourceError(self.sentence, self.code, detail=detail)


REMEDIES: Mapping[str, str] = {
    SourceCode.EMPTY: "Upload it again",
    SourceCode.NOT_MEDIA: "Upload the media file",
    SourceCode.ELSEWHERE: "Upload the file that it names; the worker has read none of the files that it names",
    SourceCode.WRONG_TYPE: "Upload it as audio, or upload a video",
    SourceCode.NO_STREAM: "Export it again",
    SourceCode.TRUNCATED: "Upload the whole file again",
    SourceCode.DAMAGED: "Export it again",
    SourceCode.UNSUPPORTED: "Export it in a common format",
    SourceCode.ENCRYPTED: "Upload a copy without protection",
    SourceCode.TOO_LARGE: "Make it smaller, or cut it into parts",
    SourceCode.TOO_LONG: "Cut it into parts",
    SourceCode.TOO_COMPLEX: "Export only picture and sound",
}
"""What to do about any upload that is refused with a code, for those who have to tell the creator."""

# --- What is no media file, or not all of one -------------------------------------------------------------------------

EMPTY = UploadRefusal(SourceCode.EMPTY, "The upload is empty: it holds no bytes. Upload it again.")
CUT_IN_INDEX = UploadRefusal(
    SourceCode.TRUNCATED, "The upload seems to be cut off: its index did not arrive whole. Upload it again."
)
CUT_BEFORE_INDEX = UploadRefusal(
    SourceCode.TRUNCATED, "The upload seems to be cut off: its index is missing. Upload it again."
)
CUT_AFTER_HEADER = UploadRefusal(
    SourceCode.TRUNCATED, "The upload seems to be cut off: it ends after its header. Upload it again."
)
NAMES_OTHER_FILES = UploadRefusal(
    SourceCode.ELSEWHERE,
    "The upload is a film that names other files instead of holding them. Upload the media file itself.",
)
UNREADABLE = UploadRefusal(SourceCode.NOT_MEDIA, "The upload is not a video or audio file that can be read.")


def names_other_files(what: str) -> UploadRefusal:
    """`what`: "a playlist", "a link", ..."""
    return UploadRefusal(
        SourceCode.ELSEWHERE,
        f"The upload is {what} that names other files instead of holding them. Upload the media file itself.",
    )


def not_media(what: str) -> UploadRefusal:
    """`what`: "a PDF document", ..."""
    return UploadRefusal(SourceCode.NOT_MEDIA, f"The upload is {what}, not a video or audio file.")


def damaged_from_the_start(what: str) -> UploadRefusal:
    """`what` it begins like: "a FLAC file", ..."""
    return UploadRefusal(
        SourceCode.DAMAGED, f"The upload begins like {what}, but is cut off or damaged. Upload it again."
    )


# --- What is not supported --------------------------------------------------------------------------------------------

ENCRYPTED = UploadRefusal(
    SourceCode.ENCRYPTED, "The upload is encrypted (copy-protected). Upload a copy without protection."
)
UNFRAMED_AAC = UploadRefusal(
    SourceCode.UNSUPPORTED,
    "The upload's sound is AAC in a WAV file, where nothing tells its frames apart; that is not supported. "
    "Upload it as M4A.",
)
MISREAD_PCM = UploadRefusal(
    SourceCode.UNSUPPORTED,
    "The upload's sound is stored in a way (PCM of more than 16 bits in an mp4) that is not supported. "
    "Upload it as WAV, MOV or FLAC.",
)
FLAC_OF_32_BITS = UploadRefusal(
    SourceCode.UNSUPPORTED, "The upload's sound is FLAC of 32 bits, which is not supported. Upload it with 24."
)


def not_decoded(codec: str) -> UploadRefusal:
    """`codec`: ffmpeg's or its container's name of it."""
    return UploadRefusal(
        SourceCode.UNSUPPORTED,
        f"The upload is coded in a way ({public_name(codec)}) that is not supported. Upload it in another format.",
    )


def not_read(what: str) -> UploadRefusal:
    """`what`: "a MIDI file", ..."""
    return UploadRefusal(
        SourceCode.UNSUPPORTED, f"The upload is {what}, which is not supported. Upload it in another format."
    )


def own_colours(dolby_vision: int | None) -> UploadRefusal:
    """`dolby_vision`: its profile."""
    return UploadRefusal(
        SourceCode.UNSUPPORTED,
        f"The upload is Dolby Vision, profile {dolby_vision}, whose colours only Dolby's own "
        "decoders can show. Export it as HDR10, HLG or SDR, or as Dolby Vision profile 8, and upload that.",
    )


def too_narrow(width: int, height: int) -> UploadRefusal:
    """Displayed pixels."""
    return UploadRefusal(
        SourceCode.UNSUPPORTED, f"The upload's picture is {width}x{height}, which is too narrow to be shown."
    )


def too_many_channels(channels: int) -> UploadRefusal:
    """`channels` of its sound."""
    return UploadRefusal(
        SourceCode.UNSUPPORTED,
        f"The upload's sound has {channels} channels; at most {profile.MAX_AUDIO_CHANNELS} are supported.",
    )


def odd_sample_rate(rate: int) -> UploadRefusal:
    """`rate`: samples a second."""
    low, high = profile.SAMPLE_RATES
    return UploadRefusal(
        SourceCode.UNSUPPORTED, f"The upload's sound has {rate} samples a second; {low} to {high} are supported."
    )


# --- What is too much -------------------------------------------------------------------------------------------------

REPEATED_DATA = UploadRefusal(
    SourceCode.TOO_COMPLEX,
    "The upload refers to the same data over and over, to be much larger than it is. That is not supported.",
)


def too_many_tracks(tracks: int) -> UploadRefusal:
    """`tracks` of any kind."""
    return UploadRefusal(
        SourceCode.TOO_COMPLEX, f"The upload holds {tracks} tracks; at most {profile.MAX_TRACKS} are supported."
    )


def too_long(seconds: float) -> UploadRefusal:
    """`seconds` that it lasts."""
    return UploadRefusal(
        SourceCode.TOO_LONG,
        f"The upload lasts {_hours(seconds)}; at most {profile.MAX_SECONDS // 3600} hours are supported.",
    )


def too_large(width: int | str, height: int | str) -> UploadRefusal:
    """Pixels of the picture."""
    return UploadRefusal(
        SourceCode.TOO_LARGE, f"The upload's picture is {width}x{height}, more than 8K; that is not supported."
    )


def too_much_work(seconds: float, width: int, height: int) -> UploadRefusal:
    """Its length, and displayed pixels."""
    return UploadRefusal(
        SourceCode.TOO_LARGE,
        f"The upload lasts {_hours(seconds)} at {width}x{height}, which is more than can "
        "be processed. Upload it in parts, or smaller.",
    )


def needs_too_much(resource: str) -> UploadRefusal:
    """`resource`: "memory", "disk space", "time"."""
    return UploadRefusal(
        SourceCode.TOO_COMPLEX,
        f"The upload needs far more {resource} than media of its length should; it is damaged, or made to do so.",
    )


# --- What holds nothing that was asked for ----------------------------------------------------------------------------

NOTHING = UploadRefusal(SourceCode.NO_STREAM, "The upload holds no picture or sound that can be decoded.")
NO_PICTURE = UploadRefusal(
    SourceCode.WRONG_TYPE, "The upload holds no picture track that can be decoded, but was uploaded as video."
)
NO_SOUND = UploadRefusal(
    SourceCode.WRONG_TYPE, "The upload holds no sound track that can be decoded, but was uploaded as audio."
)


# --- What is damaged --------------------------------------------------------------------------------------------------

SOUND_WITHOUT_FORM = UploadRefusal(
    SourceCode.DAMAGED, "The upload's sound track is damaged: it has no sample rate or no channels."
)
UNDECODABLE = UploadRefusal(SourceCode.DAMAGED, "The upload could not be decoded; it is damaged or not supported.")


def undecodable_track(track: str) -> UploadRefusal:
    """`track`: "picture" or "sound"."""
    return UploadRefusal(
        SourceCode.DAMAGED, f"The upload's {track} could not be decoded; it is damaged or not supported."
    )


def mostly_idle(seconds: float, idle_seconds: float) -> UploadRefusal:
    """How long it claims to last, and for how long of that it holds nothing."""
    return UploadRefusal(
        SourceCode.DAMAGED,
        f"The upload seems to be damaged: it claims to last {_hours(seconds)} and holds nothing for "
        f"{_hours(idle_seconds)} of that.",
    )


def too_much_cut_off(track: str, seconds: float, declared_seconds: float) -> UploadRefusal:
    """`track`: "picture" or "sound"; of `declared_seconds` of it, `seconds` arrived."""
    return UploadRefusal(
        SourceCode.TRUNCATED,
        f"The upload seems to be cut off: {seconds:.1f} of {declared_seconds:.1f} seconds of the {track} arrived. "
        "Upload it again.",
    )


def too_much_lost(track: str, seconds: float, declared_seconds: float) -> UploadRefusal:
    """`track`: "picture" or "sound"; of `declared_seconds` of it, `seconds` could be decoded."""
    return UploadRefusal(
        SourceCode.DAMAGED,
        f"The upload is too damaged: only {seconds:.1f} of {declared_seconds:.1f} seconds of the {track} could be "
        "decoded. Upload it again.",
    )


# --- Warnings: what is wrong with an upload that is used --------------------------------------------------------------

SOUND_LEFT_OUT = "The sound could not be decoded and is left out."
SOUND_ENCODED_AGAIN = "The sound could not be kept as it was uploaded and was encoded once more in high quality."
SOUND_OFF_TARGET = (
    "The sound could not be made as loud as other media: short peaks in it are too much louder than the rest."
)


def pictures_left_out(numbers: Sequence[int]) -> str:
    """`numbers` of the tracks among the films of the upload, from 1 on."""
    return f"The upload holds several films side by side: one of them is used, and picture {_tracks(numbers)} left out."


def sounds_left_out(numbers: Sequence[int], *, joined: bool) -> str:
    """`numbers` of the tracks among the sounds of the upload, from 1 on. `joined`: mono tracks were, to the one that is
    used."""
    tracks = _tracks(numbers)
    if joined:
        return f"Mono sound tracks of the upload were joined to one sound; beside them sound {tracks} left out."
    return (
        "The upload has several sounds and does not say that they are versions of one, such as languages: one of them "
        f"is used, and sound {tracks} left out. If all should be heard, mix them into one and upload that."
    )


def _tracks(numbers: Sequence[int]) -> str:
    named = [str(number) for number in numbers]
    return f"track {named[0]} is" if len(named) == 1 else f"tracks {', '.join(named[:-1])} and {named[-1]} are"


def track_left_out(track: str, codec: str) -> str:
    """`track`: "picture" or "sound"; `codec`: as of `not_decoded`. There is another track of its kind."""
    return f"A {track} track is left out, because it is coded in a way ({public_name(codec)}) that is not supported."


OTHER_FILES = (
    "The upload holds several films or sounds, one behind the other; only the first is used. Upload the others by "
    "themselves."
)
CAPTIONS_LEFT_OUT = (
    "The closed captions in the upload's picture are left out: its frame rate was changed, and there are not enough "
    "pictures left to carry them in time."
)


def nothing_happens(seconds: float) -> str:
    """`seconds` in which neither picture nor sound says anything."""
    return (
        f"Nothing happens in the upload for {round(seconds / 60)} minutes; the last picture stands there. "
        "If that is not meant, cut it out and upload the rest."
    )


def end_is_missing(track: str, seconds: float, declared_seconds: float, share: float) -> str:
    """`track`: "picture" or "sound", of which the last `seconds` are missing; `share`: of all of it that is lost."""
    return (
        f"The upload is cut off: the last {seconds:.1f} of {declared_seconds:.1f} seconds of the {track} "
        f"are missing (about {_percent(share)} %)."
    )


def part_is_damaged(track: str, share: float) -> str:
    """`track`: "picture" or "sound"; `share`: of all of it that is lost."""
    consequence = "it is missing or shows faults there" if track == "picture" else "it is silent or faulty there"
    return f"The upload is damaged: about {_percent(share)} % of the {track} could not be decoded; {consequence}."


def part_shows_faults(share: float) -> str:
    """`share` of all pictures, of which most can be seen."""
    return f"The upload is damaged: about {_percent(share)} % of the picture shows faults."


def size_changes(width: int, height: int) -> str:
    """Displayed pixels of the size that it is delivered in."""
    return (
        f"The picture changes its size midway in the upload. It is shown at {width}x{height} throughout, with black "
        "bars where its shape is another."
    )


def turns_midway(seconds: float) -> str:
    """`seconds` of the picture that are shown turned in another way than they say."""
    return (
        "The picture is turned in another way midway in the upload. It is shown throughout as it has to be for most of "
        f"the time; about {max(1, round(seconds))} s of it lie on their side, stand on their head or are mirrored. If "
        "that matters, turn them in an editor and upload it again."
    )


def another_track_begins(track: str) -> str:
    """`track`: "picture" or "sound"."""
    return f"Another {track} begins midway in the upload, in a track of its own; it is left out."


def _percent(share: float) -> int:
    return max(1, round(100 * share))


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.1f} hours" if hours < 1e6 else "millions of hours"
