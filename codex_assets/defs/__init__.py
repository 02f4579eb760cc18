"""All of Dagster: assets, checks, jobs, schedules, sensors, the import of records into an instance.

This folder should contain everything that Dagster calls or that is written into its storage. Keep the work itself out
of it: an asset asks a builder and returns what Dagster should show. Nothing here runs at import. No module here may
import annotations from `__future__`: Dagster reads them.
"""
