"""A RunPod endpoint as a checked-in file describes it: judged, compared with what RunPod has, created or changed.

In: the file (TOML, docs/RunpodSetup.md), what it may not hold, what differs. Out: RunPod's API (`net/runpod_api.py`),
jobs (`build/on_runpod.py`), how it is shown (`cli/commands/endpoint.py`). No secret is in a file: values refer to
RunPod's secrets, and what RunPod has as the value of a variable is never shown, because somebody may have typed a
secret there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from codex_assets.config import setting_rules, settings
from codex_assets.contract.secrets import is_placeholder
from codex_assets.errors import ConfigurationError, EndpointError
from codex_assets.net.runpod_api import AccountApi, require_endpoint

NVENC_POOLS = frozenset({"AMPERE_16", "AMPERE_24", "ADA_24", "ADA_32_PRO", "AMPERE_48", "ADA_48_PRO"})
NO_NVENC_POOLS = {"AMPERE_80": "A100", "ADA_80_PRO": "H100", "HOPPER_141": "H200", "BLACKWELL_180": "B200"}
"""Pools of GPUs without the encoder, and what is in them."""
POOLS_MOST = 3
"""RunPod's documents: up to three, in order of priority. With more, people found workers that never started."""
OLDEST_CUDA = "12.2"
"""Every driver of that version (535.54.03 and newer) is new enough for the image's NVENC (`doctor.IMAGE_DRIVER`). With
12.1 came drivers on both sides of it."""
_TOO_OLD_FOR_NVENC = (
    f"on hosts below CUDA {OLDEST_CUDA} the driver may be too old for the image's NVENC, and x264 would be used."
)
SHORT_TIMEOUT_S = 3600
SMALL_DISK_GB = 20

SECRET_VARIABLES = frozenset({*settings.CREDENTIALS, "WEBHOOK_SECRET", "RUNPOD_API_KEY"})
_SECRET_NAME = re.compile(r"(SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIALS?|_KEY|_KEY_ID)$")
"""Variables whose values are secrets, whoever reads them."""
_REFERENCE = re.compile(r"\{\{ RUNPOD_SECRET_([A-Za-z_][A-Za-z0-9_.\-/]{0,190}) \}\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
STAND_IN = "held-by-runpod"
"""What a secret's value is taken for when the rest of the environment is judged."""

MILLISECONDS = 1000
FLASHBOOT_SUFFIX = " -fb"
"""What RunPod once appended to the name of an endpoint with FlashBoot."""


# --- The file ---------------------------------------------------------------------------------------------------------


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


CudaVersion = Annotated[str, Field(pattern=r"^[1-9][0-9]*\.[0-9]+$")]
"""`major.minor`, as text: 12.10 is another version than 12.1."""


class Gpu(_Part):
    """Hosts are chosen by the CUDA version of their driver: `min_cuda_version` or `allowed_cuda_versions`, not both."""

    pools: Annotated[list[str], Field(min_length=1)]
    count: Annotated[int, Field(ge=1)] = 1
    excluded_types: list[str] = []
    min_cuda_version: CudaVersion | None = None
    allowed_cuda_versions: list[CudaVersion] = []

    @model_validator(mode="after")
    def _filtered_once(self) -> Gpu:
        if self.min_cuda_version is not None and self.allowed_cuda_versions:
            raise ValueError("say either min_cuda_version or allowed_cuda_versions (RunPod refuses both together)")
        return self


class Workers(_Part):
    min: Annotated[int, Field(ge=0)] = 0
    max: Annotated[int, Field(ge=0)]
    idle_timeout_s: Annotated[int | None, Field(ge=1, le=3600)] = None

    @model_validator(mode="after")
    def _ordered(self) -> Workers:
        if self.min > self.max:
            raise ValueError("min is more than max")
        return self


class Scaling(_Part):
    """Exactly one of the two."""

    queue_delay_s: Annotated[float | None, Field(ge=0.5)] = None
    request_count: Annotated[int | None, Field(ge=1)] = None

    @model_validator(mode="after")
    def _one(self) -> Scaling:
        if (self.queue_delay_s is None) is (self.request_count is None):
            raise ValueError("say either queue_delay_s or request_count")
        return self


class Wish(_Part):
    """An endpoint as its file describes it. Seconds and GB; `registry` is the id of RunPod's registry credential."""

    name: Annotated[str, Field(min_length=1)]
    image: Annotated[str, Field(min_length=1)]
    registry: str | None = None
    disk_gb: Annotated[int, Field(ge=1)]
    execution_timeout_s: Annotated[int, Field(ge=5)]
    flashboot: Literal["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"]
    gpu: Gpu
    workers: Workers
    scaling: Scaling
    env: dict[str, str]

    @property
    def references(self) -> dict[str, str]:
        """Variable -> the secret of RunPod's that it refers to."""
        return {name: found[1] for name, text in self.env.items() if (found := _REFERENCE.fullmatch(text))}

    def wire(self) -> dict[str, Any]:
        """As RunPod's API spells it; what the file is silent about is not in it."""
        gpu: dict[str, Any] = {"pools": self.gpu.pools, "count": self.gpu.count}
        if self.gpu.excluded_types:
            gpu["excludedTypes"] = self.gpu.excluded_types
        if self.gpu.min_cuda_version is not None:
            # RunPod keeps one of the two when the other is set, and refuses an endpoint that has both.
            gpu |= {"minCudaVersion": self.gpu.min_cuda_version, "allowedCudaVersions": []}
        elif self.gpu.allowed_cuda_versions:
            gpu |= {"allowedCudaVersions": self.gpu.allowed_cuda_versions, "minCudaVersion": ""}
        workers = {"min": self.workers.min, "max": self.workers.max, "idleTimeout": self.workers.idle_timeout_s}
        scaling: dict[str, Any] = {"type": "QUEUE_DELAY", "queueDelay": self.scaling.queue_delay_s}
        if self.scaling.request_count is not None:
            scaling = {"type": "REQUEST_COUNT", "requestCount": self.scaling.request_count}
        return {
            "name": self.name,
            "type": "QUEUE",
            "image": self.image,
            "registry": self.registry,
            "disk": self.disk_gb,
            "timeout": self.execution_timeout_s * MILLISECONDS,
            "flashboot": self.flashboot,
            "gpu": gpu,
            "workers": {name: value for name, value in workers.items() if value is not None},
            "scaling": scaling,
            "env": dict(self.env),
        }


def read(path: Path) -> Wish:
    """The wish of a file. Raises `ConfigurationError` that names everything that is wrong with it, and no value."""
    try:
        wish = Wish.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is no UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is no TOML: {error}.") from None
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(f"{path} does not describe an endpoint: {told}.") from None
    if wrong := list(_refusals(wish)):
        raise ConfigurationError(f"{path} must not be applied: {'; '.join(wrong)}.")
    return wish


def _refusals(wish: Wish) -> Iterator[str]:
    """Why an endpoint of this wish could not work, or would give a secret away. No value is repeated."""
    for name, text in (("name", wish.name), ("registry", wish.registry or "-")):
        if not text.strip() or is_placeholder(text):
            yield f"{name} is empty or a placeholder"
    for name, text in (("name", wish.name), ("image", wish.image), ("registry", wish.registry or "-")):
        if setting_rules.has_ends(text):
            yield f"{name} has spaces, line breaks or quotes at its ends"
    if any(is_placeholder(part) or not part for part in re.split(r"[/:@]", wish.image)):
        yield "image holds a placeholder"
    if wish.scaling.request_count is not None and wish.workers.idle_timeout_s is not None:
        yield "workers.idle_timeout_s does not go with scaling.request_count (RunPod refuses both together)"
    if names := [name for name in wish.env if not _VARIABLE.fullmatch(name)]:
        yield f"these are no names of variables: {', '.join(map(repr, names))}"
    if names := [name for name, text in wish.env.items() if not text.strip()]:
        yield f"these variables are empty: {', '.join(names)}"
    references = wish.references
    plain = {name: text for name, text in wish.env.items() if name not in references and text.strip()}
    if names := [name for name in plain if name in SECRET_VARIABLES or _SECRET_NAME.search(name)]:
        yield f"these are secrets and have to be `{{{{ RUNPOD_SECRET_name }}}}`: {', '.join(names)}"
    if names := [name for name, text in plain.items() if name not in names and is_placeholder(text)]:
        yield f"these variables hold a placeholder instead of a value: {', '.join(names)}"
    if names := [name for name, secret in references.items() if secret.upper().startswith("RUNPOD")]:
        yield f"RunPod's secrets cannot have names that begin with RUNPOD: {', '.join(names)}"
    if "STORAGE_DIR" in wish.env:
        yield "STORAGE_DIR is for local runs"
    if one_bucket := _shared_bucket(references):
        yield f"{' and '.join(one_bucket)} refer to one secret, and so to one bucket"
    told = {name: STAND_IN if is_placeholder(text) else text for name, text in plain.items()}
    unknown = {*references, *(name for name, text in plain.items() if is_placeholder(text))}
    try:
        # By the worker's own rules, as if every secret had a value.
        settings.load({**told, **dict.fromkeys(references, STAND_IN)}, unknown=unknown)
    except ConfigurationError as error:
        yield error.public.removeprefix("The worker is not configured: ").removesuffix(".")


def _shared_bucket(references: Mapping[str, str]) -> list[str]:
    buckets = {name: secret for name, secret in references.items() if name in setting_rules.BUCKETS}
    return [name for name, secret in buckets.items() if list(buckets.values()).count(secret) > 1]


def warnings(wish: Wish) -> list[str]:
    """What may be meant, and mostly is not."""
    told = []
    for pool in wish.gpu.pools:
        if pool in NO_NVENC_POOLS:
            told.append(f"{pool} ({NO_NVENC_POOLS[pool]}) has no NVENC: workers would encode with x264 there.")
        elif pool not in NVENC_POOLS:
            told.append(f"{pool} is a pool that is not known here: look whether its GPUs have NVENC.")
    if (floor := wish.gpu.min_cuda_version) is not None and _version(floor) < _version(OLDEST_CUDA):
        told.append(f"gpu.min_cuda_version is {floor}: {_TOO_OLD_FOR_NVENC}")
    elif old := [one for one in wish.gpu.allowed_cuda_versions if _version(one) < _version(OLDEST_CUDA)]:
        told.append(f"gpu.allowed_cuda_versions has {', '.join(old)}: {_TOO_OLD_FOR_NVENC}")
    elif floor is None and not wish.gpu.allowed_cuda_versions:
        told.append(f"gpu.min_cuda_version is missing: {_TOO_OLD_FOR_NVENC}")
    if len(wish.gpu.pools) > POOLS_MOST:
        told.append(f"More than {POOLS_MOST} pools: RunPod takes {POOLS_MOST} at most, in order of priority.")
    if "@sha256:" not in wish.image and re.search(r":(?!latest$)[\w][\w.\-]*$", wish.image) is None:
        told.append("The image has no tag of its own: what runs changes by itself, and there is nothing to go back to.")
    if wish.execution_timeout_s < SHORT_TIMEOUT_S:
        told.append("The execution timeout is less than an hour: long uploads would be ended before they are done.")
    if wish.disk_gb < SMALL_DISK_GB:
        told.append("The disk is small: a job needs three to four times the size of its original.")
    if wish.workers.max == 0:
        told.append("workers.max is 0: jobs would wait for ever.")
    if wish.env.get("WEBHOOK_ALLOW_PRIVATE") == "1":
        told.append("WEBHOOK_ALLOW_PRIVATE is for local runs: payloads could make workers call private addresses.")
    return told


# --- What differs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it is wished: `was` and `wished` as people read them, None where there is none."""

    field: str
    was: str | None
    wished: str | None


SETTING = "another value"
"""What a variable's value at RunPod is called: it may be a secret."""


def differences(wish: Wish, found: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What RunPod's endpoint has otherwise than the file. What the file is silent about does not count."""
    wanted = wish.wire()
    told: list[Difference] = []
    if _plain_name(found.get("name")) != wish.name:
        told.append(Difference("name", _shown(found.get("name")), wish.name))
    for field in ("image", "registry", "disk", "timeout", "flashboot"):
        if (found.get(field) or None) != wanted[field]:
            told.append(Difference(field, _shown(found.get(field)), _shown(wanted[field])))
    for group in ("gpu", "workers", "scaling"):
        there = found.get(group)
        there = there if isinstance(there, dict) else {}
        names = dict.fromkeys((*wanted[group], *(("excludedTypes",) if group == "gpu" else ())))
        for name in names:
            was, wished = there.get(name), wanted[group].get(name)
            if _comparable(name, was) != _comparable(name, wished):
                told.append(Difference(f"{group}.{name}", _shown(was), _shown(wished)))
    environment = found.get("env")
    environment = environment if isinstance(environment, dict) else {}
    for name in dict.fromkeys((*wish.env, *environment)):
        was, wished = environment.get(name), wish.env.get(name)
        if was != wished:
            told.append(Difference(f"env.{name}", None if was is None else SETTING, wished))
    return tuple(told)


def _comparable(name: str, value: Any) -> Any:
    # Pools are in order of priority, excluded types and CUDA versions in none.
    if name in ("excludedTypes", "allowedCudaVersions"):
        return frozenset(value or ())
    # RunPod's answer has null where a request has an empty text.
    return value or None if name == "minCudaVersion" else value


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def _plain_name(name: Any) -> Any:
    return name.removesuffix(FLASHBOOT_SUFFIX) if isinstance(name, str) else name


def _shown(value: Any) -> str | None:
    if value is None or value in ([], ""):
        return None
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


# --- Doing it ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What is to be done. Without `endpoint_id` there is no endpoint yet. `secrets_known`: RunPod said which it has."""

    wish: Wish
    endpoint_id: str | None
    differences: tuple[Difference, ...]
    secrets_known: bool

    @property
    def needed(self) -> bool:
        return self.endpoint_id is None or bool(self.differences)


def plan(wish: Wish, api: AccountApi) -> Plan:
    """What differs from the wish. Changes nothing.

    Raises `ConfigurationError` when the name is not unique, when what has it is no queue of jobs, and when RunPod lacks
    a secret that the file refers to: the worker would get the reference itself as the value.
    """
    named = [one for one in api.endpoints() if _plain_name(one.get("name")) == wish.name]
    if len(named) > 1:
        ids = ", ".join(str(one.get("id")) for one in named)
        raise ConfigurationError(f"RunPod has {len(named)} endpoints named {wish.name} ({ids}); rename all but one.")
    there = api.secrets()
    if there is not None and (lacking := sorted(set(wish.references.values()) - set(there))):
        raise ConfigurationError(
            f"RunPod has no secrets of these names: {', '.join(lacking)}. Create them in its console, or with "
            "`codex-assets endpoint secrets`."
        )
    if not named:
        return Plan(wish, None, (), there is not None)
    endpoint = require_endpoint(named[0])
    if endpoint.get("type", "QUEUE") != "QUEUE":
        raise ConfigurationError(f"{wish.name} at RunPod is no queue of jobs, and cannot become one; rename it.")
    return Plan(wish, endpoint["id"], differences(wish, endpoint), there is not None)


def carry_out(what: Plan, api: AccountApi) -> str:
    """Make it so; the endpoint's id. Raises `EndpointError` when RunPod then says that it is not so."""
    wanted = what.wish.wire()
    if what.endpoint_id is None:
        body = {name: value for name, value in wanted.items() if value is not None}
        # A floor that is empty can be asked of an endpoint that is there alone.
        body["gpu"] = {name: value for name, value in wanted["gpu"].items() if (name, value) != ("minCudaVersion", "")}
        endpoint_id: str = api.create(body)["id"]
    else:
        endpoint_id = what.endpoint_id
        changed = {one.field.partition(".")[0] for one in what.differences}
        # Groups whole: RunPod replaces what a patch names.
        api.change(endpoint_id, {name: value for name, value in wanted.items() if name in changed})
    found = api.endpoint(endpoint_id)
    # Whether RunPod keeps the order of pools is not documented.
    if left := [
        one for one in differences(what.wish, found) if one.field != "gpu.pools" or not _same_pools(found, one)
    ]:
        fields = ", ".join(one.field for one in left)
        raise EndpointError(
            f"RunPod took it, and still has otherwise: {fields} (endpoint {endpoint_id}). Look at it in the console.",
            retryable=False,
        )
    return endpoint_id


def _same_pools(found: Mapping[str, Any], one: Difference) -> bool:
    pools = found.get("gpu", {}).get("pools")
    return isinstance(pools, list) and sorted(map(str, pools)) == sorted((one.wished or "").split(", "))


@dataclass(frozen=True)
class Kept:
    """What became of one secret."""

    variable: str
    name: str
    done: Literal["created", "replaced", "left as it is"]


def keep_secrets(wish: Wish, environ: Mapping[str, str], api: AccountApi, *, replace: bool = False) -> list[Kept]:
    """Give RunPod the secrets that the file refers to, from the variables of the same names here.

    One that it has is left as it is, unless `replace`. Workers see a new value when they next start. Raises
    `ConfigurationError` that names the variables without a usable value, before anything is sent.
    """
    there = api.secrets()
    if there is None:
        raise ConfigurationError("RUNPOD_API_KEY may not manage secrets; create them in RunPod's console.")
    wanted = {name: secret for name, secret in wish.references.items() if replace or secret not in there}
    lacking = [name for name in wanted if not environ.get(name, "").strip() or is_placeholder(environ[name])]
    if lacking:
        raise ConfigurationError(f"These variables are empty or placeholders here: {', '.join(lacking)}.")
    if wrong := list(setting_rules.slips(environ, wanted).problems()):
        raise ConfigurationError("The secrets were not sent: " + "; ".join(wrong) + ".")
    if shared := _shared({name: environ[name] for name in wanted}, wanted):
        raise ConfigurationError(f"These variables refer to one secret and have different values: {', '.join(shared)}.")
    told: list[Kept] = []
    done: dict[str, Literal["created", "replaced"]] = {}
    for variable, name in wish.references.items():
        if variable in wanted and name not in done:
            value = SecretStr(environ[variable])
            if name in there:
                api.replace_secret(there[name], value)
                done[name] = "replaced"
            else:
                api.create_secret(name, value)
                done[name] = "created"
        told.append(Kept(variable, name, done.get(name, "left as it is")))
    return told


def _shared(values: Mapping[str, str], secrets: Mapping[str, str]) -> Sequence[str]:
    return [
        name
        for name, value in values.items()
        if any(secrets[other] == secrets[name] and values[other] != value for other in values)
    ]
