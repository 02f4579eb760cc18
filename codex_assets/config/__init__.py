"""Settings: the environment becomes plain objects, and these become a workshop that can build.

This folder should contain every variable that is read, its default and what is wrong with a value, and the prices that
belong to machines. Only `settings.py` reads the environment. Keep work of any kind out of it.
"""
