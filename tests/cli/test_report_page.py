"""The page that `verify --html` writes: it says what the check said, needs nothing else, and gives nothing away."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import published_files
import pytest
from clips import AAC, FFMPEG, H264, MUSIC, picture, sound
from commands import call
from folder_site import served
from made_observations import variant

from codex_assets.archive.findings import Finding
from codex_assets.archive.notes import Note
from codex_assets.cli.report_page import charts
from codex_assets.cli.report_page.addresses import without_secrets
from codex_assets.cli.report_page.page import DETAILED_MEDIA, Provenance, page
from codex_assets.verification.judge import RULES, judge, rule_set
from codex_assets.verification.observations import LoudnessObservation
from codex_assets.verification.report.clauses import clauses_of
from codex_assets.verification.report.judged import report_of
from codex_assets.verification.report.media_report import LikenessCurve, MediaReport, PlaylistReport, Rate
from codex_assets.verification.sound_observations import LoudnessSecond

ffmpeg = pytest.mark.ffmpeg
ROOT = Path(__file__).parents[2]
VOID = {"meta", "link", "br", "img", "hr", "input", "line", "rect", "path"}
PROVENANCE = Provenance(datetime(2026, 11, 28, 12, 0, tzinfo=UTC), "7.1.5", "0.1.0", rule_set())


class Page(HTMLParser):
    """A page as a reader sees it: its text, its tags with their attributes. Raises where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.parts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in VOID or (tag == "rect" and not self.rawdata_is_closed()):
            self.open.append(tag)

    def rawdata_is_closed(self) -> bool:
        return (self.get_starttag_text() or "").endswith("/>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.parts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.parts).split())

    def glance(self, name: str) -> str:
        """The number that a card of the first media shows."""
        match = re.search(rf"{name} (\S+) ", self.text)
        assert match is not None
        return match[1]


def assert_needs_nothing_else(text: str) -> None:
    """Nothing is fetched: addresses are in links alone, and there is neither script nor style from elsewhere."""
    parsed = Page(text)
    assert not {tag for tag, _ in parsed.tags} & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    for tag, attributes in parsed.tags:
        assert not attributes.keys() & {"src", "srcset", "xlink:href", "data", "action", "background"}
        if "href" in attributes:
            assert tag == "a"
            assert re.match(r"https://|#", attributes["href"] or "")
    style = text.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    outside = re.sub(r'href="[^"]*"', "", text)
    assert "http://" not in outside
    assert "https://" not in outside


def read(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    assert_needs_nothing_else(text)
    return Page(text)


# --- Media of ours ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one video and one audio media."""
    folder = tmp_path_factory.mktemp("built")
    store = folder / "store"
    for name, media_type, arguments in (
        ("clip.mp4", "video", [*picture(size="320x180", seconds=8), *sound(MUSIC, seconds=8), *H264, *AAC]),
        ("tone.wav", "audio", [*sound(MUSIC, seconds=2)]),
    ):
        subprocess.run([*FFMPEG, *arguments, str(folder / name)], check=True)
        assert call("run", folder / name, "--type", media_type, store=store).code == 0
    return store


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "store"))


@ffmpeg
def test_a_page_of_several_media_begins_with_an_index(store: Path, tmp_path: Path) -> None:
    answer = call("verify", "--all", "--shallow", "--html", tmp_path / "all.html", "--json", store=store)
    assert answer.code == 0
    assert "all.html" in answer.err
    shown = read(tmp_path / "all.html")
    assert "2 media" in shown.text
    links = [attributes["href"] for tag, attributes in shown.tags if tag == "a" and attributes["href"] == "#media-2"]
    assert len(links) == 1
    assert {attributes.get("id") for _, attributes in shown.tags} >= {"media-1", "media-2"}
    for media in answer.json["media"]:
        assert f"Checks {media['checks']} " in shown.text
    assert rule_set() in shown.text


@ffmpeg
def test_a_media_is_shown_with_its_measurements(store: Path, tmp_path: Path) -> None:
    answer = call("verify", "clip", "--html", tmp_path / "clip.html", "--json", store=store)
    (media,) = answer.json["media"]
    shown = read(tmp_path / "clip.html")
    assert shown.glance("Checks") == str(media["checks"])
    assert shown.glance("Must") == shown.glance("Should") == "0"
    master = (store / "codex-media-local/local/hls/clip/master.m3u8").read_text()
    for rate in re.findall(r"BANDWIDTH=(\d+)", master):
        assert f"{int(rate) / 1000:,.0f}" in shown.text
    assert 0.98 < float(shown.glance("Lowest likeness")) <= 1
    assert shown.glance("Loudness").startswith("−1")
    charts_shown = [attributes["aria-label"] or "" for tag, attributes in shown.tags if tag == "svg"]
    assert any(label.startswith("Bit rate of 360p in each of 2 segments") for label in charts_shown)
    assert any(label.startswith("SSIM of each second") for label in charts_shown)
    assert any(label.startswith("Loudness of 360p") for label in charts_shown)


@ffmpeg
def test_findings_are_shown_with_rule_place_and_clause(store: Path, tmp_path: Path) -> None:
    segment = published_files.segment(store / "codex-media-local/local/hls/clip/360p", 1)
    packets = segment.read_bytes()
    segment.write_bytes(packets[: 188 * 60] + packets[188 * 70 :])
    answer = call("verify", "clip", "--shallow", "--html", tmp_path / "clip.html", "--json", store=store)
    assert answer.code == 1
    (media,) = answer.json["media"]
    shown = read(tmp_path / "clip.html")
    failed = [finding for finding in media["findings"] if finding["severity"] == "ERROR"]
    assert shown.glance("Must") == str(len(failed))
    (lost,) = [finding for finding in failed if finding["rule"] == "packets_complete"]
    assert lost["where"] == "segment_00001.ts"
    assert 5.9 <= lost["at"] < 8.0
    for finding in failed:
        assert " ".join(finding["message"].split()) in shown.text
        assert RULES[finding["rule"]].description in shown.text
    assert f"0:{lost['at']:04.1f}" in shown.text
    apple = (
        "https://developer.apple.com/documentation/http-live-streaming/hls-authoring-specification-for-apple-devices"
    )
    assert apple in [attributes.get("href") for _, attributes in shown.tags]


@ffmpeg
def test_one_rule_alone_and_media_that_cannot_be_checked(store: Path, tmp_path: Path) -> None:
    answer = call(
        *("verify", "clip", "nobody", "--rule", "segments_present", "--shallow", "--html", tmp_path / "two.html"),
        store=store,
    )
    assert answer.code == 2
    shown = read(tmp_path / "two.html")
    assert "No media of this id is registered." in shown.text
    assert "1 rule applies, 0 do not" in shown.text


# --- Anybody's HLS ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a plain ffmpeg command makes: two variants, no average rates, key frames wherever they come."""
    folder = tmp_path_factory.mktemp("plain") / "hls"
    folder.mkdir()
    tracks = ["-map", "0:v", "-map", "1:a"]
    subprocess.run(
        [
            *FFMPEG,
            *picture(size="640x360", seconds=14),
            *sound(MUSIC, seconds=14),
            *(*tracks, *tracks, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"),
            *("-b:v:0", "600k", "-b:v:1", "200k", "-s:v:1", "320x180"),
            *("-f", "hls", "-hls_time", "6", "-hls_playlist_type", "vod", "-master_pl_name", "master.m3u8"),
            *("-var_stream_map", "v:0,a:0 v:1,a:1", "-hls_segment_filename", "v%v/seg%d.ts", "v%v/index.m3u8"),
        ],
        check=True,
        cwd=folder,
    )
    return folder


@ffmpeg
def test_a_stream_of_a_plain_ffmpeg(plain: Path, tmp_path: Path) -> None:
    answer = call("verify", plain, "--html", tmp_path / "plain.html", "--json")
    shown = read(tmp_path / "plain.html")
    findings = answer.json["findings"]
    assert shown.glance("Should") == str(sum(finding["severity"] == "WARN" for finding in findings))
    assert shown.glance("Checks") == str(answer.json["checks"])
    assert "hls/master.m3u8" in shown.text
    assert str(plain.parent) not in shown.text
    sizes = sum(path.stat().st_size for path in (plain / "v0").glob("*.ts"))
    seconds = sum(map(float, re.findall(r"EXTINF:([\d.]+)", (plain / "v0/index.m3u8").read_text())))
    assert f"{8 * sizes / seconds / 1000:,.0f}" in shown.text
    assert "not compared with a source" in shown.text
    assert any("Loudness of v0, v1" in (attributes.get("aria-label") or "") for _, attributes in shown.tags)
    (keys,) = [each for each in findings if each["rule"] == "key_frames_often" and each["output"] == "hls_v0"]
    assert keys["at"] == 0.0
    assert keys["message"] in shown.text


@ffmpeg
def test_signed_addresses_are_not_given_away(plain: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(plain, tmp_path / "signed"))
    for playlist in folder.rglob("*.m3u8"):
        playlist.write_text(
            re.sub(r"(?m)^([^#\n].*)$", r"\1?Policy=SECRETpolicy&Signature=SECRETsign", playlist.read_text())
        )
    (folder / "v1" / "seg1.ts").unlink()
    with served(tmp_path) as url:
        address = url.replace("://", "://user:SECRETpass@")
        call("verify", f"{address}/signed/master.m3u8?token=SECRETtoken", "--html", tmp_path / "signed.html")
        call("verify", f"{url}/signed/master.m3u8?token=SECRETtoken", "--html", tmp_path / "signed.html")
    text = (tmp_path / "signed.html").read_text()
    assert "SECRET" not in text
    assert "/signed/master.m3u8" in text
    # Its own address is a name here, no link.
    shown = Page(text)
    assert not [attributes for _, attributes in shown.tags if "127.0.0.1" in (attributes.get("href") or "")]


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    answer = call("verify", tmp_path / "master.m3u8", "--html", tmp_path / "gone" / "page.html")
    assert answer.code == 2
    assert "There is no folder" in answer.err


# --- The page by itself -----------------------------------------------------------------------------------------------


def test_nothing_of_others_becomes_markup() -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    finding = Finding(False, f"{hostile} is wrong.", hostile, hostile, hostile, output=hostile, rule="segments_present")
    text = page([report_of(hostile, "stream", (), [finding], problem=hostile)], PROVENANCE)
    shown = Page(text)
    assert not {tag for tag, _ in shown.tags} & {"script", "img"}
    assert hostile in shown.text


def test_a_page_of_nothing() -> None:
    assert "There are no media to check." in Page(page([], PROVENANCE)).text
    unchecked = page([MediaReport("gone", "", "No media of this id is registered.")], PROVENANCE)
    assert "Not checked" in Page(unchecked).text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://cdn.example.com/a/m.m3u8?Policy=x&Signature=y", "https://cdn.example.com/a/m.m3u8?…"),
        ("https://ann:secret@example.com/m.m3u8", "https://example.com/m.m3u8"),
        ("https://example.com/hdnts=exp=1~hmac=2/m.m3u8", "https://example.com/hdnts=…/m.m3u8"),
        ("https://example.com/eyJhbGciOiJI.eyJzdWIiOiIx.c2ln/m.m3u8", "https://example.com/…/m.m3u8"),
        ("https://example.com/m.m3u8#token=x", "https://example.com/m.m3u8#…"),
        ("seg_1.ts?sig=abc does not exist (2 more like it).", "seg_1.ts?… does not exist (2 more like it)."),
        ("Why is it so? Nobody knows.", "Why is it so? Nobody knows."),
        ("CODECS is avc1.64001f,mp4a.40.2; RESOLUTION=1x1", "CODECS is avc1.64001f,mp4a.40.2; RESOLUTION=1x1"),
    ],
)
def test_what_lets_in_is_hidden(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_every_rule_cites_something_and_standards_have_addresses() -> None:
    for rule in RULES.values():
        clauses = clauses_of(rule.source)
        assert clauses
        for clause in clauses:
            ours = clause.label.startswith(("contract", "plan", "profile"))
            assert (clause.url is None) == ours, clause
    assert [clause.url for clause in clauses_of("RFC 8216bis s4.1, s4.4.6.2; RFC 9110 s14")] == [
        "https://datatracker.ietf.org/doc/html/draft-pantos-hls-rfc8216bis#section-4.1",
        "https://datatracker.ietf.org/doc/html/draft-pantos-hls-rfc8216bis#section-4.4.6.2",
        "https://www.rfc-editor.org/rfc/rfc9110#section-14",
    ]


def test_long_series_keep_what_is_worst() -> None:
    values = [0.999] * 7200
    values[4321] = 0.91
    likeness = LikenessCurve(tuple(float(second) for second in range(7200)), tuple(values), 4321)
    rate = Rate(None, None)
    report = MediaReport(
        "film", "video", playlists=(PlaylistReport("hls_720p", None, 7200.0, rate, rate, likeness=likeness),)
    )
    chart = charts.likeness(report)
    assert chart is not None
    (curve,) = chart.curves
    (mark,) = chart.marks
    assert curve.path.count("L") < charts.MOST_POINTS
    assert f"{mark.y:.2f}" in curve.path
    assert mark.label == "720p: 0.9100 at 1:12:01"
    assert len(chart.columns) <= charts.MOST_POINTS
    assert len(page([report], PROVENANCE)) < 200_000


def test_rates_of_many_segments_keep_the_highest() -> None:
    sizes = tuple(900_000 if number == 777 else 300_000 for number in range(1200))
    seen = variant(*[6.0] * 1200, sizes=sizes)
    (playlist,) = report_of("film", "video", [seen], judge(seen)).playlists
    chart = charts.rates(playlist, ())
    assert chart is not None
    assert len(chart.bars) <= charts.MOST_POINTS
    assert [bar.title for bar in chart.bars if "1,200 kbit/s" in bar.title] == [
        "segment_00777.ts at 1:17:42: 1,200 kbit/s, 6.000 s"
    ]
    assert playlist.peak.measured == pytest.approx(1_200_000)


def test_alike_faults_of_several_outputs_are_listed_once() -> None:
    seen = [replace(variant(6.0, 2.0), output=output, stray=("notes.txt",)) for output in ("hls_720p", "hls_360p")]
    report = report_of("film", "video", seen, [finding for each in seen for finding in judge(each)])
    strays = [rule for rule in report.rules if rule.name == "no_stray_segments"]
    assert [outputs for rule in strays for outputs, _ in rule.faults] == [("hls_720p", "hls_360p")]
    shown = Page(page([report], PROVENANCE))
    assert shown.glance("Should") == str(len(report.shoulds))
    assert shown.text.count("720p, 360p · notes.txt") == 1


def test_a_page_of_many_media_leaves_details_out() -> None:
    seen = variant(6.0, 2.0)
    reports = [report_of(f"film-{number}", "video", [seen], judge(seen)) for number in range(DETAILED_MEDIA + 1)]
    text = page(reports, PROVENANCE)
    assert_needs_nothing_else(text)
    assert "<details>" not in text
    assert "<details>" in page(reports[:-1], PROVENANCE)
    assert f"{len(reports)} media" in Page(text).text


def test_a_playlist_of_years_has_few_ticks() -> None:
    seen = variant(1e9)
    (playlist,) = report_of("film", "video", [seen], ()).playlists
    chart = charts.rates(playlist, ())
    assert chart is not None
    assert len(chart.across) < 10
    assert len(chart.upright) < 10


def test_notes_are_shown_with_their_times() -> None:
    note = Note("black", 5.0, 75.5, "The picture is black from 5.0 to 75.5 s.")
    report = report_of("film", "video", [], judge(variant(6.0)), notes=[note])
    shown = Page(page([report], PROVENANCE))
    assert "0:05.0 – 1:15.5 The picture is black from 5.0 to 75.5 s." in shown.text


def test_silence_leaves_gaps_and_no_chart_of_its_own() -> None:
    silent = LoudnessObservation("hls_720p", seconds=(LoudnessSecond(None, None),) * 5)
    report = report_of("film", "video", [silent], ())
    assert charts.loudness(report.loudness[0]) is None
    assert report.loudness[0].integrated is None
    levels = (
        (LoudnessSecond(-20.0, -21.0),) * 3 + (LoudnessSecond(None, None),) * 3 + (LoudnessSecond(-18.0, -19.0),) * 3
    )
    heard = LoudnessObservation("hls_720p", integrated_lufs=-19.0, true_peak_dbtp=-3.0, seconds=levels)
    chart = charts.loudness(report_of("film", "video", [heard], ()).loudness[0])
    assert chart is not None
    assert [curve.path.count("M") for curve in chart.curves] == [2, 2]


def test_a_wheel_carries_the_template(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    folder = "codex_assets/cli/report_page"
    assert {f"{folder}/{name}" for name in ("page.html", "report.html", "charts.html", "style.css")} <= names
