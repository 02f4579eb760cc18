"""How results look: every table, tree and sheet, and every JSON layout, a file per subject.

This folder should contain functions that turn plain results into something that rich can print (`..._table`,
`..._sheet`, `..._line`) or into plain JSON values (`..._json`). Keep options, exit codes, reading and calculating out
of it. Printing itself, and numbers with units, are in `cli/console.py`.
"""
