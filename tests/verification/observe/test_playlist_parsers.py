"""The judge's own parsers of playlists."""

from __future__ import annotations

from codex_assets.verification.observe.playlists import parse_master, parse_media_playlist


def test_attributes_of_a_master_may_hold_commas() -> None:
    text = '#EXTM3U\n#EXT-X-STREAM-INF:CODECS="avc1.64001f,mp4a.40.2",BANDWIDTH=5,RESOLUTION=4x2\na/playlist.m3u8\n'
    (stream,) = parse_master(text).streams
    assert (stream.codecs, stream.bandwidth, stream.resolution) == ("avc1.64001f,mp4a.40.2", 5, (4, 2))


def test_a_master_is_no_media_playlist() -> None:
    seen, _ = parse_media_playlist("playlist.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=5\na/playlist.m3u8\n")
    assert seen.problem == "it is a master playlist"
