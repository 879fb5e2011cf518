"""A connection's settings: its options, its name, a copy of it, and the history of its changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.console.connections import resume_or_ask, settings_url, url_of
from hogline.console.context import connection_of, form_of, require_right, service_of
from hogline.console.forms import changes_of, fields, only_changed, problems_of, typed
from hogline.console.options_form import NOTHING_YET, TESTS, FormResult, outcome_of_test, seen_lately
from hogline.console.pages import go, page
from hogline.console.samples import SAMPLES
from hogline.console.shown import WORDS
from hogline.destinations.base import Destination
from hogline.destinations.catalogue import destination_of
from hogline.service import CannotDo
from hogline.service.audit_sentences import what_was_done
from hogline.service.connection_options import SecretsNeeded
from hogline.service.connections import ChangedMeanwhile
from hogline.views.connections import ConnectionView

MOST_CHANGES = 20


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Another name, or a copy, that could not be made."""

    rename: str = ""
    rename_problem: str = ""
    duplicate: str = ""
    duplicate_problem: str = ""


async def settings_page(request: Request) -> Response:
    require_right(request, "connections.configure")
    connection = await connection_of(request)
    return await _settings_page(request, connection, connection.options, NOTHING_YET)


async def change(request: Request) -> Response:
    """`do`: `test` tells what came of it, `send` sends one event; `save` keeps it; `start` keeps it and resumes the
    connection. After somebody else's change, `merge` keeps what this form changed, and `overwrite` the whole form.
    """
    require_right(request, "connections.configure")
    service, connection = service_of(request), await connection_of(request)
    destination = destination_of(connection.destination)
    form = await form_of(request)
    values, do = typed(destination, form), form.get("do")
    opened, seen = _options_in(form, "opened"), _options_in(form, "seen")
    problems = problems_of(destination, values, secrets_are_set=True)
    if problems:
        return await _settings_page(request, connection, values, FormResult(problems=problems), opened)
    try:
        if do in TESTS:
            outcome = await outcome_of_test(service, form, destination.key, values, connection.name)
            return await _settings_page(request, connection, values, outcome, opened)
        keep = only_changed(destination, values, opened or {}) if do == "merge" else values
        changed = await service.connections.configure(
            connection.name, keep, seen=seen if do in {"merge", "overwrite"} else opened
        )
        if do == "start":
            return await resume_or_ask(request, connection, settings_url(request))
    except CannotDo as error:
        now = await connection_of(request)
        return await _settings_page(request, now, values, _outcome_of(error, destination), opened)
    return go(request, settings_url(request), " ".join([f"Saved {connection.name}.", *changed.notes]))


def _outcome_of(error: CannotDo, destination: Destination[Any]) -> FormResult:
    match error:
        case ChangedMeanwhile():
            return FormResult(sentence=str(error), changed=changes_of(destination, error.changes))
        case SecretsNeeded():
            return FormResult(problems=dict(error.problems))
        case _:
            return FormResult(sentence=str(error))


def _options_in(form: FormData, name: str) -> dict[str, object] | None:
    """Options as they were when the page was made, out of a hidden field. Raises `HTTPException` 400."""
    text = str(form.get(name, ""))
    try:
        return msgspec.json.decode(text, type=dict[str, object]) if text else None
    except msgspec.DecodeError:
        raise HTTPException(400, "The form is incomplete. Reload the page and try again.") from None


async def _settings_page(
    request: Request,
    connection: ConnectionView,
    values: dict[str, object],
    outcome: FormResult,
    opened: dict[str, object] | None = None,
    *,
    copy: Copy | None = None,
) -> Response:
    """`opened`: the options as they were when the form was opened, if that was earlier. `copy`: what was typed into the
    forms for another name and for a copy, and why it was not taken."""
    destination = destination_of(connection.destination)
    return await page(
        request,
        "settings.html",
        status=422 if copy else outcome.status,
        connection=connection,
        section="settings",
        destination=destination,
        fields=fields(destination, values, outcome.problems, secrets_are_set=True),
        outcome=outcome,
        lately=await seen_lately(service_of(request)),
        samples=SAMPLES,
        changes=await service_of(request).audit.changes(connection.name, limit=MOST_CHANGES),
        what_was_done=what_was_done,
        opened=msgspec.json.encode(connection.options if opened is None else opened).decode(),
        seen=msgspec.json.encode(connection.options).decode(),
        copy=copy or Copy(),
        **WORDS,
    )


async def rename(request: Request) -> Response:
    connection, form = await connection_of(request), await form_of(request)
    to = str(form.get("name", "")).strip()
    try:
        renamed = await service_of(request).connections.rename(connection.name, to)
    except CannotDo as error:
        copy = Copy(rename=to, rename_problem=str(error))
        return await _settings_page(request, connection, connection.options, NOTHING_YET, copy=copy)
    said = f"Renamed {connection.name} to {renamed.name}."
    return go(request, url_of(request, "settings", name=renamed.name), said)


async def duplicate(request: Request) -> Response:
    connection, form = await connection_of(request), await form_of(request)
    to = str(form.get("name", "")).strip()
    try:
        made = await service_of(request).connections.duplicate(connection.name, to)
    except CannotDo as error:
        copy = Copy(duplicate=to, duplicate_problem=str(error))
        return await _settings_page(request, connection, connection.options, NOTHING_YET, copy=copy)
    said = f"Created {made.name} with the options of {connection.name}. It sends nothing until you resume it."
    return go(request, url_of(request, "settings", name=made.name), said)


ROUTES = [
    Route("/connections/{name}/settings", settings_page, methods=["GET"], name="settings"),
    Route("/connections/{name}/settings", change, methods=["POST"]),
    Route("/connections/{name}/rename", rename, methods=["POST"], name="rename"),
    Route("/connections/{name}/duplicate", duplicate, methods=["POST"], name="duplicate"),
]
