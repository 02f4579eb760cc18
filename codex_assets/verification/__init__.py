"""The judge: what must be true of a finished output, looked at without asking whoever made it.

This folder should contain rules, the observations that they judge, and what observes finished files. Keep encoders,
their arguments and the builder out of it, so that a mistake of theirs is not repeated here; what an output is compared
with is read from records. Fixing or building anything does not belong here either.
"""
