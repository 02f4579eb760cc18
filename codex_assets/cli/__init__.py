"""The terminal: commands, tables, progress, the demonstration.

This folder should contain what reads options, what prints, and the exit codes. Keep every decision about media out of
it: a command reads its options, calls one function elsewhere, and hands the result to a view.
"""
