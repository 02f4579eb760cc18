"""The commands, a file per subject: options, the call, the exit code.

This folder should contain what one command, or a few on one subject, accept, and which function they call. Keep the
look of a result (`cli/views/`), what all commands have in common (`cli/command_frame.py`) and the work itself out of
it. Commands are registered in `cli/app.py`. A command's docstring is its help, in Markdown, and ends with examples.

Every file here is loaded for `--help` and for a usage error: a function imports what it works with itself, after it
has read its options. At the top of a file are typer, `cli` without its views, `errors`, and types for the checker.
"""
