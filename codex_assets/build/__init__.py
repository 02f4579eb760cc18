"""One media: its outputs built, judged and published, on this machine or by a worker on RunPod.

This folder should contain the order of the work on one media, the choice of an encoder, and what is recorded of the
result. Keep arguments (`media/encode/`), rules (`verification/`), many media at once (`library/`) and Dagster (`defs/`)
out of it.
"""
