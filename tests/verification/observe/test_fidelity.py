"""Every picture and every sample beside the mezzanine's: which faults are found, and what is said of them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import break_outputs
import pytest
from break_outputs import KBPS, SIZES, TOOLS
from slow_cases import some_slow

from codex_assets.archive.findings import Finding
from codex_assets.verification.judge import judge
from codex_assets.verification.observations import VariantExpected, VariantObservation
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.observer import Observer
from codex_assets.verification.observe.picture_fidelity import PictureComparison
from codex_assets.verification.observe.picture_stack import Delivered
from codex_assets.verification.rules import pictures

NAME = "360p"
FILM = Path(__file__).parents[3] / "fixtures" / "sample-video.mp4"
PICTURE = f"movie={FILM},trim=9:17,setpts=PTS-STARTPTS,fps=25,scale=320:180,noise=alls=2:all_seed=1"
SOUND = (
    "aevalsrc='0.3*sin(2*PI*(300+40*sin(3*t))*t)*abs(sin(4*t))+0.03*(random(0)-0.5)"
    "|0.2*sin(2*PI*(500+70*sin(2*t))*t)*abs(sin(3*t))+0.03*(random(1)-0.5)':s=48000:d=8"
)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fidelity")
    break_outputs.mezzanine(root, picture=PICTURE, sound=SOUND)
    return root


def observed(root: Path, folder: Path, *, steady: bool = True) -> VariantObservation:
    expected = VariantExpected(
        size=SIZES[NAME], has_video=True, has_audio=True, video_kbps=KBPS[NAME], steady_gain=steady
    )
    playlist = folder / NAME / "playlist.m3u8"
    return Observer(TOOLS).variant(playlist, expected, output="hls_360p", reference=root / "mezzanine.mp4")


def made(root: Path, folder: Path, *out: str, filters: str = "null") -> VariantObservation:
    """A variant of the mezzanine with one fault."""
    (folder / "mezzanine.mp4").symlink_to(root / "mezzanine.mp4")
    break_outputs.variant(folder, NAME, "-bf", "2", "-level:v", "3.1", *out, filters=filters)
    return observed(root, folder)


def failed(seen: VariantObservation) -> list[Finding]:
    return [finding for finding in judge(seen) if not finding.passed]


def every_fourth(number: int, case: object) -> bool:
    return number % 4 == 0


@pytest.mark.ffmpeg
def test_an_honest_variant_is_true(root: Path, tmp_path: Path) -> None:
    seen = made(root, tmp_path)
    assert failed(seen) == []
    assert seen.pictures is not None
    assert seen.sound is not None
    assert seen.pictures.compared == 200
    assert [second.pictures for second in seen.pictures.seconds] == [25] * 8
    assert min(min(second.likeness) for second in seen.pictures.seconds) > 0.9
    assert len(seen.sound.seconds) == 8
    assert abs(seen.sound.lag) < 0.001


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("filters", "message"),
    some_slow(
        [
            ("vflip", "The picture is upside down, beside the mezzanine's."),
            ("hflip", "The picture is mirrored, beside the mezzanine's."),
            ("hflip,vflip", "The picture is turned by half a turn, beside the mezzanine's."),
            ("swapuv", "The picture's two colour planes are exchanged, beside the mezzanine's."),
            ("hue=s=0", "The picture has lost its colours, beside the mezzanine's."),
            ("hue=s=0.7", "The picture's colours are paler, beside the mezzanine's."),
            ("lutyuv=y=val+9", "The picture is brighter, beside the mezzanine's."),
            ("lutyuv=y=val*0.8+25", "The picture has less contrast, beside the mezzanine's."),
            (
                "tpad=start=3:start_mode=clone,trim=end_frame=200",
                "The picture is late by 3 pictures",
            ),
            (
                "tpad=start=1:start_mode=clone,trim=end_frame=200",
                "The picture is late by a picture",
            ),
            (
                "trim=start_frame=75,setpts=PTS-STARTPTS,fps=25,tpad=stop_duration=4:stop_mode=clone,trim=end_frame=200",
                "The picture is early by 75 pictures",
            ),
            (
                "drawbox=c=black:t=fill:enable='between(n,75,124)'",
                "The picture is black from 3.0 to 5.0 s, beside the mezzanine's.",
            ),
            ("drawbox=c=black:t=fill:enable='between(n,80,81)'", "The picture is black from 3.2 to 3.3 s"),
            ("loop=loop=50:size=1:start=75,trim=end_frame=200,setpts=N/25/TB", "The picture"),
            ("drawbox=x=200:y=5:w=60:h=30:c=white:t=fill", "A part of the picture, at the top right, is another"),
            ("gblur=sigma=1.5", "The picture is less sharp than its size allows"),
            ("scale=160:90,scale=320:180", "The picture is less sharp than its size allows"),
            ("crop=288:162,scale=320:180", "The picture"),
            ("negate", "The picture"),
            ("noise=alls=25:allf=t", "The picture"),
            ("drawbox=c=black:t=fill:enable='eq(n,60)'", "The picture is black at 2.4 s, beside the mezzanine's."),
        ],
        every_fourth,
    ),
)
def test_a_fault_of_the_picture_is_said(root: Path, tmp_path: Path, filters: str, message: str) -> None:
    findings = failed(made(root, tmp_path, filters=filters))
    assert [finding.rule for finding in findings] == ["pictures_true"]
    assert findings[0].message.startswith(message)


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("filters", "rule", "message"),
    some_slow(
        [
            ("volume=0:enable='between(t,3,5)'", "sound_true", "The sound is silent from 3 to 5 s."),
            ("volume=0:enable='between(t,3,3.15)'", "sound_true", "The sound drops out or is damaged from 3 to 4 s."),
            ("pan=stereo|c0=c0|c1=0*c1", "sound_true", "The right channel is silent."),
            ("pan=stereo|c0=c1|c1=c0", "sound_true", "The left and the right channel are exchanged."),
            ("pan=stereo|c0=c0|c1=-1*c1", "sound_true", "The right channel is inverted."),
            ("pan=stereo|c0=0.5*c0+0.5*c1|c1=0.5*c0+0.5*c1", "sound_true", "The"),
            ("adelay=200|200,atrim=end=8", "sound_in_sync", "The sound is 0.20 s late."),
            ("areverse", "sound_true", "The sound is not the mezzanine's."),
            ("asetrate=48480,aresample=48000,apad=whole_dur=8", "sound_true", "The sound is not the mezzanine's."),
            ("volume=2.5:enable='gte(t,4)'", "sound_true", "The sound is"),
            ("lowpass=f=2500,lowpass=f=2500,lowpass=f=2500", "sound_true", "The sound is dull"),
            (
                "aeval='val(0)+0.02*sin(2*PI*3000*t)|val(1)+0.02*sin(2*PI*3000*t)':c=same",
                "sound_true",
                "There is noise, a hum or a tone in the sound",
            ),
        ],
        every_fourth,
    ),
)
def test_a_fault_of_the_sound_is_said(root: Path, tmp_path: Path, filters: str, rule: str, message: str) -> None:
    findings = failed(made(root, tmp_path, "-af", filters))
    assert [finding.rule for finding in findings] == [rule]
    assert findings[0].message.startswith(message)


@pytest.mark.ffmpeg
def test_what_is_hard_to_encode_is_held_against_an_honest_encode(tmp_path: Path) -> None:
    noise = "testsrc2=s=320x180:r=25:d=4,noise=alls=60:allf=t+u"
    break_outputs.mezzanine(tmp_path, picture=noise, sound=SOUND.replace("d=8", "d=4"))
    break_outputs.variant(tmp_path, NAME)
    seen = observed(tmp_path, tmp_path)
    assert failed(seen) == []
    assert seen.pictures is not None
    assert min(min(second.likeness) for second in seen.pictures.seconds) < 0.98
    assert seen.pictures.honest != ()
    break_outputs.variant(tmp_path, NAME, "-b:v", "40k", "-maxrate", "44k", "-bufsize", "80k")
    assert [finding.rule for finding in failed(observed(tmp_path, tmp_path))] == ["pictures_true"]


BURST = "split[a][b];[b]noise=alls=70:allf=t[n];[a][n]overlay=enable='between(t,3,3.99)'"
RUNGS = ((640, 360, 700), (426, 240, 350))


def film(path: Path, filters: str) -> Path:
    """A mezzanine of six seconds."""
    graph = f"movie={FILM},trim=9:15,setpts=PTS-STARTPTS,fps=25,scale=640:360,format=yuv420p[m];[m]{filters}"
    coding = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p")
    TOOLS.ffmpeg(["-filter_complex", graph, *coding, str(path)], label="a film")
    return path


def rungs(source: Path) -> list[Delivered]:
    """Honest encodes of a film."""
    made = []
    for width, height, kbps in RUNGS:
        path = source.with_name(f"{source.stem}-{height}.ts")
        rate = ("-b:v", f"{kbps}k", "-maxrate", f"{kbps * 107 // 100}k", "-bufsize", f"{kbps * 3 // 2}k")
        coding = ("-c:v", "libx264", "-preset", "faster", *rate, "-g", "50")
        scaled = ("-vf", f"scale={width}:{height}:flags=bicubic")
        TOOLS.ffmpeg(["-i", str(source), *scaled, *coding, str(path)], label="a variant")
        made.append(Delivered(("-i", str(path)), (width, height), kbps))
    return made


@pytest.mark.ffmpeg
@pytest.mark.slow
@pytest.mark.parametrize("filters", [BURST, "noise=alls=70:allf=t"], ids=["a_second", "all_of_it"])
def test_variants_that_agree_are_not_of_a_mezzanine_that_shows_noise(tmp_path: Path, filters: str) -> None:
    """No encode at these rates keeps the noise, and so nothing can be asked of one; but what is left of it differs."""
    spoiled = film(tmp_path / "spoiled.mp4", filters)
    comparison = PictureComparison(Decoder(TOOLS), ("-i", str(spoiled)), Fraction(25), (640, 360))
    honest, _ = comparison.compare(rungs(spoiled), seconds=6)
    foreign, _ = comparison.compare(rungs(film(tmp_path / "clean.mp4", "null")), seconds=6)
    for fidelity in honest:
        finding = pictures.expect_true(fidelity, "mezzanine")
        assert finding is not None
        assert finding.passed
        assert max(second.agreement for second in fidelity.seconds if second.agreement is not None) < 0.9
    for fidelity in foreign:
        finding = pictures.expect_true(fidelity, "mezzanine")
        assert finding is not None
        assert not finding.passed
        assert max(second.agreement for second in fidelity.seconds if second.agreement is not None) > 0.98
        assert finding.where == ("from 3.0 to 4.0 s" if filters is BURST else "")


@pytest.mark.ffmpeg
@pytest.mark.slow
@pytest.mark.parametrize(("scaler", "is_true"), [("lanczos+accurate_rnd", True), ("neighbor", False)])
def test_an_edge_that_comes_to_lie_within_a_pixel_is_no_fault(scaler: str, is_true: bool, tmp_path: Path) -> None:
    """Beside flat areas of pure colours, from 1280 to 854 pixels, every good scaler leaves half a pixel of both."""
    chart, variant = tmp_path / "chart.mp4", tmp_path / "480p.mp4"
    picture = ("-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=4")
    coding = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
    TOOLS.ffmpeg([*picture, *coding, "-crf", "18", str(chart)], label="a chart")
    scaled = ("-vf", f"scale=854:480:flags={scaler}", *coding, "-b:v", "1000k", "-maxrate", "1100k", "-bufsize", "2M")
    TOOLS.ffmpeg(["-i", str(chart), *scaled, str(variant)], label="a variant")
    comparison = PictureComparison(Decoder(TOOLS), ("-i", str(chart)), Fraction(30), (1280, 720))
    (fidelity,), _ = comparison.compare([Delivered(("-i", str(variant)), (854, 480), 1000)], seconds=4)
    finding = pictures.expect_true(fidelity, "mezzanine")
    assert finding is not None
    assert finding.passed is is_true
