"""Rendering: a template with what every page shows around its own part, and where a browser goes next.

Everything that a template is given is shown as text (autoescape). Knows no particular page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hogline import __version__, reasons
from hogline.console.context import actor_of, console_of, service_of, session_of
from hogline.console.once import FIELD, number
from hogline.destinations.catalogue import destination_of
from hogline.escaping import escaped_lines
from hogline.service.rights import may
from hogline.store.base import Unusable, Unwritable
from hogline.store.datadir.roles import Role

PART = "x-part"
"""What static/updates.js asks with: it takes parts of the page, or is led to another."""
GO_TO = "x-go-to"
THEMES = ("system", "light", "dark")
SECTIONS = (
    ("overview", "Overview"),
    ("people", "People"),
    ("events", "Events"),
    ("live", "Live"),
    ("failures", "Failures"),
    ("try", "Try it"),
    ("settings", "Settings"),
)
"""Of a connection: the name of each page's route, and what navigation calls it."""
NEEDS = {"settings": "connections.configure"}
"""Of a section, what only some may do and it is for."""

COLORS = {"delivering": "good", "retrying": "warn", "stopped": "bad", "paused": "off", "not_running": "off"}
STATES = {state: (COLORS[state], word) for state, word in reasons.STATES.items()}
"""A connection's states: the color and the word."""


def _harmless(value: object) -> object:
    """Text from outside cannot turn a line of the page around, or hide in it. What is to come back as it was, as a
    field's value, goes through `exact`.
    """
    return escaped_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    finalize=_harmless,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def part(request: Request, template: str, **context: object) -> Markup:
    """A piece of a page that is the same for everyone who may see it."""
    around = {"path": request.url.path, "url_for": _url_for(request), "destination_of": destination_of}
    return Markup(_environment.get_template(template).render(around | context))  # noqa: S704  # made by the template


async def page(request: Request, template: str, *, status: int = 200, **context: object) -> HTMLResponse:
    """The page. A connection's page gives its context that `connection`, and its route's name as `section`."""
    console = console_of(request)
    session = session_of(request)
    signed_in = session is not None
    role = actor_of(request).role if signed_in else None
    around = {
        "asset": console.assets.url,
        "version": __version__,
        "theme": theme_of(request),
        "signed_in": signed_in,
        "account": session.account if session is not None else None,
        "by_proxy": session is not None and session.by_proxy,
        "may": lambda function: role is not None and may(role, function),
        "path": request.url.path,
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "said": console.sessions.said(request) if signed_in else "",
        "connection": None,
        "section": "",
        "connections": await _connections(request) if signed_in else (),
        "once": lambda: Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, number()),
        "sections": [(name, title) for name, title in SECTIONS if _exists(request, name) and _leads(role, name)],
        "states": STATES,
        "destination_of": destination_of,
        "url_for": _url_for(request),
    }
    text = _environment.get_template(template).render(around | context)
    response = HTMLResponse(text, status)
    if around["said"]:
        response.delete_cookie("hogline_said")
    # A page that refreshes itself is no use of it.
    if session is not None and PART not in request.headers:
        console.sessions.renew(response, session)
    return response


def _url_for(request: Request) -> Callable[..., str]:
    # Pages have hundreds of links. Starlette's own function looks through all routes for each.
    named = request.app.state.named
    return lambda route, /, **parameters: str(named[route].url_path_for(route, **parameters))


async def _connections(request: Request) -> object:
    try:
        return await service_of(request).connections.all()
    except (Unusable, Unwritable):
        return ()  # the page itself says so


def _leads(role: Role | None, section: str) -> bool:
    """Whether somebody of that role gets anywhere there."""
    return section not in NEEDS or (role is not None and may(role, NEEDS[section]))


def _exists(request: Request, section: str) -> bool:
    return section in request.app.state.named


def theme_of(request: Request) -> str:
    theme = request.cookies.get("hogline_theme", "")
    return theme if theme in THEMES else "system"


def go(request: Request, to: str, say: str = "") -> Response:
    """Go to another page after a form was accepted; that page shows the sentence. A script goes there too."""
    is_script = PART in request.headers
    response = Response(status_code=204, headers={GO_TO: to}) if is_script else RedirectResponse(to, 303)
    return _saying(request, response, say)


def again(request: Request, to: str, say: str = "") -> Response:
    """Reload a page after a form was accepted; a script picks the parts that are shown."""
    return _saying(request, RedirectResponse(to, 303), say)


def _saying(request: Request, response: Response, say: str) -> Response:
    if say:
        console_of(request).sessions.say(response, say)
    return response


def own_path(text: str) -> str:
    """The path, if it is one of the console's; else home. So no form sends anybody elsewhere."""
    url = URL(text)
    safe = text.startswith("/") and not text.startswith(("//", "/\\")) and not url.scheme and text.isprintable()
    return text if safe else "/"


def sign_in_path(request: Request) -> str:
    """Where to sign in, and come back from."""
    path = request.url.path if request.method == "GET" else "/"
    query = f"?{request.url.query}" if request.method == "GET" and request.url.query else ""
    return "/sign-in" if path == "/" and not query else f"/sign-in?next={quote(path + query, safe='')}"


def _number(value: float) -> str:
    return f"{value:,}"


def _time(milliseconds: int) -> Markup:
    """A moment: UTC as it is written here, the viewer's own time once console.js has seen it."""
    try:
        moment = datetime.fromtimestamp(milliseconds / 1_000, UTC)
    except (ValueError, OverflowError, OSError):
        return Markup("<span>out of range</span>")
    return Markup('<time datetime="{}">{}</time>').format(
        moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"), f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    )


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{round(seconds * 1_000):,} ms"
    for below, unit_s, unit in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < below:
            return f"{seconds / unit_s:.{int(unit != 'min')}f}".removesuffix(".0") + f" {unit}"
    return f"{seconds / 86_400:,.0f} days"


def _share(part: float, whole: float) -> str:
    """In percent. What is not nothing is not shown as nothing, and what is not all not as all."""
    if not whole:
        return "\N{EN DASH}"
    percent = 100 * part / whole
    if part and percent < 0.1:
        return "< 0.1%"
    if part < whole and percent > 99.9:
        return "> 99.9%"
    return f"{percent:.1f}".removesuffix(".0") + "%"


def _rate(n: float, seconds: float) -> str:
    for unit_s, unit in ((1, "second"), (60, "minute"), (3_600, "hour")):
        if n / seconds * unit_s >= 1:
            return f"{n / seconds * unit_s:,.1f}".removesuffix(".0") + f" per {unit}"
    return f"{n / seconds * 86_400:,.1f}".removesuffix(".0") + " per day"


def _code(sentence: str) -> Markup:
    """What stands between backticks as code."""
    parts = re.split("`([^`]+)`", escaped_lines(sentence))
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(part) if place % 2 else part for place, part in enumerate(parts))


_environment.filters |= {
    "code": _code, "number": _number, "time": _time, "exact": escape, "duration": _duration, "share": _share,
    "rate": _rate,
}  # fmt: skip
