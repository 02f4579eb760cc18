"""What is a Dagster resource: the stores, RunPod, and the workshop of a run, opened when the run needs it.

A field is a variable of the environment. `of_environment` gives each one that is set as an `EnvVar`: Dagster shows its
name under Deployment and never stores its value. Out: what variables mean (`config/`), what a workshop consists of
(`config/workshop.py`), and the words of a run's progress (`run_progress.py`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import dagster as dg
from pydantic import Field

from codex_assets.config import settings as configuration
from codex_assets.config.workshop import Workshop, open_workshop
from codex_assets.defs import run_progress
from codex_assets.defs.max_runtime import MAX_RUNTIME

RUNPOD_EVERY_SECONDS = 30.0
"""Between two messages on a job at RunPod, which may wait and work for hours."""


class _EnvironmentResource(dg.ConfigurableResource[Any]):
    """Fields that are variables of the environment: `prefix` and the field's name, in capitals."""

    prefix: ClassVar[str]

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> dict[str, Any]:
        """The fields whose variables are set, as references to them."""
        return {
            name: dg.EnvVar(cls._variable(name)) for name in cls.model_fields if environ.get(cls._variable(name), "")
        }

    def values(self) -> dict[str, str]:
        """Variable -> value, of those that have one."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return {self._variable(name): value for name, value in fields.items() if isinstance(value, str)}

    @classmethod
    def _variable(cls, field: str) -> str:
        return f"{cls.prefix}{field}".upper()


class CloudflareR2(_EnvironmentResource):
    """The delivery buckets: HLS, and public pictures and data."""

    prefix = "r2_"
    account_id: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    media_bucket: str | None = None
    assets_bucket: str | None = None
    endpoint: str | None = None


class BackblazeB2(_EnvironmentResource):
    """The archive: originals, mezzanines, and the records of everything."""

    prefix = "b2_"
    key_id: str | None = None
    application_key: str | None = None
    bucket_name: str | None = None
    endpoint: str | None = None
    region: str | None = None


class RunPod(_EnvironmentResource):
    """The endpoints that build where `BUILD_ON` is `runpod`."""

    prefix = "runpod_"
    endpoint_id: str | None = None
    backfill_endpoint_id: str | None = None
    api_key: str | None = None
    in_flight: str | None = None
    api_base: str | None = None


class WorkshopResource(_EnvironmentResource, dg.ConfigurableResource[Workshop]):
    """The stores, tools and scratch directory of one run, as the environment configures them."""

    prefix = ""
    r2: CloudflareR2
    b2: BackblazeB2
    runpod: RunPod
    storage_dir: str | None = Field(None, description="local runs: the folder of all objects, in place of R2 and B2")
    build_on: str | None = None
    video_encoder: str | None = None
    preview_public_copy: str | None = None
    prune_grace_hours: str | None = None
    tmpdir: str | None = None

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Workshop]:
        """Open a workshop for a run, and tag the run with the longest that it may take."""
        fields = self.values() | self.r2.values() | self.b2.values() | self.runpod.values()
        settings = configuration.load(configuration.environment() | fields)
        run, instance, log = context.run, context.instance, context.log
        if run is not None and instance is not None:
            # Here, because the runs of *Materialize* and of backfills have no job that could bring the tag.
            missing = {name: limit for name, limit in MAX_RUNTIME.items() if name not in run.tags}
            instance.add_run_tags(run.run_id, missing)
        every_seconds = RUNPOD_EVERY_SECONDS if settings.runpod is not None else run_progress.EVERY_SECONDS
        with (
            run_progress.logged(log.info if log is not None else lambda line: None, every_seconds) as listener,
            open_workshop(
                settings,
                listener=listener,
                run_id=run.run_id if run is not None else None,
                backfill=run is not None and "dagster/backfill" in run.tags,
            ) as opened,
        ):
            yield opened


def of_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The resources by their keys, with references to those variables that are set in `environ`."""
    stores: dict[str, Any] = {
        "r2": CloudflareR2(**CloudflareR2.of_environment(environ)),
        "b2": BackblazeB2(**BackblazeB2.of_environment(environ)),
        "runpod": RunPod(**RunPod.of_environment(environ)),
    }
    return {**stores, "workshop": WorkshopResource(**stores, **WorkshopResource.of_environment(environ))}
