"""What an untrusted file may make a tool do."""

from __future__ import annotations

from codex_assets.media import ffprobe, input_flags, profile
from codex_assets.media.upload.packets import scan_arguments


def test_an_upload_is_opened_as_a_plain_file_of_a_known_kind() -> None:
    for arguments in (
        input_flags.input_arguments("in.mp4"),
        ffprobe.probe_arguments("in.mp4"),
        scan_arguments("in.mp4"),
    ):
        fence = arguments[: arguments.index("in.mp4")]
        assert fence[fence.index("-protocol_whitelist") + 1] == "file"
        kinds = fence[fence.index("-format_whitelist") + 1].split(",")
        assert {"mp4", "matroska", "mpegts"} <= set(kinds)
        assert not {"hls", "dash", "concat", "concatf", "sdp", "image2", "ffmetadata", "lavfi"} & set(kinds)
        known = set(fence[fence.index("-codec_whitelist") + 1].split(","))
        assert {"h264", "hevc", "libdav1d", "aac", "mp3float", "pcm_s16le"} <= known
        assert not {"magicyuv", "exr", "tiff", "webp", "h264_cuvid", "mp3", "snow"} & known
    assert str(profile.MAX_PIXELS) in input_flags.input_arguments("in.mp4")
    narrow = input_flags.input_arguments("in.mp4", codecs={"h264", "aac", "bin_data"})
    assert narrow[narrow.index("-codec_whitelist") + 1] == "aac,h264"
    assert input_flags.input_arguments("ours.mp4", trusted=True) == ["-i", "ours.mp4"]
