"""What is known of media in general: numbers, outputs, recipes, and what ffprobe's answers mean.

This folder should contain pure functions and frozen values: how an output is described, how a file is described, which
arguments a tool gets. Keep processes, the network, the environment, the clock and Dagster out of it, and what a
particular media was found to be as well (`archive/`). Every number of an encode is in `profile.py`.
"""
