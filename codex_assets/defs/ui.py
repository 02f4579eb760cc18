"""`python -m codex_assets.defs.ui`: `dagster dev`, on the instance of DAGSTER_HOME as this package opens it.

`dagster dev` opens the instance once, and hands its configuration on to the webserver, the daemon, code servers and
runs. So all of them are what `instance` makes of a `dagster.yaml`: they report to nobody, whatever that file says.
"""

import runpy
import sys

import dagster as dg

from codex_assets.config import settings
from codex_assets.defs import instance


def main() -> None:
    """Run `python -m dagster dev` in this process, with the arguments that this one was called with."""
    dg.DagsterInstance.get = staticmethod(  # type: ignore[method-assign]
        lambda: instance.open_instance(settings.environment(), lambda: None)
    )
    sys.argv[1:1] = ["dev"]
    runpy.run_module("dagster", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
