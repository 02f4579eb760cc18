"""Every variable that is read: its type, its default, its meaning for the README, and the sentence for a wrong value.

In: what can be said of one variable alone. Out: reading the environment, what variables mean together, and the one
error that names all problems (`settings.py`); slips of typing and addresses (`setting_rules.py`). Values are in no
sentence.

The README's table is made of these declarations by `scripts/variables.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from codex_assets.build.encoders import EncoderMode
from codex_assets.media import outputs
from codex_assets.net import destination, runpod_api


@dataclass(frozen=True)
class ValueProblem:
    """The sentence for a value that is not accepted, in which `{name}` is the variable's name."""

    sentence: str


def _as_switch(text: object) -> object:
    return {"0": False, "1": True}.get(str(text), text) if isinstance(text, str) else text


def _as_names(text: object) -> object:
    """Names with commas between them, in the order of building. Raises `ValueError` for a name of no such output."""
    if not isinstance(text, str):
        return text
    names = [name.strip() for name in text.split(",")]
    if any(name not in outputs.OPTIONAL for name in names):
        raise ValueError
    return tuple(name for name in outputs.OPTIONAL if name in names)


def _is_reachable_base(address: str) -> str:
    if not destination.is_https(address) and not destination.is_loopback(address):
        raise ValueError
    return address


Switch = Annotated[bool, BeforeValidator(_as_switch), Field(strict=True), ValueProblem("{name} has to be `1` or `0`")]
EndpointId = Annotated[
    str | None,
    Field(pattern=r"^[A-Za-z0-9_-]+$"),
    ValueProblem("RUNPOD_ENDPOINT_ID and RUNPOD_BACKFILL_ENDPOINT_ID are ids, not URLs"),
]
ApiBase = Annotated[str, AfterValidator(_is_reachable_base), ValueProblem("{name} has to be an https URL")]

WebAddress = Annotated[
    str | None, Field(pattern=r"^https?://[^\s/]+\S*$"), ValueProblem("{name} has to be an http or https URL")
]

Extras = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_as_names),
    ValueProblem(f"{{name}} has to name some of {', '.join(outputs.OPTIONAL)}, with commas between them"),
]

_R2 = "Cloudflare R2"
_DELIVERY = "delivery buckets: HLS, and public pictures and data"
_B2 = "Backblaze B2, the archive"
_DISPATCH = "for `BUILD_ON=runpod`"


class _Variables(BaseSettings):
    """A group of variables. A field's name in capitals is the variable's."""

    model_config = SettingsConfigDict(
        alias_generator=str.upper, case_sensitive=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: object, **__: object
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What `read` hands over, alone: the process's environment is read by `settings.py`."""
        return (init_settings,)

    @classmethod
    def read(cls, environ: Mapping[str, str], problems: list[str]) -> Self | None:
        """What `environ` says; None if any value is not accepted, and then `problems` has a sentence for each."""
        source = EnvSettingsSource(cls)
        source.env_vars = environ
        try:
            return cls(**source())
        except ValidationError as error:
            names = [str(details["loc"][0]) for details in error.errors(include_input=False, include_url=False)]
            problems.extend(dict.fromkeys(cls._sentence(name) for name in names))
            return None

    @classmethod
    def _sentence(cls, name: str) -> str:
        field = cls.model_fields[name.lower()]
        problem = next(
            (note for note in field.metadata if isinstance(note, ValueProblem)), ValueProblem("{name} is not usable")
        )
        return problem.sentence.format(name=name)


class Variables(_Variables):
    """What every command and every worker reads. None and "" are values of variables that are not set."""

    r2_account_id: str = Field("", description=_R2)
    r2_access_key_id: SecretStr = Field(SecretStr(""), description=_R2)
    r2_secret_access_key: SecretStr = Field(SecretStr(""), description=_R2)
    r2_media_bucket: str = Field("codex-media-local", description=_DELIVERY)
    r2_assets_bucket: str = Field("codex-assets-local", description=_DELIVERY)
    b2_key_id: SecretStr = Field(SecretStr(""), description=_B2)
    b2_application_key: SecretStr = Field(SecretStr(""), description=_B2)
    b2_bucket_name: str = Field("codex-archive", description=_B2)
    b2_endpoint: str = Field("", description=_B2)
    b2_region: str = Field("", description=_B2)
    r2_endpoint: str | None = Field(None, description="default: `https://{R2_ACCOUNT_ID}.r2.cloudflarestorage.com`")
    storage_dir: Path | None = Field(
        None,
        description="local runs: objects are files at `{STORAGE_DIR}/{bucket}/{key}`; never together with credentials",
    )
    webhook_secret: SecretStr | None = Field(None, description="signs webhooks of jobs whose payload has no secret")
    webhook_signature: Annotated[
        Literal["body", "timestamped"], ValueProblem("{name} has to be `body` or `timestamped`")
    ] = Field("body", description="`body` (default) or `timestamped`")
    webhook_allow_private: Switch = Field(
        False, description="`1`: allows `http` and private hosts (local runs and tests)"
    )
    webhook_progress_seconds: Annotated[
        float | None,
        Field(ge=1, le=86400, allow_inf_nan=False),
        ValueProblem("{name} has to be a number of seconds, such as 30"),
    ] = Field(None, description="posts `progress` webhooks at changes of phase and at most that often; default: none")
    preview_public_copy: Switch = Field(
        False, description="`1`: publishes video previews in the assets bucket too, under the same keys"
    )
    extra_outputs: Extras = Field(
        (),
        description="optional outputs of videos that are built with all others, with commas between them: "
        "`storyboard`, `thumbnails` (200, 400 and 800 pixels wide), `blurhash`; default: none",
    )
    video_encoder: Annotated[EncoderMode, ValueProblem(f"{{name}} has to be one of {', '.join(EncoderMode)}")] = Field(
        EncoderMode.AUTO, description="`auto` (default: NVENC if a trial encode works), `nvenc`, `x264`"
    )
    require_nvenc: Switch = Field(False, description="`1`: a worker on which NVENC does not encode takes no jobs")
    prune_grace_hours: Annotated[
        float,
        Field(ge=0, le=24 * 366, allow_inf_nan=False),
        ValueProblem("{name} has to be a number of hours, such as 24"),
    ] = Field(24.0, description="hours that replaced segments stay for those who play them; default: 24")
    job_time_limit: Annotated[
        float,
        Field(gt=0, le=366 * 86400, allow_inf_nan=False),
        ValueProblem("{name} has to be a number of seconds, such as 14400"),
    ] = Field(86400.0, description="seconds after which a worker ends a job, as `time_limit`; default: 86400, a day")
    catalogue_path: Path | None = Field(
        None, description="index file of `stale`; default: beside the local store, or in the user's cache"
    )
    worker_price_per_second: Annotated[
        float | None,
        Field(ge=0, allow_inf_nan=False),
        ValueProblem("{name} has to be what a second of this worker costs, in USD, such as 0.00016"),
    ] = Field(None, description="USD, for receipts and estimates; default: RunPod's price of the GPU, if it is known")
    tmpdir: Path | None = Field(None, description="folder for scratch space; default: the system's temporary directory")
    log_format: Annotated[Literal["json", "text"] | None, ValueProblem("{name} has to be `json` or `text`")] = Field(
        None, description="`json` (default on RunPod) or `text`"
    )
    codex_open_url: WebAddress = Field(
        None, description="where `codex-assets open` serves its pages: the link `play` in Dagster leads there"
    )
    alert_webhook_url: SecretStr | None = Field(
        None, description='runs of Dagster that fail are posted there (`{"text": ...}`, as Slack takes it)'
    )
    build_on: Annotated[Literal["here", "runpod"], ValueProblem("{name} has to be `here` or `runpod`")] = Field(
        "here",
        description="`here` (default) or `runpod`: where `rebuild` and the UI build ([rebuilding](docs/rebuilding.md))",
    )


class DispatchVariables(_Variables):
    """What is read besides for `BUILD_ON=runpod`, and only then: RunPod's workers have variables of these names too."""

    runpod_endpoint_id: EndpointId = Field(None, description=_DISPATCH)
    runpod_api_key: SecretStr = Field(SecretStr(""), description=_DISPATCH)
    runpod_backfill_endpoint_id: EndpointId = Field(None, description=_DISPATCH)
    runpod_in_flight: Annotated[
        int, Field(ge=1, lt=100_000), ValueProblem("{name} has to be a number of jobs, at least 1")
    ] = Field(runpod_api.IN_FLIGHT, description=_DISPATCH)
    runpod_api_base: ApiBase = Field(runpod_api.JOBS_BASE, description=_DISPATCH)


class AccountVariables(_Variables):
    """What is read to manage endpoints."""

    runpod_rest_base: ApiBase = Field(
        runpod_api.ACCOUNT_BASE,
        description=(f"for `codex-assets endpoint` (with `RUNPOD_API_KEY`); default: `{runpod_api.ACCOUNT_BASE}`"),
    )


NETWORK = (
    "`HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`, ...",
    "the proxy and certificates of your network: for RunPod's API and `verify URL`,"
    " [never for webhooks](docs/rebuilding.md#a-network-of-your-own)",
)
"""Names and meaning of what `net/outward.py` reads."""


def table() -> str:
    """The README's table of variables, in Markdown."""
    rows = [*_rows(Variables.model_fields), *_rows(DispatchVariables.model_fields), NETWORK]
    rows += _rows(AccountVariables.model_fields)
    return "\n".join(["| variable | meaning |", "| --- | --- |", *(f"| {names} | {text} |" for names, text in rows)])


def _rows(fields: Mapping[str, FieldInfo]) -> Iterator[tuple[str, str]]:
    """Names and meaning; neighbours of one meaning are one row."""
    names: list[str] = []
    meanings: Sequence[str] = [field.description or "" for field in fields.values()]
    for name, meaning, following in zip(fields, meanings, [*meanings[1:], None], strict=True):
        names.append(f"`{name.upper()}`")
        if meaning != following:
            yield ", ".join(names), meaning
            names = []
