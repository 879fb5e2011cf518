"""Installing a destination: a form made from the destination's own declaration."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.backfill.forecast import WHOM
from hogline.console.connections import url_of
from hogline.console.context import console_of, form_of, require_right, service_of
from hogline.console.forecast import of_file, of_received
from hogline.console.forms import fields, problems_of, text_of, typed
from hogline.console.options_form import NOTHING_YET, TESTS, FormResult, outcome_of_test, seen_lately
from hogline.console.pages import go, page
from hogline.console.samples import SAMPLES
from hogline.console.shown import WORDS
from hogline.destinations.base import Destination
from hogline.destinations.catalogue import DESTINATIONS
from hogline.service import CannotDo


def _destination_of(request: Request) -> Destination[Any]:
    destination = DESTINATIONS.get(request.path_params["destination"])
    if destination is None:
        raise HTTPException(404, "Unknown destination.")
    return destination


async def install_page(request: Request) -> Response:
    require_right(request, "connections.add")
    return await _install_page(request, _destination_of(request), {}, "", NOTHING_YET)


async def install(request: Request) -> Response:
    """`do`: `test` tells what came of it, `send` sends one event; `start` and `save` keep it."""
    require_right(request, "connections.add")
    service, destination = service_of(request), _destination_of(request)
    form = await form_of(request)
    values, name, do = typed(destination, form), text_of(form, "name"), form.get("do")
    problems = problems_of(destination, values)
    if problems:
        return await _install_page(request, destination, values, name, FormResult(problems=problems))
    try:
        if do in TESTS:
            outcome = await outcome_of_test(service, form, destination.key, values)
            return await _install_page(request, destination, values, name, outcome)
        made = await service.connections.add(destination.key, values, name=name, paused=do != "start")
    except CannotDo as error:
        return await _install_page(request, destination, values, name, FormResult(sentence=str(error)))
    if not made.paused:
        return go(request, url_of(request, "connect-posthog"), f"{made.name} is ready. Now send events from PostHog.")
    return go(request, url_of(request, "home"), f"Saved {made.name}. It sends nothing until you resume it.")


async def forecast(request: Request) -> Response:
    """What events would lead to, for each choice of who is sent: those of a file, or else those that were received."""
    require_right(request, "connections.add")
    destination, form = _destination_of(request), await form_of(request, file="file")
    values, name, price = typed(destination, form), text_of(form, "name"), text_of(form, "price")
    options = {key: value for key, value in values.items() if value != "" and not _is_required(destination, key)}
    console, file = console_of(request), form.get("file")
    try:
        a_month = float(price) if price else None
        if isinstance(file, UploadFile) and file.filename:
            folder, now_ms = console.settings.data, int(console.service.clock.time_ms())
            found = await of_file(
                service_of(request), destination.key, options, file=file, folder=folder, now_ms=now_ms
            )
        else:
            found = await of_received(service_of(request), destination.key, options)
        outcome = FormResult(forecast=found, a_month=a_month)
    except CannotDo as error:
        outcome = FormResult(sentence=str(error))
    except ValueError:
        outcome = FormResult(sentence="A price must be a number, such as 0.009.")
    finally:
        await form.close()
    return await _install_page(request, destination, values, name, outcome, price=price)


def _is_required(destination: Destination[Any], key: str) -> bool:
    return any(option.key == key and option.required for option in destination.options)


async def _install_page(
    request: Request,
    destination: Destination[Any],
    values: dict[str, object],
    name: str,
    outcome: FormResult,
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
        lately=await seen_lately(service_of(request)),
        samples=SAMPLES,
        **WORDS,
    )


ROUTES = [
    Route("/install/{destination}", install_page, methods=["GET"], name="install"),
    Route("/install/{destination}", install, methods=["POST"]),
    Route("/install/{destination}/forecast", forecast, methods=["POST"], name="forecast"),
]
