"""This machine: processes and their limits, the tools that are run, scratch space.

This folder should contain what the operating system is asked for: starting and ending processes, keeping a tool in its
sandbox, disk space, temporary directories. Keep what a tool's arguments mean (`media/`) and what a tool's failure means
for a job (`build/`) out of it.
"""
