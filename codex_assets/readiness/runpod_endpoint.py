"""A RunPod endpoint and its file: what differs, creating or changing the endpoint, and giving RunPod its secrets.

In: the comparison, what a change sends, and what is looked at before and after it. Out: the file (`endpoint_file.py`),
RunPod's API (`net/runpod_api.py`), jobs (`build/on_runpod.py`), how it is shown (`cli/`). What RunPod has as the value
of a variable is never shown, because somebody may have typed a secret there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import SecretStr

from codex_assets.config import setting_rules
from codex_assets.contract.secrets import is_placeholder
from codex_assets.errors import ConfigurationError, EndpointError
from codex_assets.net.runpod_api import AccountApi, require_endpoint
from codex_assets.readiness.endpoint_file import DesiredEndpoint

FLASHBOOT_SUFFIX = " -fb"
"""What RunPod once appended to the name of an endpoint with FlashBoot."""


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it is wished: `was` and `wished` as people read them, None where there is none."""

    field: str
    was: str | None
    wished: str | None


SETTING = "another value"
"""What a variable's value at RunPod is called: it may be a secret."""


def differences(desired: DesiredEndpoint, actual: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What RunPod's endpoint has otherwise than the file. What the file is silent about does not count."""
    wanted = desired.wire()
    unequal: list[Difference] = []
    if _plain_name(actual.get("name")) != desired.name:
        unequal.append(Difference("name", _shown(actual.get("name")), desired.name))
    for field in ("image", "registry", "disk", "timeout", "flashboot"):
        if (actual.get(field) or None) != wanted[field]:
            unequal.append(Difference(field, _shown(actual.get(field)), _shown(wanted[field])))
    for group in ("gpu", "workers", "scaling"):
        there = actual.get(group)
        there = there if isinstance(there, dict) else {}
        names = dict.fromkeys((*wanted[group], *(("excludedTypes",) if group == "gpu" else ())))
        for name in names:
            was, wished = there.get(name), wanted[group].get(name)
            if _comparable(name, was) != _comparable(name, wished):
                unequal.append(Difference(f"{group}.{name}", _shown(was), _shown(wished)))
    environment = actual.get("env")
    environment = environment if isinstance(environment, dict) else {}
    for name in dict.fromkeys((*desired.env, *environment)):
        was, wished = environment.get(name), desired.env.get(name)
        if was != wished:
            unequal.append(Difference(f"env.{name}", None if was is None else SETTING, wished))
    return tuple(unequal)


def _comparable(name: str, value: Any) -> Any:
    # Pools are in order of priority, excluded types and CUDA versions in none.
    if name in ("excludedTypes", "allowedCudaVersions"):
        return frozenset(value or ())
    # RunPod's answer has null where a request has an empty text.
    return value or None if name == "minCudaVersion" else value


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

    desired: DesiredEndpoint
    endpoint_id: str | None
    differences: tuple[Difference, ...]
    secrets_known: bool

    @property
    def is_needed(self) -> bool:
        """Whether anything has to be created or changed."""
        return self.endpoint_id is None or bool(self.differences)


def make_plan(desired: DesiredEndpoint, api: AccountApi) -> Plan:
    """What differs from the file. Changes nothing.

    Raises `ConfigurationError` when the name is not unique, when what has it is no queue of jobs, and when RunPod lacks
    a secret that the file refers to: the worker would get the reference itself as the value.
    """
    named = [endpoint for endpoint in api.endpoints() if _plain_name(endpoint.get("name")) == desired.name]
    if len(named) > 1:
        ids = ", ".join(str(endpoint.get("id")) for endpoint in named)
        raise ConfigurationError(f"RunPod has {len(named)} endpoints named {desired.name} ({ids}); rename all but one.")
    there = api.secrets()
    if there is not None and (lacking := sorted(set(desired.references.values()) - set(there))):
        raise ConfigurationError(
            f"RunPod has no secrets of these names: {', '.join(lacking)}. Create them in its console, or with "
            "`codex-assets endpoint secrets`."
        )
    if not named:
        return Plan(desired, None, (), there is not None)
    endpoint = require_endpoint(named[0])
    if endpoint.get("type", "QUEUE") != "QUEUE":
        raise ConfigurationError(f"{desired.name} at RunPod is no queue of jobs, and cannot become one; rename it.")
    return Plan(desired, endpoint["id"], differences(desired, endpoint), there is not None)


def apply(plan: Plan, api: AccountApi) -> str:
    """Make it so; the endpoint's id. Raises `EndpointError` when RunPod then says that it is not so."""
    wanted = plan.desired.wire()
    if plan.endpoint_id is None:
        body = {name: value for name, value in wanted.items() if value is not None}
        # A floor that is empty can be asked of an endpoint that is there alone.
        body["gpu"] = {name: value for name, value in wanted["gpu"].items() if (name, value) != ("minCudaVersion", "")}
        endpoint_id: str = api.create(body)["id"]
    else:
        endpoint_id = plan.endpoint_id
        changed = {difference.field.partition(".")[0] for difference in plan.differences}
        # Groups whole: RunPod replaces what a patch names.
        api.change(endpoint_id, {name: value for name, value in wanted.items() if name in changed})
    actual = api.endpoint(endpoint_id)
    # Whether RunPod keeps the order of pools is not documented.
    if left := [
        difference
        for difference in differences(plan.desired, actual)
        if difference.field != "gpu.pools" or not _same_pools(actual, difference)
    ]:
        fields = ", ".join(difference.field for difference in left)
        raise EndpointError(
            f"RunPod took it, and still has otherwise: {fields} (endpoint {endpoint_id}). Look at it in the console.",
            retryable=False,
        )
    return endpoint_id


def _same_pools(actual: Mapping[str, Any], difference: Difference) -> bool:
    pools = actual.get("gpu", {}).get("pools")
    return isinstance(pools, list) and sorted(map(str, pools)) == sorted((difference.wished or "").split(", "))


@dataclass(frozen=True)
class SecretOutcome:
    """What became of one secret."""

    variable: str
    name: str
    done: Literal["created", "replaced", "left as it is"]


def store_secrets(
    desired: DesiredEndpoint, environ: Mapping[str, str], api: AccountApi, *, replace: bool = False
) -> list[SecretOutcome]:
    """Give RunPod the secrets that the file refers to, from the variables of the same names here.

    One that it has is left as it is, unless `replace`. Workers see a new value when they next start. Raises
    `ConfigurationError` that names the variables without a usable value, before anything is sent.
    """
    there = api.secrets()
    if there is None:
        raise ConfigurationError("RUNPOD_API_KEY may not manage secrets; create them in RunPod's console.")
    wanted = {name: secret for name, secret in desired.references.items() if replace or secret not in there}
    lacking = [name for name in wanted if not environ.get(name, "").strip() or is_placeholder(environ[name])]
    if lacking:
        raise ConfigurationError(f"These variables are empty or placeholders here: {', '.join(lacking)}.")
    if wrong := list(setting_rules.slips(environ, wanted).problems()):
        raise ConfigurationError("The secrets were not sent: " + "; ".join(wrong) + ".")
    if shared := _shared({name: environ[name] for name in wanted}, wanted):
        raise ConfigurationError(f"These variables refer to one secret and have different values: {', '.join(shared)}.")
    outcomes: list[SecretOutcome] = []
    done: dict[str, Literal["created", "replaced"]] = {}
    for variable, name in desired.references.items():
        if variable in wanted and name not in done:
            value = SecretStr(environ[variable])
            if name in there:
                api.replace_secret(there[name], value)
                done[name] = "replaced"
            else:
                api.create_secret(name, value)
                done[name] = "created"
        outcomes.append(SecretOutcome(variable, name, done.get(name, "left as it is")))
    return outcomes


def _shared(values: Mapping[str, str], secrets: Mapping[str, str]) -> Sequence[str]:
    return [
        name
        for name, value in values.items()
        if any(secrets[other] == secrets[name] and values[other] != value for other in values)
    ]
