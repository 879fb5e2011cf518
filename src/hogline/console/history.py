"""History: runs of older events, and what Hogline fetches from PostHog by itself. Both start and end here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.backfill.files import CannotRead
from hogline.backfill.posthog import address
from hogline.backfill.runs import DEFAULT_SHARE
from hogline.console.context import form_of, service_of, whole_number
from hogline.console.pages import go, page
from hogline.service import CannotDo, Service
from hogline.views import source_sentences

MOST_SHOWN = 50
COLORS = {"sending": "good", "reading": "good", "finished": "off", "cancelled": "off", "paused": "off"}
SOURCE_COLORS = {"fetching": "good", "reading": "good", "retrying": "bad", "stopped": "bad", "waiting": "warn"}


@dataclass(frozen=True)
class Typed:
    """The forms, and what is wrong with them."""

    connection: str = ""
    source: str = ""
    share: str = str(DEFAULT_SHARE)
    older: str = ""
    host: str = "eu.posthog.com"
    project: str = ""
    since: str = ""
    problem: str = ""
    fetch_problem: str = ""


async def history(request: Request) -> Response:
    return await _page(request, Typed())


async def _page(request: Request, typed: Typed) -> Response:
    service = service_of(request)
    runs = await service.backfills.all()
    return await page(
        request,
        "history.html",
        status=422 if typed.problem or typed.fetch_problem else 200,
        runs=runs[:MOST_SHOWN],
        more=len(runs) - MOST_SHOWN,
        sources=await service.sources.all(),
        colors=COLORS,
        source_colors=SOURCE_COLORS,
        typed=typed,
    )


async def change(request: Request) -> Response:
    """`do`: `start` a run, `pause`, `resume` or `cancel` the one with a `run`'s number; `fetch` from PostHog, or
    `pause-source`, `resume-source`, `dismiss-source`, `remove-source` the one with a `source`'s name."""
    form, service = await form_of(request), service_of(request)
    here, do = request.url.path, str(form.get("do", ""))
    try:
        if do == "start":
            return go(request, here, await _start(service, form))
        if do == "fetch":
            return go(request, here, await _fetch(service, form))
        return go(request, here, await _act(service, do, form))
    except CannotDo as error:
        if do not in {"start", "fetch"}:
            return go(request, here, str(error))
        names = ("connection", "source", "share", "older", "host", "project", "since")
        typed = {name: str(form.get(name, "")) for name in names}
        where = "problem" if do == "start" else "fetch_problem"
        return await _page(request, Typed(**typed, **{where: str(error)}))


async def _start(service: Service, form: FormData) -> str:
    source, older = str(form.get("source", "")).strip(), str(form.get("older", "")).strip()
    view = await service.history.start(
        str(form.get("connection", "")),
        source,
        share=whole_number(str(form.get("share", DEFAULT_SHARE)), "The share"),
        older_than_hours=whole_number(older, "The age in hours", 1_000_000) if older else 0,
        key=str(form.get("key", "")).strip(),
        since_ms=_day_ms(str(form.get("since", ""))),
    )
    if view.state == "finished":
        return f"Run {view.number} has delivered these files already. Nothing is sent."
    return f"Run {view.number} is {view.state}."


async def _fetch(service: Service, form: FormData) -> str:
    host, project, key = (str(form.get(name, "")).strip() for name in ("host", "project", "key"))
    if not project or not key:
        raise CannotDo("Enter the number of the project and a personal API key.")
    if form.get("how") == "once":
        try:
            where = address(host, project)
        except CannotRead as problem:
            raise CannotDo(str(problem)) from None
        since_ms = _day_ms(str(form.get("since", "")))
        view = await service.history.start(str(form.get("connection", "")), where, key=key, since_ms=since_ms)
        return f"Run {view.number} is {view.state}."
    added = await service.sources.add(host, project, key, since_ms=_day_ms(str(form.get("since", ""))))
    return source_sentences.added(added)


async def _act(service: Service, do: str, form: FormData) -> str:
    name = str(form.get("source", ""))
    match do:
        case "pause-source":
            await service.sources.pause(name)
            return source_sentences.paused(name)
        case "resume-source":
            await service.sources.resume(name)
            return source_sentences.resumed(name)
        case "dismiss-source":
            await service.sources.dismiss(name)
            return source_sentences.dismissed(name)
        case "remove-source":
            await service.sources.remove(name)
            return source_sentences.removed(name)
    number = whole_number(str(form.get("run", "")), "A run's number")
    match do:
        case "pause":
            view = await service.backfills.pause(number)
        case "resume":
            view = await service.backfills.resume(number)
        case _:
            view = await service.backfills.cancel(number)
    return f"Run {number} is {view.state}."


def _day_ms(text: str) -> int:
    """Raises `CannotDo`."""
    if not text.strip():
        return 0
    try:
        return int(datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1_000)
    except (ValueError, OverflowError):
        raise CannotDo("Write the day like 2026-01-31.") from None


ROUTES = [
    Route("/history", history, methods=["GET"], name="history"),
    Route("/history", change, methods=["POST"]),
]
