"""How things look on a terminal: every table, tree and sheet, a file per subject.

This folder should contain functions that turn plain results into something that rich can print. Keep options, exit
codes, reading and calculating out of it. Printing itself, and numbers with units, are in `cli/console.py`.
"""
