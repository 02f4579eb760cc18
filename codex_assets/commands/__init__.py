"""The terminal's commands, a file per thing that an engineer wants to do; `cli` puts them together."""
