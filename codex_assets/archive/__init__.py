"""What is known of a media on every machine: its records in the archive, check results, its last jobs.

This folder should contain the records' fields and how they are read and written. The records are the truth of the
system; Dagster's state and the catalogue are views of them. Keep every conclusion out of it: what is stale
(`library/`), whether an output is right (`verification/`), and what to build next (`build/`).
"""
