"""Configuration: the environment becomes plain objects. The only reader of `os.environ`.

In: what is wrong with variables together, and what they come to; all problems are reported in one error, and none of
them quotes a value. Out: each variable by itself (`variables.py`), what its text may be (`setting_rules.py`), and
putting the parts together (`workshop.py`). Nothing happens at import.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import SecretStr

from codex_assets.archive.replaced import GRACE
from codex_assets.build.encoders import EncoderMode
from codex_assets.config import prices, setting_rules
from codex_assets.config.variables import AccountVariables, DispatchVariables, Variables
from codex_assets.contract.payload import PayloadPolicy
from codex_assets.contract.secrets import is_placeholder, secret_problem
from codex_assets.errors import ConfigurationError
from codex_assets.net.outward import Outward
from codex_assets.net.runpod_api import Account, Endpoint
from codex_assets.net.webhook import DeliveryPolicy
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.locations import S3Location
from codex_assets.storage.objects import Role, Stores
from codex_assets.system import scratch
from codex_assets.system.sandbox import Reach
from codex_assets.system.tools import Tools, tool_environment

REQUIRED = (
    *("R2_ACCOUNT_ID", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "R2_MEDIA_BUCKET", "R2_ASSETS_BUCKET"),
    *("B2_KEY_ID", "B2_APPLICATION_KEY", "B2_BUCKET_NAME", "B2_ENDPOINT", "B2_REGION"),
)
"""What a worker with real stores cannot do without."""
LOCAL_BUCKETS: Mapping[str, str] = {
    name: Variables.model_fields[name.lower()].default for name in setting_rules.BUCKETS
}
"""Buckets of a local run, where no others are named."""
SDK_LOG_LEVELS = ("NOTSET", "TRACE", "DEBUG", "INFO", "WARN", "ERROR")
LOG_FORMATS = ("json", "text")
LOCAL_STORE = Path(".local/storage")
"""Where local runs keep their objects when nothing else is said; relative to the working directory."""
NO_TEMPORARY_DIRECTORY = "no temporary directory can be written to (/tmp, /var/tmp); mount one, or name one in TMPDIR"
CHECKOUT_TOOLS = Path(__file__).parents[2] / ".tools" / "bin"
CREDENTIALS = ("R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "B2_KEY_ID", "B2_APPLICATION_KEY")


@dataclass(frozen=True)
class Settings:
    """A worker's configuration, checked. `storage_dir` is set for local runs, else the three locations are."""

    archive_bucket: str
    media_bucket: str
    assets_bucket: str
    storage_dir: Path | None
    locations: tuple[S3Location, S3Location, S3Location] | None
    webhook_secret: SecretStr | None
    webhook_signature: Literal["body", "timestamped"]
    webhook_allow_private: bool
    video_encoder: EncoderMode
    scratch: Path
    catalogue: Path
    """The index of what is stale: a file that can be lost, beside a local store, else in the user's cache."""
    worker_price: float | None
    """USD that a second of this worker costs, where it was told; else it is looked up by the GPU's model."""
    tool_environment: Mapping[str, str] = field(repr=False)
    prune_grace: timedelta = GRACE
    """How long what a switch replaced can still be played."""
    job_time_limit: float = 86400.0
    """Seconds after which a worker ends a job."""
    require_nvenc: bool = False
    """Whether a worker without a working NVENC is of no use."""
    webhook_progress: timedelta | None = None
    """Least time between two webhooks on a job's progress in one phase; None: there are none."""
    preview_public_copy: bool = False
    """Whether previews are published in the assets bucket, too."""
    extra_outputs: tuple[str, ...] = ()
    """Optional outputs that are built with all others."""
    open_url: str | None = None
    """Where `codex-assets open` serves its pages, for links to them."""
    alert_url: SecretStr | None = None
    """Where failed runs of Dagster are posted; None: nowhere."""
    runpod: Endpoint | None = None
    """The endpoint that builds, for BUILD_ON=runpod; None: this machine does."""
    runpod_backfills: Endpoint | None = None
    """... for backfills, where they have one of their own."""

    def stores(self) -> Stores:
        """The three stores; clients are made when first used."""
        if self.storage_dir is not None:
            root = self.storage_dir
            return Stores(
                archive=DirectoryStore(root, "archive", self.archive_bucket),
                media=DirectoryStore(root, "media", self.media_bucket),
                assets=DirectoryStore(root, "assets", self.assets_bucket),
            )
        assert self.locations is not None
        # Here, not above: boto3 takes most of a start, and the worker's own process reads settings alone.
        from codex_assets.storage.s3 import S3Store

        archive, media, assets = (S3Store(location) for location in self.locations)
        return Stores(archive=archive, media=media, assets=assets)

    def address(self, role: Role, key: str) -> str:
        """The URL of an object: of a file, or of the store's own address, which asks for a key of the store unless its
        bucket is public."""
        bucket = {"archive": self.archive_bucket, "media": self.media_bucket, "assets": self.assets_bucket}[role]
        if self.storage_dir is not None:
            return (self.storage_dir / bucket / key).absolute().as_uri()
        assert self.locations is not None
        (location,) = [each for each in self.locations if each.role == role]
        return f"{location.endpoint.rstrip('/')}/{bucket}/{quote(key)}"

    def price_per_second(self, gpu: str | None) -> float | None:
        """USD that a second of a worker with this GPU costs; None where nobody has told."""
        return self.worker_price if self.worker_price is not None else prices.of_gpu(gpu)

    def workers(self) -> int:
        """Media that a rebuild builds at once when nobody says how many: here, each of them uses every core."""
        endpoint = self.runpod_backfills or self.runpod
        return endpoint.in_flight if endpoint is not None else 1

    def payload_policy(self) -> PayloadPolicy:
        """What payloads may ask of this worker."""
        return PayloadPolicy(
            archive_bucket=self.archive_bucket,
            media_bucket=self.media_bucket,
            assets_bucket=self.assets_bucket,
            default_secret=self.webhook_secret,
            allow_private_webhook=self.webhook_allow_private,
        )

    def delivery_policy(self) -> DeliveryPolicy:
        """How this worker delivers webhooks."""
        return DeliveryPolicy(signature=self.webhook_signature, allow_private=self.webhook_allow_private)

    def secrets(self) -> tuple[SecretStr, ...]:
        """What no line of a log may show."""
        keys = {key for place in self.locations or () for key in (place.access_key, place.secret_key)}
        api = [self.runpod.api_key] if self.runpod is not None else []
        return (*keys, *api, *(each for each in (self.webhook_secret, self.alert_url) if each is not None))

    def tools(self, cancelled: threading.Event | None = None) -> Tools:
        """Tools that open no files but the system's, until whoever has a folder for them says so."""
        return Tools(self.tool_environment, reach=Reach(), cancelled=cancelled)


def journals(settings: Settings) -> Path:
    """Where rebuilds keep what they have done: beside the index, which can be lost while these cannot."""
    return settings.catalogue.with_suffix(".rebuilds")


def prepare_environment() -> str:
    """Set the log level of RunPod's SDK, which it reads when it is imported; the level.

    Its own default prints every result. A level that it does not know would end the worker.
    """
    level = os.environ.get("RUNPOD_LOG_LEVEL", "").upper()
    if level not in SDK_LOG_LEVELS:
        level = "INFO"
    os.environ["RUNPOD_LOG_LEVEL"] = level
    return level


def log_format(environ: Mapping[str, str] | None = None) -> Literal["json", "text"]:
    """How log lines are written: `LOG_FORMAT`, by default JSON on RunPod and text elsewhere."""
    env = os.environ if environ is None else environ
    chosen = env.get("LOG_FORMAT", "").strip()
    if chosen in LOG_FORMATS:
        return "json" if chosen == "json" else "text"
    return "json" if env.get("RUNPOD_POD_ID") else "text"


def reply_policies(environ: Mapping[str, str] | None = None) -> tuple[PayloadPolicy, DeliveryPolicy]:
    """What of `environ` serves to answer a job, also when the rest of it is not good enough to work on one.

    The first tells where an answer goes; as it knows no buckets, it is of no use for accepting a payload.
    """
    env = os.environ if environ is None else environ
    secret = env.get("WEBHOOK_SECRET", "")
    if setting_rules.is_blank(secret) or setting_rules.slips(env, ["WEBHOOK_SECRET"]).names:
        secret = ""  # nobody could verify what it signs
    allow_private = env.get("WEBHOOK_ALLOW_PRIVATE") == "1"
    payload = PayloadPolicy(
        archive_bucket="",
        media_bucket="",
        assets_bucket="",
        default_secret=SecretStr(secret) if secret else None,
        allow_private_webhook=allow_private,
    )
    signature: Literal["body", "timestamped"] = "body"
    if env.get("WEBHOOK_SIGNATURE") == "timestamped":
        signature = "timestamped"
    return payload, DeliveryPolicy(signature=signature, allow_private=allow_private)


def environment() -> dict[str, str]:
    """The process's environment; what `make setup` put beside the package is found like an installed tool."""
    env = dict(os.environ)
    if CHECKOUT_TOOLS.is_dir() and str(CHECKOUT_TOOLS) not in env.get("PATH", "").split(os.pathsep):
        env["PATH"] = os.pathsep.join(part for part in (env.get("PATH", ""), str(CHECKOUT_TOOLS)) if part)
    return env


def adopt(environ: Mapping[str, str]) -> None:
    """Make `environ` the process's own, for the worker processes that it starts: they read theirs."""
    os.environ.clear()
    os.environ.update(environ)


def extra_outputs(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The optional outputs that `environ` names, also when the rest of it is not good enough to work with; none where
    it names anything else among them, which a run then says."""
    variables = Variables.read({name: environ[name] for name in environ.keys() & {"EXTRA_OUTPUTS"}}, [])
    return variables.extra_outputs if variables is not None else ()


def names_stores(environ: Mapping[str, str]) -> bool:
    """Whether an environment says anything of stores, be it wrong or not all that is needed."""
    return any(environ.get(name, "").strip() for name in ("STORAGE_DIR", *REQUIRED))


def local_environment(store: Path | None = None) -> dict[str, str]:
    """The environment with a local store instead of real ones: `store`, else STORAGE_DIR, else the default."""
    env = {name: value for name, value in environment().items() if name not in (*REQUIRED, "R2_ENDPOINT")}
    if store is not None or not env.get("STORAGE_DIR", "").strip():
        env["STORAGE_DIR"] = str((store or LOCAL_STORE).absolute())
    return env


def load(environ: Mapping[str, str] | None = None, *, unknown: Collection[str] = ()) -> Settings:
    """The settings that `environ` (the process's own by default) describes.

    `unknown`: variables whose value here only stands in for one that somebody else holds. Raises `ConfigurationError`
    naming everything that is wrong.
    """
    everything = environment() if environ is None else environ
    env = {name: value for name, value in everything.items() if not setting_rules.is_blank(value)}
    slips = setting_rules.slips(env if "BUILD_ON" in env else _without_dispatch(env))
    problems = [
        *setting_rules.name_problems(everything, (*REQUIRED, "R2_ENDPOINT", "WEBHOOK_SECRET", "STORAGE_DIR")),
        *slips.problems(),
        *_store_problems(env, {*unknown, *slips.names}),
        *_secret_problems(everything, env),
    ]
    variables = Variables.read(env, problems)
    endpoint, backfills = _endpoints(env, everything, problems)
    temporary = scratch.temporary_directory(env)
    if temporary is None:
        problems.append(NO_TEMPORARY_DIRECTORY)
    if problems or variables is None or temporary is None:
        raise ConfigurationError("The worker is not configured: " + "; ".join(problems) + ".")
    local = variables.storage_dir is not None
    return Settings(
        archive_bucket=variables.b2_bucket_name,
        media_bucket=variables.r2_media_bucket,
        assets_bucket=variables.r2_assets_bucket,
        storage_dir=variables.storage_dir.absolute() if variables.storage_dir is not None else None,
        locations=None if local else _locations(variables),
        webhook_secret=variables.webhook_secret,
        webhook_signature=variables.webhook_signature,
        webhook_allow_private=variables.webhook_allow_private,
        video_encoder=variables.video_encoder,
        scratch=scratch.place(temporary),
        catalogue=_catalogue(variables, env),
        worker_price=variables.worker_price_per_second,
        tool_environment=tool_environment(env),
        prune_grace=timedelta(hours=variables.prune_grace_hours),
        job_time_limit=variables.job_time_limit,
        require_nvenc=variables.require_nvenc,
        webhook_progress=_seconds(variables.webhook_progress_seconds),
        preview_public_copy=variables.preview_public_copy,
        extra_outputs=variables.extra_outputs,
        open_url=variables.codex_open_url,
        alert_url=variables.alert_webhook_url,
        runpod=endpoint,
        runpod_backfills=backfills,
    )


def _seconds(number: float | None) -> timedelta | None:
    return timedelta(seconds=number) if number is not None else None


def _store_problems(env: Mapping[str, str], unjudged: Collection[str]) -> Iterator[str]:
    """What is wrong with the stores' variables together. The values of `unjudged` are not looked at: they only stand in
    for others, or are named already."""
    local = "STORAGE_DIR" in env
    if local:
        if mixed := [name for name in CREDENTIALS if name in env]:
            yield f"STORAGE_DIR (local runs) is set together with {', '.join(mixed)}; set one or the other"
    elif missing := [name for name in REQUIRED if name not in env]:
        yield f"these variables are missing or empty: {', '.join(missing)} (or STORAGE_DIR for a local run)"
    unresolved = [name for name in (*REQUIRED, "R2_ENDPOINT", "WEBHOOK_SECRET") if "{{" in env.get(name, "")]
    if unresolved:
        yield f"these variables hold an unresolved {{{{ ... }}}} reference: {', '.join(unresolved)}"
    fillers = [name for name in REQUIRED if name not in unresolved and is_placeholder(env.get(name, ""))]
    if fillers:
        yield f"these variables hold a placeholder instead of a value: {', '.join(fillers)}"
    known = {name: value for name, value in env.items() if name not in {*unresolved, *fillers, *unjudged}}
    yield from setting_rules.bucket_problems({**LOCAL_BUCKETS, **known} if local else known)
    if not local:
        yield from setting_rules.address_problems(known)


def _secret_problems(everything: Mapping[str, str], env: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the webhook's secret, whose reference is a problem of the stores' variables if unresolved."""
    if "STORAGE_DIR" not in env and "WEBHOOK_SECRET" in everything and "WEBHOOK_SECRET" not in env:
        yield "WEBHOOK_SECRET is empty; give it a value, or leave it out if every payload brings its secret"
    if "WEBHOOK_SECRET" in env and "{{" not in env["WEBHOOK_SECRET"]:
        problem = secret_problem(SecretStr(env["WEBHOOK_SECRET"]))
        if problem is not None:
            yield f"WEBHOOK_SECRET {problem}"


def _without_dispatch(env: Mapping[str, str]) -> dict[str, str]:
    """RunPod sets variables of its own on its workers, which mean nothing while this machine builds."""
    return {name: value for name, value in env.items() if not name.startswith("RUNPOD_")}


def management(environ: Mapping[str, str] | None = None) -> Account:
    """What managing endpoints needs of `environ`. Raises `ConfigurationError`."""
    env = environment() if environ is None else environ
    if problems := list(setting_rules.slips(env, ("RUNPOD_API_KEY", "RUNPOD_REST_BASE")).problems()):
        raise ConfigurationError("RunPod cannot be asked: " + "; ".join(problems) + ".")
    key = env.get("RUNPOD_API_KEY", "").strip()
    if not key or is_placeholder(key):
        raise ConfigurationError("RUNPOD_API_KEY is missing or a placeholder; it has to be one that manages endpoints.")
    variables = AccountVariables.read({name: text for name, text in env.items() if text.strip()}, problems)
    if variables is None:
        raise ConfigurationError(f"{'; '.join(problems)}.")
    return Account(SecretStr(key), variables.runpod_rest_base, outward(env))


def endpoints(environ: Mapping[str, str] | None = None) -> tuple[Endpoint, ...]:
    """The endpoints that `environ` names, whether or not they are what builds: that of uploads, and that of backfills
    where it is another one. None where none is named. Raises `ConfigurationError`."""
    everything = environment() if environ is None else environ
    env = {name: text for name, text in everything.items() if text.strip()}
    if "RUNPOD_ENDPOINT_ID" not in env:
        return ()
    problems: list[str] = []
    named = _endpoints({**env, "BUILD_ON": "runpod"}, everything, problems)
    if problems:
        raise ConfigurationError("RunPod cannot be asked: " + "; ".join(problems) + ".")
    return tuple({endpoint.endpoint_id: endpoint for endpoint in named if endpoint is not None}.values())


def outward(environ: Mapping[str, str] | None = None) -> Outward:
    """The way out that the environment tells, of which everything can be used. Raises `ConfigurationError`."""
    problems: list[str] = []
    way = Outward.of(environment() if environ is None else environ, problems)
    if problems:
        raise ConfigurationError(f"This network's way out is not configured well: {'; '.join(problems)}.")
    return way


def scratch_place(environ: Mapping[str, str]) -> Path:
    """The directory of runs of a command that needs no stores. Raises `ConfigurationError` where there can be none."""
    temporary = scratch.temporary_directory(environ)
    if temporary is None:
        raise ConfigurationError(f"This machine is not set up: {NO_TEMPORARY_DIRECTORY}.")
    return scratch.place(temporary)


def _endpoints(
    env: Mapping[str, str], everything: Mapping[str, str], problems: list[str]
) -> tuple[Endpoint | None, Endpoint | None]:
    """The endpoint that builds, and the one of backfills; both None for building here.

    BUILD_ON decides, not whether there is an id: RunPod gives its workers RUNPOD_ENDPOINT_ID. `everything`: a proxy
    that is set to nothing is one that is turned off.
    """
    if env.get("BUILD_ON") != "runpod":
        return None, None
    if missing := [name for name in ("RUNPOD_ENDPOINT_ID", "RUNPOD_API_KEY") if name not in env]:
        problems.append(f"BUILD_ON=runpod needs {' and '.join(missing)}")
    if "{{" in env.get("RUNPOD_API_KEY", ""):
        problems.append("RUNPOD_API_KEY holds an unresolved {{ ... }} reference")
    variables = DispatchVariables.read(env, problems)
    way = Outward.of(everything, problems)
    if variables is None:
        return None, None

    def endpoint(endpoint_id: str | None) -> Endpoint | None:
        if endpoint_id is None:
            return None
        key, base = variables.runpod_api_key, variables.runpod_api_base
        return Endpoint(endpoint_id, key, base, variables.runpod_in_flight, way)

    return endpoint(variables.runpod_endpoint_id), endpoint(variables.runpod_backfill_endpoint_id)


def _catalogue(variables: Variables, env: Mapping[str, str]) -> Path:
    """One index per archive. That of a local store goes where the store goes."""
    bucket = variables.b2_bucket_name
    if variables.catalogue_path is not None:
        return variables.catalogue_path.absolute()
    if variables.storage_dir is not None:
        return variables.storage_dir.absolute() / ".meta" / f"{bucket}.catalogue.sqlite"
    cache = Path(
        env.get("XDG_CACHE_HOME") or Path(env.get("HOME") or scratch.temporary_directory({}) or "/") / ".cache"
    )
    place = hashlib.sha256(f"{variables.b2_endpoint} {bucket}".encode()).hexdigest()[:12]
    return cache / "codex-assets" / f"{bucket}-{place}.sqlite"


def _locations(variables: Variables) -> tuple[S3Location, S3Location, S3Location]:
    r2 = variables.r2_endpoint or f"https://{variables.r2_account_id}.r2.cloudflarestorage.com"
    access, secret = variables.r2_access_key_id, variables.r2_secret_access_key
    archive = S3Location(
        role="archive",
        bucket=variables.b2_bucket_name,
        endpoint=variables.b2_endpoint,
        region=variables.b2_region,
        access_key=variables.b2_key_id,
        secret_key=variables.b2_application_key,
        versioned=True,
    )
    media = S3Location("media", variables.r2_media_bucket, r2, "auto", access, secret, versioned=False)
    assets = S3Location("assets", variables.r2_assets_bucket, r2, "auto", access, secret, versioned=False)
    return archive, media, assets
