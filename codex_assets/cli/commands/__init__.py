"""The commands, a file per subject: options, the call, the exit code.

This folder should contain what one command, or a few on one subject, accept, and which function they call. Keep the
look of a result (`cli/views/`), what all commands have in common (`cli/command_frame.py`) and the work itself out of
it. Commands are registered in `cli/app.py`.
"""
