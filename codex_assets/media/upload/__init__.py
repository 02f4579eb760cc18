"""What came in: an upload's packets, frames, headers and logs, and whether it can be worked on.

This folder should contain the questions that are asked of an upload (as arguments of a tool) and what the answers mean:
refusals, damage, interlacing, clocks. Keep the order of these questions out of it, and who is at fault for a failure
(`build/upload_check.py`), and everything about what is made of an upload (`media/encode/`).
"""
