"""The API's description (OpenAPI 3.1), written from the endpoints' signatures and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from typing import Any

import msgspec
from msgspec import Struct

from hogline import __version__
from hogline.console.api.endpoints import Endpoint, Parameter
from hogline.store.datadir.roles import ROLES

_INTRODUCTION = (
    "Everything Hogline's console shows and does, for programs. Send a token with every request as `Authorization: "
    "Bearer <token>`. Create tokens in the console under API tokens, or with `hogline api-tokens add`."
)


class Problem(Struct, frozen=True):
    message: str
    """What happened and what to do."""


class Error(Struct, frozen=True):
    error: Problem


ERRORS = {
    400: "The request cannot be read.",
    401: "The token is missing or invalid.",
    403: "The token's role does not allow this.",
    404: "Not found.",
    409: "Conflict with something that already exists.",
    413: "The body is too large.",
    422: "Not possible; the message says why.",
    429: "Too many requests. Wait for the seconds in `Retry-After`.",
    503: "The store is not available at the moment.",
}


def describe(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The OpenAPI document. Raises TypeError for a type that has no JSON Schema."""
    types = [Error]
    for endpoint in endpoints:
        types += [parameter.type for parameter in endpoint.parameters]
        types += [] if endpoint.result is NoneType else [endpoint.result]
    schemas, components = msgspec.json.schema_components(
        types, schema_hook=_anything, ref_template="#/components/schemas/{name}"
    )
    known = iter(schemas)
    error = next(known)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        parameters = [(parameter, next(known)) for parameter in endpoint.parameters]
        result = None if endpoint.result is NoneType else next(known)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, parameters, result, error)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hogline", "version": __version__, "description": _INTRODUCTION},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _anything(kind: type) -> dict[str, Any]:
    """The schema of `object`: any JSON. Of another type there is none."""
    if kind is object:
        return {"description": "Any JSON."}
    raise NotImplementedError(kind)


def _operation(
    endpoint: Endpoint,
    parameters: list[tuple[Parameter, dict[str, Any]]],
    result: dict[str, Any] | None,
    error: dict[str, Any],
) -> dict[str, Any]:
    summary = endpoint.description.partition(".")[0]
    good: dict[str, Any] = {"description": "Done." if result is None else "The response."}
    if result is not None:
        good |= _json(result)
    described: dict[str, Any] = {
        "operationId": endpoint.function.__name__,
        "summary": summary,
        "description": f"{' '.join(endpoint.description.split())} Least role: {endpoint.least_role}.",
        "parameters": [_parameter(one, schema) for one, schema in parameters if one.place != "body"],
        "responses": {str(endpoint.status): good}
        | {str(status): {"description": ERRORS[status]} | _json(error) for status in _statuses(endpoint)},
    }
    for one, schema in parameters:
        if one.place == "body":
            described["requestBody"] = {"required": True} | _json(schema)
    return described


def _parameter(one: Parameter, schema: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"name": one.name, "in": one.place, "required": one.required, "schema": dict(schema)}
    if not one.required:
        described["schema"]["default"] = one.default
    return described


def _statuses(endpoint: Endpoint) -> list[int]:
    """Of the errors that it may answer with."""
    without = set() if "{" in endpoint.path else {404}
    if endpoint.least_role == ROLES[0]:
        without |= {403}
    if endpoint.body is None:
        without |= {413}
    if endpoint.status != 201:
        without |= {409}
    return [status for status in ERRORS if status not in without - set(endpoint.also)]


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}
