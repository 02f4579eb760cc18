"""What looks at finished files and describes them, as the observations that the rules judge.

This folder should contain the reading of playlists, transport streams, pictures and sound, with parsers of its own.
Keep every opinion out of it: it has no limits, expects nothing, and turns what cannot be read into an observation with
a problem.
"""
