"""A store that is read and never written: changes are seen by whoever made them, and by nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from codex_assets.errors import MissingInput, StorageError
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import Stores
from codex_assets.storage.overlay import OverlayStore, overlaid

TEXT = "text/plain"


@pytest.fixture
def below(tmp_path: Path) -> DirectoryStore:
    store = DirectoryStore(tmp_path / "below", "media", "bucket")
    for key in ("a/1", "a/2", "b/1"):
        store.write(key, f"below {key}".encode(), content_type=TEXT)
    return store


@pytest.fixture
def overlay(below: DirectoryStore, tmp_path: Path) -> OverlayStore:
    return OverlayStore(below, tmp_path / "above")


def listed(store: OverlayStore | DirectoryStore, prefix: str = "") -> list[str]:
    return [stored.key for stored in store.list(prefix)]


def test_what_is_below_is_seen(overlay: OverlayStore, tmp_path: Path) -> None:
    assert (overlay.name, overlay.bucket) == ("media", "bucket")
    assert overlay.read("a/1") == b"below a/1"
    assert overlay.head("a/3") is None
    assert overlay.download("b/1", tmp_path / "copy").size == 9
    assert listed(overlay) == ["a/1", "a/2", "b/1"]


def test_changes_are_seen_above_and_not_below(overlay: OverlayStore, below: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"new")
    overlay.upload(tmp_path / "file", "a/1", content_type=TEXT)
    overlay.write("a/0", b"first", content_type=TEXT)
    overlay.delete("a/2")
    assert (overlay.read("a/1"), overlay.read("a/0")) == (b"new", b"first")
    assert overlay.head("a/2") is None
    with pytest.raises(MissingInput):
        overlay.read("a/2")
    with pytest.raises(MissingInput):
        overlay.download("a/2", tmp_path / "copy")
    assert listed(overlay) == ["a/0", "a/1", "b/1"]
    assert listed(overlay, "a/") == ["a/0", "a/1"]
    sizes = {stored.key: stored.size for stored in overlay.list("a/")}
    assert sizes["a/1"] == 3, "of an object that was replaced, the new one is listed"
    assert {key: below.read(key) for key in listed(below)} == {
        key: f"below {key}".encode() for key in ("a/1", "a/2", "b/1")
    }


def test_what_was_deleted_can_be_written_again(overlay: OverlayStore) -> None:
    overlay.delete("a/1")
    overlay.write("a/1", b"again", content_type=TEXT)
    assert overlay.read("a/1") == b"again"
    overlay.delete("a/1")
    assert overlay.head("a/1") is None


def test_it_does_not_test_the_store_below(overlay: OverlayStore) -> None:
    with pytest.raises(StorageError):
        overlay.check()


def test_all_three_stores(tmp_path: Path) -> None:
    stores = Stores(*(DirectoryStore(tmp_path / "below", role, role) for role in ("archive", "media", "assets")))
    above = overlaid(stores, tmp_path / "above")
    for role in ("archive", "media", "assets"):
        above.by_role(role).write("key", role.encode(), content_type=TEXT)
    assert [above.by_role(role).read("key") for role in ("archive", "media", "assets")] == [
        *(b"archive", b"media", b"assets")
    ]
    assert [list(stores.by_role(role).list("")) for role in ("archive", "media", "assets")] == [[], [], []]
