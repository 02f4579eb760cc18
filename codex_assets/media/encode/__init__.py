"""What goes out: the arguments that encode every output, and how its numbers are read back.

This folder should contain pure functions that return arguments, without the executable and without global flags, and
the playlists' text. Keep running a tool (`system/`), the order of the work (`build/`) and every judgement of the result
(`verification/`) out of it: the judge may not import this folder.
"""
