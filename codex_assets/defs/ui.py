"""`python -m codex_assets.defs.ui`: `dagster dev`, on the instance of DAGSTER_HOME as this package opens it.

`dagster dev` opens the instance once, and hands its configuration on to the webserver, the daemon, code servers and
runs. So all of them are what `instance` makes of a `dagster.yaml`: they report to nobody, whatever that file says.
"""

import dagster as dg
from dagster._cli.dev import dev_command

from codex_assets.config import settings
from codex_assets.defs import instance


def main() -> None:
    """`dagster dev` with the arguments that this was called with."""
    dg.DagsterInstance.get = staticmethod(  # type: ignore[method-assign]
        lambda: instance.open_home(settings.environment(), lambda: None)
    )
    dev_command()


if __name__ == "__main__":
    main()
