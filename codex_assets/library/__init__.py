"""Thousands of media: questions about all of them, and work on many of them.

This folder should contain the catalogue, what is stale and why, the selection of media (`--where`), estimates,
rebuilding and verifying many media, and the removal of originals. Keep the work on one media (`build/`,
`verification/`), Dagster (`defs/`) and the look of a table (`cli/views/`) out of it.
"""
