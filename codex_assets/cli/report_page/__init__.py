"""The page that `verify --html` writes: one file with everything in it, drawn from reports.

This folder should contain the template, its style, the geometry of its charts and the numbers as people read them. Keep
measuring and judging out of it: a report (`verification/report/`) holds every number that the page shows.
"""
