"""Numbers and names that rules of several files share: tolerances, kinds of playlists, sources that rules cite.

A limit that only one file uses belongs into that file.
"""

from __future__ import annotations

from codex_assets.verification.kinds import ObservationKind

TRACKS_TOGETHER_SECONDS = 0.1
"""Sound and picture may start or end this far apart: five AAC frames, which no player notices."""
DURATION_SECONDS = 0.1
"""A copy may be longer or shorter by the encoder's delay and one frame on either side."""

PLAYLISTS = (ObservationKind.VARIANT, ObservationKind.PREVIEW)

PLAN = "plan: output verification checklist"
CONTRACT = "contract: storage keys"
VARIANTS = "contract: variants"
APPLE = "Apple HLS authoring spec"
RFC = "RFC 8216bis"
