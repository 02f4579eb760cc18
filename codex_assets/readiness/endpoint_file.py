"""A RunPod endpoint as a checked-in file describes it: the form of the file, what it may not hold, what is doubtful.

In: the file (TOML, docs/RunpodSetup.md) and RunPod's spelling of what it says. Out: what RunPod has otherwise, and
making it so (`runpod_endpoint.py`). No secret is in a file: values refer to RunPod's secrets, and no problem quotes a
value.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from codex_assets.config import setting_rules, settings
from codex_assets.contract.secrets import is_placeholder
from codex_assets.errors import ConfigurationError

NVENC_POOLS = frozenset({"AMPERE_16", "AMPERE_24", "ADA_24", "ADA_32_PRO", "AMPERE_48", "ADA_48_PRO"})
NO_NVENC_POOLS = {"AMPERE_80": "A100", "ADA_80_PRO": "H100", "HOPPER_141": "H200", "BLACKWELL_180": "B200"}
"""Pools of GPUs without the encoder, and what is in them."""
POOLS_MOST = 3
"""RunPod's documents: up to three, in order of priority. With more, people found workers that never started."""
OLDEST_CUDA = "12.2"
"""Every driver of that version (535.54.03 and newer) is new enough for the image's NVENC
(`tool_checks.IMAGE_DRIVER`). With 12.1 came drivers on both sides of it."""
_TOO_OLD_FOR_NVENC = (
    f"on hosts below CUDA {OLDEST_CUDA} the driver may be too old for the image's NVENC, and x264 would be used."
)
SHORT_TIMEOUT_SECONDS = 3600
SMALL_DISK_GB = 20

SECRET_VARIABLES = frozenset({*settings.CREDENTIALS, "WEBHOOK_SECRET", "RUNPOD_API_KEY", "ALERT_WEBHOOK_URL"})
_SECRET_NAME = re.compile(r"(SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIALS?|_KEY|_KEY_ID)$")
"""Variables whose values are secrets, whoever reads them."""
_REFERENCE = re.compile(r"\{\{ RUNPOD_SECRET_([A-Za-z_][A-Za-z0-9_.\-/]{0,190}) \}\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
STAND_IN = "held-by-runpod"
"""What a secret's value is taken for when the rest of the environment is judged."""

MILLISECONDS = 1000


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
    """How many workers there may be, and after how many idle seconds one ends."""

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
    def _exactly_one_is_set(self) -> Scaling:
        if (self.queue_delay_s is None) is (self.request_count is None):
            raise ValueError("say either queue_delay_s or request_count")
        return self


class DesiredEndpoint(_Part):
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
        return {name: reference[1] for name, text in self.env.items() if (reference := _REFERENCE.fullmatch(text))}

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


def read_file(path: Path) -> DesiredEndpoint:
    """The endpoint that a file describes.

    Raises `ConfigurationError` that names everything that is wrong with the file, and no value.
    """
    try:
        desired = DesiredEndpoint.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is no UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is no TOML: {error}.") from None
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, details['loc'])) or 'it'}: {details['msg'].removeprefix('Value error, ')}"
            for details in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(f"{path} does not describe an endpoint: {problems}.") from None
    if wrong := list(_refusals(desired)):
        raise ConfigurationError(f"{path} must not be applied: {'; '.join(wrong)}.")
    return desired


def _refusals(desired: DesiredEndpoint) -> Iterator[str]:
    """Why such an endpoint could not work, or would give a secret away. No value is repeated."""
    for name, text in (("name", desired.name), ("registry", desired.registry or "-")):
        if not text.strip() or is_placeholder(text):
            yield f"{name} is empty or a placeholder"
    for name, text in (("name", desired.name), ("image", desired.image), ("registry", desired.registry or "-")):
        if setting_rules.has_ends(text):
            yield f"{name} has spaces, line breaks or quotes at its ends"
    if any(is_placeholder(part) or not part for part in re.split(r"[/:@]", desired.image)):
        yield "image holds a placeholder"
    if desired.scaling.request_count is not None and desired.workers.idle_timeout_s is not None:
        yield "workers.idle_timeout_s does not go with scaling.request_count (RunPod refuses both together)"
    yield from _variable_refusals(desired)


def _variable_refusals(desired: DesiredEndpoint) -> Iterator[str]:
    """What is wrong with the variables of its workers."""
    if names := [name for name in desired.env if not _VARIABLE.fullmatch(name)]:
        yield f"these are no names of variables: {', '.join(map(repr, names))}"
    if names := [name for name, text in desired.env.items() if not text.strip()]:
        yield f"these variables are empty: {', '.join(names)}"
    references = desired.references
    plain = {name: text for name, text in desired.env.items() if name not in references and text.strip()}
    if names := [name for name in plain if name in SECRET_VARIABLES or _SECRET_NAME.search(name)]:
        yield f"these are secrets and have to be `{{{{ RUNPOD_SECRET_name }}}}`: {', '.join(names)}"
    if names := [name for name, text in plain.items() if name not in names and is_placeholder(text)]:
        yield f"these variables hold a placeholder instead of a value: {', '.join(names)}"
    if names := [name for name, secret in references.items() if secret.upper().startswith("RUNPOD")]:
        yield f"RunPod's secrets cannot have names that begin with RUNPOD: {', '.join(names)}"
    if "STORAGE_DIR" in desired.env:
        yield "STORAGE_DIR is for local runs"
    if sharing := _shared_bucket(references):
        yield f"{' and '.join(sharing)} refer to one secret, and so to one bucket"
    standing_in = {name: STAND_IN if is_placeholder(text) else text for name, text in plain.items()}
    unknown = {*references, *(name for name, text in plain.items() if is_placeholder(text))}
    try:
        # By the worker's own rules, as if every secret had a value.
        settings.load({**standing_in, **dict.fromkeys(references, STAND_IN)}, unknown=unknown)
    except ConfigurationError as error:
        yield error.public.removeprefix("The worker is not configured: ").removesuffix(".")


def _shared_bucket(references: Mapping[str, str]) -> list[str]:
    buckets = {name: secret for name, secret in references.items() if name in setting_rules.BUCKETS}
    return [name for name, secret in buckets.items() if list(buckets.values()).count(secret) > 1]


def _gpu_doubts(desired: DesiredEndpoint) -> list[str]:
    sentences = []
    for pool in desired.gpu.pools:
        if pool in NO_NVENC_POOLS:
            sentences.append(f"{pool} ({NO_NVENC_POOLS[pool]}) has no NVENC: workers would encode with x264 there.")
        elif pool not in NVENC_POOLS:
            sentences.append(f"{pool} is a pool that is not known here: look whether its GPUs have NVENC.")
    if (floor := desired.gpu.min_cuda_version) is not None and _version(floor) < _version(OLDEST_CUDA):
        sentences.append(f"gpu.min_cuda_version is {floor}: {_TOO_OLD_FOR_NVENC}")
    elif old := [version for version in desired.gpu.allowed_cuda_versions if _version(version) < _version(OLDEST_CUDA)]:
        sentences.append(f"gpu.allowed_cuda_versions has {', '.join(old)}: {_TOO_OLD_FOR_NVENC}")
    elif floor is None and not desired.gpu.allowed_cuda_versions:
        sentences.append(f"gpu.min_cuda_version is missing: {_TOO_OLD_FOR_NVENC}")
    if len(desired.gpu.pools) > POOLS_MOST:
        sentences.append(f"More than {POOLS_MOST} pools: RunPod takes {POOLS_MOST} at most, in order of priority.")
    return sentences


def doubts(desired: DesiredEndpoint) -> list[str]:
    """Sentences about settings that are allowed and seldom intended."""
    sentences = _gpu_doubts(desired)
    if "@sha256:" not in desired.image and re.search(r":(?!latest$)[\w][\w.\-]*$", desired.image) is None:
        sentences.append(
            "The image has no tag of its own: what runs changes by itself, and there is nothing to go back to."
        )
    if desired.execution_timeout_s < SHORT_TIMEOUT_SECONDS:
        sentences.append(
            "The execution timeout is less than an hour: long uploads would be ended before they are done."
        )
    if desired.disk_gb < SMALL_DISK_GB:
        sentences.append("The disk is small: a job needs three to four times the size of its original.")
    if desired.workers.max == 0:
        sentences.append("workers.max is 0: jobs would wait for ever.")
    if desired.env.get("WEBHOOK_ALLOW_PRIVATE") == "1":
        sentences.append("WEBHOOK_ALLOW_PRIVATE is for local runs: payloads could make workers call private addresses.")
    return sentences


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))
