"""RunPod's API of endpoints and secrets (REST v2), on loopback, as its documents describe it.

A real HTTP server: the same paths, envelopes, required fields and refusals (unknown fields are a 422 that names them),
written from the published description, never tried against RunPod. `boot` gives the environment that a worker of an
endpoint starts with: references to secrets replaced by their values, those to none left as they are.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jsonschema
import loopback
from loopback import QuietHandler

KEY = "rpa_management_of_the_tests_5c1d"
REFERENCE = re.compile(r"\{\{ RUNPOD_SECRET_([A-Za-z0-9_.\-/]+) \}\}")
HANG_SECONDS = 20.0

_TEXTS = {"type": "array", "items": {"type": "string"}}
_CONTAINER: dict[str, Any] = {
    "image": {"type": "string"},
    "args": {"type": "string"},
    "disk": {"type": "integer", "minimum": 1},
    "ports": _TEXTS,
    "env": {"type": "object", "additionalProperties": {"type": "string"}},
    "registry": {"type": ["string", "null"]},
}
_ENDPOINT: dict[str, Any] = {
    **_CONTAINER,
    "name": {"type": "string", "minLength": 1},
    "gpu": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "pools": {**_TEXTS, "minItems": 1},
            "excludedTypes": {**_TEXTS, "uniqueItems": True},
            "count": {"type": "integer", "minimum": 1},
            "allowedCudaVersions": {"type": "array", "items": {"type": "string", "pattern": r"^\d+\.\d+$"}},
            "minCudaVersion": {"type": "string", "pattern": r"^\d+\.\d+$"},
        },
    },
    "workers": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "min": {"type": "integer", "minimum": 0},
            "max": {"type": "integer", "minimum": 0},
            "idleTimeout": {"type": "integer", "minimum": 1, "maximum": 3600},
        },
    },
    "scaling": {
        "oneOf": [
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["type", "queueDelay"],
                "properties": {"type": {"const": "QUEUE_DELAY"}, "queueDelay": {"type": "number", "minimum": 0.5}},
            },
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["type", "requestCount"],
                "properties": {"type": {"const": "REQUEST_COUNT"}, "requestCount": {"type": "integer", "minimum": 1}},
            },
        ]
    },
    "dataCenterIds": _TEXTS,
    "networkVolumes": _TEXTS,
    "timeout": {"type": "integer"},
    "flashboot": {"enum": ["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"]},
}
CREATE = jsonschema.Draft202012Validator(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "type", "scaling", "image"],
        "properties": {**_ENDPOINT, "type": {"enum": ["QUEUE", "LOAD_BALANCER"]}},
    }
)
_GPU_CHANGED: dict[str, Any] = {
    **_ENDPOINT["gpu"],
    "properties": {
        **_ENDPOINT["gpu"]["properties"],
        # An empty text takes the floor away.
        "minCudaVersion": {"type": "string", "pattern": r"^$|^\d+\.\d+$"},
    },
    "dependentRequired": {"excludedTypes": ["pools"]},
}
UPDATE = jsonschema.Draft202012Validator(
    {"type": "object", "additionalProperties": False, "properties": {**_ENDPOINT, "gpu": _GPU_CHANGED}}
)
SECRET = jsonschema.Draft202012Validator(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "value"],
        "properties": {
            "name": {
                "type": "string",
                "maxLength": 191,
                "pattern": r"^(?![Rr][Uu][Nn][Pp][Oo][Dd])[a-zA-Z_][\w.\-/]*$",
            },
            "value": {"type": "string", "minLength": 1},
            "description": {"type": "string"},
        },
    }
)


@dataclass
class Rest:
    port: int = 0
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """Name -> value."""
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    faults: deque[int | bytes] = field(default_factory=deque)
    """What the next requests meet: a status, 0 for a connection that breaks off, -1 for no answer, or bytes that are
    sent as a 200."""
    done_before_fault: bool = False
    """The faulty answer comes after the work was done."""
    retry_after: str = ""
    secrets_allowed: bool = True
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self, **more: str) -> dict[str, str]:
        return {"RUNPOD_API_KEY": KEY, "RUNPOD_REST_BASE": self.base, **more}

    def named(self, name: str) -> dict[str, Any]:
        (endpoint,) = (endpoint for endpoint in self.endpoints.values() if endpoint["name"] == name)
        return endpoint

    def boot(self, name: str) -> dict[str, str]:
        """The environment of a worker of that endpoint."""
        return {
            variable: REFERENCE.sub(lambda reference: self.secrets.get(reference[1], reference[0]), text)
            for variable, text in self.named(name)["env"].items()
        }

    def writes(self) -> list[str]:
        return [f"{method} {path}" for method, path, _ in self.requests if method != "GET"]

    # --- What it does -------------------------------------------------------------------------------------------------

    def do(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        rooms = path.strip("/").split("/")
        if rooms[:2] == ["v2", "serverless"]:
            return self._serverless(method, rooms[2] if len(rooms) > 2 else None, body)
        if rooms[:3] == ["v2", "account", "secrets"]:
            if not self.secrets_allowed:
                return problem(403, "This key has no access to secrets.")
            return self._secrets(method, rooms[3] if len(rooms) > 3 else None, body)
        return problem(404, "Not found.")

    def _serverless(self, method: str, endpoint_id: str | None, body: Any) -> tuple[int, Any]:
        if endpoint_id is None and method == "GET":
            return 200, {"endpoints": list(self.endpoints.values())}
        if endpoint_id is None and method == "POST":
            if refused := _invalid(CREATE, body):
                return refused
            endpoint_id = f"ep{len(self.endpoints) + 1}"
            # The defaults of the documents. `timeout` is another one: what is left out comes back as 0.
            made = {
                "id": endpoint_id,
                "args": "",
                "ports": [],
                "env": {},
                "registry": None,
                "disk": 20,
                "dataCenterIds": [],
                "networkVolumes": [],
                "timeout": 0,
                "flashboot": "OFF",
                "createdAt": "2026-11-26T00:00:00Z",
                "requestUrls": {"run": f"https://api.runpod.ai/v2/{endpoint_id}/run"},
                **body,
            }
            made["workers"] = {"min": 0, "max": 3, "idleTimeout": 10, **body.get("workers", {})}
            made["gpu"] = _with_filter({"count": 1, **body["gpu"]})
            return self._checked(endpoint_id, made, 201)
        there = self.endpoints.get(endpoint_id or "")
        if there is None:
            return problem(404, "No such endpoint.")
        if method == "GET":
            return 200, there
        if method != "PATCH":
            return problem(405, "Not allowed.")
        if refused := _invalid(UPDATE, body):
            return refused
        changed = {**there, **body}
        for group in ("gpu", "workers"):
            if group in body:
                changed[group] = {**there[group], **body[group]}
        changed["gpu"] = _with_filter(changed["gpu"])
        if "pools" in body.get("gpu", {}) and "excludedTypes" not in body["gpu"]:
            changed["gpu"].pop("excludedTypes", None)
        return self._checked(there["id"], changed, 200)

    def _checked(self, endpoint_id: str, endpoint: dict[str, Any], status: int) -> tuple[int, Any]:
        if endpoint["gpu"]["minCudaVersion"] and endpoint["gpu"]["allowedCudaVersions"]:
            return problem(400, "minCudaVersion and a non-empty allowedCudaVersions exclude each other.")
        if endpoint["scaling"]["type"] == "REQUEST_COUNT" and endpoint["type"] == "QUEUE":
            endpoint["workers"].pop("idleTimeout", None)
        self.endpoints[endpoint_id] = endpoint
        return status, endpoint

    def _secrets(self, method: str, secret_id: str | None, body: Any) -> tuple[int, Any]:
        def shown(name: str) -> dict[str, str]:
            return {"id": f"s-{name}", "name": name, "createdAt": "2026-11-26T00:00:00Z"}

        if secret_id is None and method == "GET":
            return 200, {"secrets": [shown(name) for name in self.secrets]}
        if secret_id is None and method == "POST":
            if refused := _invalid(SECRET, body):
                return refused
            if body["name"] in self.secrets:
                return problem(409, "A secret of this name exists.")
            self.secrets[body["name"]] = body["value"]
            return 201, shown(body["name"])
        name = (secret_id or "").removeprefix("s-")
        if name not in self.secrets or method != "PATCH":
            return problem(404, "No such secret.")
        self.secrets[name] = body["value"]
        return 200, shown(name)


def _with_filter(gpu: dict[str, Any]) -> dict[str, Any]:
    """As an answer has it: always both, an empty list and null where there is no constraint."""
    return {
        **gpu,
        "allowedCudaVersions": gpu.get("allowedCudaVersions", []),
        "minCudaVersion": gpu.get("minCudaVersion") or None,
    }


def problem(status: int, detail: str, *errors: str) -> tuple[int, Any]:
    return status, {"title": "Refused", "status": status, "detail": detail, "errors": list(errors)}


def _invalid(schema: jsonschema.Draft202012Validator, body: Any) -> tuple[int, Any] | None:
    wrong = [f"$.{'.'.join(map(str, error.path))}: {error.message}" for error in schema.iter_errors(body)]
    return problem(422, "Request validation failed.", *wrong) if wrong else None


@contextmanager
def serving() -> Iterator[Rest]:
    rest = Rest()

    class Handler(QuietHandler):
        def _do(self) -> None:
            body = self.read_json()
            path = self.path.partition("?")[0]
            rest.requests.append((self.command, path, body))
            if self.headers.get("Authorization") != f"Bearer {KEY}":
                self._answer(*problem(401, f"The key {self.headers.get('Authorization')} is not valid."))
                return
            if not rest.faults:
                self._answer(*rest.do(self.command, path, body))
                return
            fault = rest.faults.popleft()
            if rest.done_before_fault:
                rest.do(self.command, path, body)
            if fault == 0:
                self.close_connection = True
            elif fault == -1:
                rest.over.wait(HANG_SECONDS)
            elif isinstance(fault, bytes):
                self.send_body(200, fault, Content_Type="application/json")
            else:
                self._answer(*problem(fault, "Something is wrong here."))

        do_GET = do_POST = do_PATCH = _do

        def _answer(self, status: int, answer: Any) -> None:
            headers = {"Retry_After": rest.retry_after} if rest.retry_after else {}
            self.send_json(status, answer, **headers)

    with loopback.serving(Handler) as rest.port:
        try:
            yield rest
        finally:
            rest.over.set()
