"""How much of a track is lost, by the log of its decode and by what did not arrive."""

from __future__ import annotations

import pytest
from probed import frames, packets, parsed, picture, sound

from codex_assets.media.upload import damage
from codex_assets.media.upload.packets import read_packets


def test_a_damaged_sound_is_told_by_any_complaint_and_a_damaged_picture_by_what_was_given_up() -> None:
    info = parsed(picture(), sound())
    repaired = ["[h264 @ 0x5581] [error] non-existing PPS 0 referenced"]
    given_up = ["[error] Error while decoding stream #0:0: Invalid data found when processing input"]
    heard = ["[aac @ 0x5581] [error] Input buffer exhausted before END element found"]
    written = ["[mp4 @ 0x5581] [error] anything", "[aac @ 0x5581] [warning] Too many bits"]
    answers = []
    for lines in (repaired, given_up, heard, written):
        log = damage.DecodeLog()
        for line in lines:
            log.add(line)
        answers.append((log.lost_packets(info, 0) > 0, log.is_sound_damaged(info)))
    assert answers == [(False, False), (True, False), (False, True), (False, False)]
    assert log.is_sound_damaged(parsed(picture())) is False


@pytest.mark.parametrize(
    ("container", "arrived", "packed", "lost", "cut_off"),
    [
        # All pictures that an AVI's header counts are there: what is missing was its index.
        ("avi", 0.9, 300, 0.0, False),
        ("avi", 0.7, 210, 0.3, True),
        # All bytes are there, and a hole: without times, what follows it moves forward.
        ("avi", 1.0, 240, 0.2, False),
        ("mov,mp4,m4a,3gp,3g2,mj2", 1.0, 240, 0.2, True),
    ],
)
def test_what_is_missing_at_the_end_is_cut_off_unless_the_container_has_no_times(
    container: str, arrived: float, packed: int, lost: float, cut_off: bool
) -> None:
    header = picture(codec_name="mpeg4", nb_frames="300", duration="10.0", start_time="0.0")
    info_of_header = parsed(header, container=container, duration="10.0", start_time="0.0")
    info = read_packets(info_of_header, packets(0, frames(30, packed), 1 / 30))
    (loss,) = damage.losses(info_of_header, info, damage.DecodeLog(), arrived=arrived).values()
    assert loss.share == pytest.approx(lost, abs=0.01)
    assert loss.is_cut_off is cut_off
    warnings = damage.loss_warnings({0: loss}, info)
    assert [("cut off" in sentence) for sentence in warnings] == ([cut_off] if lost else [])


CONCEALED = "[h264 @ 0x5581] [info] concealing {blocks} DC, {blocks} AC, {blocks} MV errors in P frame"
FAULTY = "[warning] upload.mp4: corrupt decoded frame in stream 0"


@pytest.mark.parametrize(
    ("blocks", "missing", "leaves_too_little"),
    [
        # 640x360 has 40 x 23 blocks.
        (1, 0.0, False),
        (230, 0.25, False),
        (828, 0.9, True),
        (920, 1.0, True),
        # Not every decoder counts them.
        (None, 0.5, False),
    ],
)
def test_a_picture_with_faults_counts_by_what_is_wrong_in_it(
    blocks: int | None, missing: float, leaves_too_little: bool
) -> None:
    header = parsed(picture(nb_frames="60", duration="2.0", start_time="0.0"), duration="2.0", start_time="0.0")
    info = read_packets(header, packets(0, frames(30, 60), 1 / 30))
    log = damage.DecodeLog()
    for _ in range(60):
        log.add(FAULTY)
        if blocks is not None:
            log.add(CONCEALED.format(blocks=blocks))
    (loss,) = damage.losses(header, info, log, decoded_seconds={0: 2.0}).values()
    assert loss.share == pytest.approx(1.0, abs=0.01)
    assert loss.missing / loss.declared == pytest.approx(missing, abs=0.01)
    assert loss.leaves_too_little is leaves_too_little
    (warning,) = damage.loss_warnings({0: loss}, info)
    assert ("shows faults." in warning) == (missing < 0.5)


def test_what_a_strict_decoder_calls_corrupt_is_shown_with_faults() -> None:
    header = parsed(picture(codec_name="vp9"), container="matroska,webm")
    info = read_packets(header, packets(0, frames(25, 100), 0.04))
    assert info.video is not None
    log = damage.DecodeLog()
    log.add("[error] Error while decoding stream #0:0: Invalid data found when processing input")
    log.add_corrupt(31, info, info.video)
    (loss,) = damage.losses(header, info, log).values()
    assert loss.share == pytest.approx(0.31)
    assert loss.missing == pytest.approx(0.64)
    assert "31 %" in damage.loss_warnings({0: loss}, info)[0]
    (unhurt,) = damage.losses(header, info, damage.DecodeLog()).values()
    assert unhurt.lost == 0


@pytest.mark.parametrize(("codec", "decoder"), [("vp9", "libvpx-vp9"), ("vp8", None), ("h264", None)])
def test_which_codecs_have_a_strict_decoder(codec: str, decoder: str | None) -> None:
    info = parsed(picture(codec_name=codec))
    assert info.video is not None
    arguments = damage.strict_arguments("upload", info, info.video)
    assert (arguments is None) == (decoder is None)
    assert arguments is None or arguments[arguments.index("-c:0") + 1] == decoder


def test_transparency_is_read_by_the_strict_decoder_anyway() -> None:
    info = parsed(picture(codec_name="vp9", tags={"alpha_mode": "1"}))
    assert info.video is not None
    assert damage.strict_arguments("upload", info, info.video) is None


def test_a_jpeg_that_breaks_off_is_shown_with_faults() -> None:
    header = parsed(picture(codec_name="mjpeg", nb_frames="100", duration="4.0"), container="avi")
    info = read_packets(header, packets(0, frames(25, 100), 0.04))
    log = damage.DecodeLog()
    for line in ("error dc", "error y=7 x=12", "error count: 64", "error y=3 x=1", "bad vlc: 0:0"):
        log.add(f"[mjpeg @ 0x5581] [error] {line}")
    (loss,) = damage.losses(header, info, log).values()
    assert loss.share == pytest.approx(0.02)
    assert len(damage.loss_warnings({0: loss}, info)) == 1
    # Of another codec, it is a cover's.
    other = parsed(picture(), container="avi")
    assert log.lost_packets(other, 0) == 0
