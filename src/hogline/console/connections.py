"""Installing a destination, and a connection's settings: one form, made from the destination's own declaration."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.backfill.forecast import WHOM
from hogline.backfill.views import ForecastView
from hogline.console.context import connection_of, form_of, require_right, service_of
from hogline.console.forms import Change, changes_of, fields, only_changed, problems_of, typed
from hogline.console.pages import again, go, own_path, page
from hogline.destinations.base import Destination
from hogline.destinations.catalogue import DESTINATIONS, destination_of
from hogline.service import CannotDo, Service
from hogline.service.connections import ChangedMeanwhile, SecretsNeeded
from hogline.views.connections import CheckView, ConnectionView


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a form that was not taken, or only tested."""

    check: CheckView | None = None
    sentence: str = ""
    """Why it was not taken."""
    problems: dict[str, str] = field(default_factory=dict)
    forecast: ForecastView | None = None
    a_month: float | None = None
    """The price of one customer a month."""
    changed: list[Change] = field(default_factory=list)
    """What somebody else changed since the form was opened."""

    @property
    def status(self) -> int:
        return 422 if self.sentence or self.problems else 200


_NOTHING_YET = Outcome()
LOOKED_AT = 1_000
MOST_SUGGESTED = 20


def _destination_of(request: Request) -> Destination[Any]:
    destination = DESTINATIONS.get(request.path_params["destination"])
    if destination is None:
        raise HTTPException(404, "Unknown destination.")
    return destination


async def install_page(request: Request) -> Response:
    require_right(request, "connections.add")
    return await _install_page(request, _destination_of(request), {}, "", _NOTHING_YET)


async def install(request: Request) -> Response:
    """`do`: `test` tells what came of it; `start` and `save` keep it."""
    require_right(request, "connections.add")
    service, destination = service_of(request), _destination_of(request)
    form = await form_of(request)
    values, name, do = typed(destination, form), str(form.get("name", "")).strip(), form.get("do")
    if do == "forecast":
        return await _forecast(request, destination, values, name, str(form.get("price", "")))
    problems = problems_of(destination, values)
    if problems:
        return await _install_page(request, destination, values, name, Outcome(problems=problems))
    try:
        if do == "test":
            check = await service.connections.test(destination.key, values)
            return await _install_page(request, destination, values, name, Outcome(check=check))
        made = await service.connections.add(destination.key, values, name=name, paused=do != "start")
    except CannotDo as error:
        return await _install_page(request, destination, values, name, Outcome(sentence=str(error)))
    if not made.paused:
        return go(request, _url(request, "connect-posthog"), f"{made.name} is ready. Now send events from PostHog.")
    return go(request, _url(request, "home"), f"Saved {made.name}. It sends nothing until you resume it.")


async def _forecast(
    request: Request, destination: Destination[Any], values: dict[str, object], name: str, price: str
) -> Response:
    """What the events that were received would lead to, for each choice of who is sent."""
    options = {key: value for key, value in values.items() if value != "" and not _is_required(destination, key)}
    try:
        found = await service_of(request).forecasts.of_received(destination.key, options)
        a_month = float(price) if price else None
    except (CannotDo, ValueError) as error:
        sentence = str(error) if isinstance(error, CannotDo) else "A price must be a number, such as 0.009."
        return await _install_page(request, destination, values, name, Outcome(sentence=sentence), price=price)
    return await _install_page(
        request, destination, values, name, Outcome(forecast=found, a_month=a_month), price=price
    )


def _is_required(destination: Destination[Any], key: str) -> bool:
    return any(option.key == key and option.required for option in destination.options)


async def _names_seen(service: Service) -> list[str]:
    """Of the newest events, the most frequent names first."""
    seen = Counter(event.event for event in await service.live.received(limit=LOOKED_AT))
    return [name for name, _ in seen.most_common(MOST_SUGGESTED)]


async def _install_page(
    request: Request,
    destination: Destination[Any],
    values: dict[str, object],
    name: str,
    outcome: Outcome,
    *,
    price: str = "",
) -> Response:
    return await page(
        request,
        "install.html",
        status=outcome.status,
        destination=destination,
        name=name,
        fields=fields(destination, values, outcome.problems),
        outcome=outcome,
        whom=WHOM,
        price=price,
        seen_names=await _names_seen(service_of(request)),
    )


async def settings_page(request: Request) -> Response:
    require_right(request, "connections.configure")
    connection = await connection_of(request)
    return await _settings_page(request, connection, connection.options, _NOTHING_YET)


async def change(request: Request) -> Response:
    """`do`: `test` tells what came of it; `save` keeps it; `start` keeps it and resumes the connection. After somebody
    else's change, `merge` keeps what this form changed, and `overwrite` the whole form.
    """
    require_right(request, "connections.configure")
    service, connection = service_of(request), await connection_of(request)
    destination = destination_of(connection.destination)
    form = await form_of(request)
    values, do = typed(destination, form), form.get("do")
    opened, seen = _options_in(form, "opened"), _options_in(form, "seen")
    problems = problems_of(destination, values, secrets_are_set=True)
    if problems:
        return await _settings_page(request, connection, values, Outcome(problems=problems), opened)
    try:
        if do == "test":
            outcome = Outcome(check=await service.connections.test(destination.key, values, connection.name))
            return await _settings_page(request, connection, values, outcome, opened)
        keep = only_changed(destination, values, opened or {}) if do == "merge" else values
        changed = await service.connections.configure(
            connection.name, keep, seen=seen if do in {"merge", "overwrite"} else opened
        )
        if do == "start":
            return await resume_or_ask(request, connection, _back(request))
    except CannotDo as error:
        now = await connection_of(request)
        return await _settings_page(request, now, values, _outcome_of(error, destination), opened)
    return go(request, _back(request), " ".join([f"Saved {connection.name}.", *changed.notes]))


def _outcome_of(error: CannotDo, destination: Destination[Any]) -> Outcome:
    match error:
        case ChangedMeanwhile():
            return Outcome(sentence=str(error), changed=changes_of(destination, error.changes))
        case SecretsNeeded():
            return Outcome(problems=dict(error.problems))
        case _:
            return Outcome(sentence=str(error))


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
    outcome: Outcome,
    opened: dict[str, object] | None = None,
) -> Response:
    """`opened`: the options as they were when the form was opened, if that was earlier."""
    destination = destination_of(connection.destination)
    return await page(
        request,
        "settings.html",
        status=outcome.status,
        connection=connection,
        section="settings",
        destination=destination,
        fields=fields(destination, values, outcome.problems, secrets_are_set=True),
        outcome=outcome,
        seen_names=await _names_seen(service_of(request)),
        opened=msgspec.json.encode(connection.options if opened is None else opened).decode(),
        seen=msgspec.json.encode(connection.options).decode(),
    )


async def pause(request: Request) -> Response:
    connection = await connection_of(request)
    await service_of(request).connections.pause(connection.name)
    return go(request, _back(request), f"Paused {connection.name}. New events are kept until you resume it.")


async def resume_or_ask(request: Request, connection: ConnectionView, to: str, *, stays: bool = False) -> Response:
    """Resume the connection and go there, or show that page again (`stays`); if it was paused and events wait, ask
    first what becomes of them. Raises `CannotDo`.
    """
    service = service_of(request)
    if connection.paused and (await service.backlogs.show(connection.name)).events:
        return go(request, f"{_url(request, 'resume', name=connection.name)}?{urlencode({'next': to})}")
    await service.connections.resume(connection.name)
    return (again if stays else go)(request, to, f"Resumed {connection.name}.")


async def resume_page(request: Request) -> Response:
    require_right(request, "connections.resume")
    return await _resume_page(request, own_path(request.query_params.get("next", "/")))


async def _resume_page(request: Request, to: str, problem: str = "") -> Response:
    connection = await connection_of(request)
    return await page(
        request,
        "resume.html",
        status=422 if problem else 200,
        connection=connection,
        section="",
        backlog=await service_of(request).backlogs.show(connection.name),
        next=to,
        problem=problem,
    )


async def resume(request: Request) -> Response:
    """`do`: `all` sends what waits; `from-now-on` does not. Without it, the user is asked if there is anything."""
    connection, form = await connection_of(request), await form_of(request)
    do, to = form.get("do", ""), own_path(str(form.get("next", _back(request))))
    skips = do == "from-now-on"
    try:
        if not do:
            return await resume_or_ask(request, connection, to)
        await service_of(request).connections.resume(connection.name, from_now_on=skips)
    except CannotDo as error:
        return await _resume_page(request, to, str(error))
    said = "It sends new events from now on." if skips else "It sends the events that were waiting first."
    return go(request, to, f"Resumed {connection.name}. {said}")


async def disconnect_page(request: Request) -> Response:
    require_right(request, "connections.remove")
    return await page(request, "disconnect.html", connection=await connection_of(request), section="settings")


async def disconnect(request: Request) -> Response:
    connection = await connection_of(request)
    await service_of(request).connections.remove(connection.name)
    return go(request, _url(request, "home"), f"Disconnected {connection.name}.")


def _back(request: Request) -> str:
    return _url(request, "settings", name=request.path_params["name"])


def _url(request: Request, route: str, **parameters: str) -> str:
    return str(request.app.url_path_for(route, **parameters))


ROUTES = [
    Route("/install/{destination}", install_page, methods=["GET"], name="install"),
    Route("/install/{destination}", install, methods=["POST"]),
    Route("/connections/{name}/settings", settings_page, methods=["GET"], name="settings"),
    Route("/connections/{name}/settings", change, methods=["POST"]),
    Route("/connections/{name}/pause", pause, methods=["POST"], name="pause"),
    Route("/connections/{name}/resume", resume_page, methods=["GET"], name="resume"),
    Route("/connections/{name}/resume", resume, methods=["POST"]),
    Route("/connections/{name}/disconnect", disconnect_page, methods=["GET"], name="disconnect"),
    Route("/connections/{name}/disconnect", disconnect, methods=["POST"]),
]
