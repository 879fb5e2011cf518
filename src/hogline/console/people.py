"""People: who is known at a connection, one of them whole, and forgetting somebody."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hogline.console.context import connection_of, form_of, require_right, service_of
from hogline.console.pages import go, page
from hogline.console.shown import WORDS
from hogline.reasons import SENDING_STATES
from hogline.service import CannotDo, Service
from hogline.service.attributes import STANDINGS, attributes
from hogline.service.exporting import as_json
from hogline.service.forgetting import left
from hogline.service.people_list import called
from hogline.views.connections import ConnectionView
from hogline.views.people import PersonDetails

ON_A_PAGE = 50


FIELDS = ("q", "attribute", "value", "show", "all")
EVERYONE = "everyone"


async def people(request: Request) -> Response:
    connection, service = await connection_of(request), service_of(request)
    asked = {name: request.query_params.get(name, "").strip() for name in FIELDS}
    at = request.query_params.get("at", "")
    try:
        found = await service.people_list.show(
            connection.name,
            text=asked["q"],
            attribute=asked["attribute"],
            value=asked["value"],
            everyone=asked["show"] == EVERYONE,
            thorough=bool(asked["all"]),
            cursor=at,
            limit=ON_A_PAGE,
        )
    except CannotDo as error:
        raise HTTPException(400, str(error)) from None
    return await page(
        request,
        "people.html",
        connection=connection,
        section="people",
        found=found,
        asked=asked,
        is_filtered=bool(asked["q"] or asked["attribute"]),
        at=at,
        resending=await service.resending.show(connection.name),
        known_attributes=sorted({name for one in found.people for name in one.person.attributes}),
        link=lambda **more: urlencode({name: text for name, text in (asked | more).items() if text}),
        **WORDS,
    )


async def person(request: Request) -> Response:
    connection = await connection_of(request)
    details = await _details(service_of(request), connection.name, request.query_params.get("id", ""))
    if details is None:
        raise HTTPException(404, f"{connection.name} has no person with this distinct_id.")
    return await page(
        request,
        "person.html",
        connection=connection,
        section="people",
        details=details,
        person=details.person,
        known_as=called(details.person),
        attributes=attributes(details.person),
        standings=STANDINGS,
        **WORDS,
    )


async def _details(service: Service, connection: str, distinct_id: str) -> PersonDetails | None:
    try:
        return await service.people.show(connection, distinct_id)
    except CannotDo:
        return None


async def export(request: Request) -> Response:
    """Everything that is kept about somebody, to be saved as a file."""
    await connection_of(request)
    service = service_of(request)
    try:
        exported = await service.exports.person(request.query_params.get("id", ""))
    except CannotDo as error:
        raise HTTPException(404, str(error)) from None
    headers = {"content-disposition": 'attachment; filename="person.json"', "cache-control": "no-store"}
    return StreamingResponse(as_json(exported, service.exports.events), 200, headers, "application/json")


async def resend(request: Request) -> Response:
    connection, distinct_id = await connection_of(request), request.query_params.get("id", "")
    here = f"{request.app.url_path_for('person', name=connection.name)}?id={quote(distinct_id, safe='')}"
    try:
        await service_of(request).resending.person(connection.name, distinct_id)
    except CannotDo as error:
        return go(request, here, str(error))
    runs = connection.state in SENDING_STATES
    when = "now" if runs else f"once {connection.name} runs"
    return go(request, here, f"This person is sent again {when}: their customer with email and attributes.")


async def resend_everyone(request: Request) -> Response:
    connection = await connection_of(request)
    here = str(request.app.url_path_for("people", name=connection.name))
    try:
        await service_of(request).resending.everyone(connection.name)
    except CannotDo as error:
        return go(request, here, str(error))
    return go(request, here, "Everyone is sent again. Live events still go first.")


async def cancel_resending(request: Request) -> Response:
    connection = await connection_of(request)
    here = str(request.app.url_path_for("people", name=connection.name))
    view = await service_of(request).resending.cancel(connection.name)
    return go(request, here, f"Stopped. {view.people - view.left:,} of {view.people:,} people were sent again.")


async def forget_page(request: Request) -> Response:
    require_right(request, "forgetting.forget")
    return await _forget_page(request, request.query_params.get("id", ""))


async def _forget_page(request: Request, distinct_id: str, problem: str = "", *, suppress: bool = False) -> Response:
    """`problem`: why nobody was forgotten. The page tells what is known of them at each connection."""
    connection, service = await connection_of(request), service_of(request)
    known: list[tuple[ConnectionView, PersonDetails | None]] = []
    for each in await service.connections.all():
        details = await _details(service, each.name, distinct_id)
        if details is not None and details.person.joined_into is not None:
            details = await _details(service, each.name, details.person.joined_into)
        known.append((each, details))
    return await page(
        request,
        "forget.html",
        status=422 if problem else 200,
        connection=connection,
        section="people",
        distinct_id=distinct_id,
        known=known,
        problem=problem,
        suppress=suppress,
    )


async def forget(request: Request) -> Response:
    connection, form = await connection_of(request), await form_of(request)
    distinct_id, suppress = str(form.get("id", "")), form.get("suppress") == "yes"
    if not distinct_id:
        raise HTTPException(400, "The form is incomplete. Reload the page and try again.")
    try:
        forgotten = await service_of(request).forgetting.forget(distinct_id, suppress=suppress)
    except CannotDo as error:
        return await _forget_page(request, distinct_id, str(error), suppress=suppress)
    request.state.done = True
    return await page(
        request, "forgotten.html", connection=connection, section="people", forgotten=forgotten, left=left(forgotten)
    )


ROUTES = [
    Route("/connections/{name}/people", people, methods=["GET"], name="people"),
    Route("/connections/{name}/person", person, methods=["GET"], name="person"),
    Route("/connections/{name}/person/resend", resend, methods=["POST"], name="resend_person"),
    Route("/connections/{name}/people/resend", resend_everyone, methods=["POST"], name="resend_everyone"),
    Route("/connections/{name}/people/resend/cancel", cancel_resending, methods=["POST"], name="cancel_resending"),
    Route("/connections/{name}/person/export", export, methods=["GET"], name="export_person"),
    Route("/connections/{name}/forget", forget_page, methods=["GET"], name="forget"),
    Route("/connections/{name}/forget", forget, methods=["POST"]),
]
