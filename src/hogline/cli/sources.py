"""hogline source (add, list, pause, resume, remove): what Hogline fetches by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.text import Text

from hogline.backfill.posthog import SCOPES
from hogline.cli.common import Common, Json, ask, moment, out, print_json
from hogline.cli.posthog import Host, Project, personal_key
from hogline.cli.spans import milliseconds
from hogline.views.connections import SourceView

_DEFAULT = Common()

source = App(
    name="source",
    help="Fetch events from PostHog every few minutes, without a webhook: add a source, list, pause, resume, remove.",
)

Name = Annotated[str, Parameter(help="The source's name, as in `hogline source list`.")]


@source.command
def add(
    kind: Annotated[Literal["posthog"], Parameter(help="Where from: posthog.")],
    /,
    *,
    host: Host = "eu",
    project: Project,
    name: Annotated[str, Parameter(help="A name for the source (default: posthog).")] = "",
    every: Annotated[str, Parameter(help="How often to fetch, from 1m to 24h.")] = "5m",
    since: Annotated[
        datetime | None,
        Parameter(help="Also fetch what PostHog received since then, such as 2026-01-01 (UTC; default: from now on)."),
    ] = None,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Fetch from a project of PostHog: `hogline serve` asks for new events every few minutes.

    You need a personal API key with the scopes batch_export:read and batch_export:write; for a PostHog without file
    downloads, query:read. Set HOGLINE_POSTHOG_API_KEY, or type the key when asked. Hogline stores it, encrypted, until
    you remove the source. Run it again for the same project to change the key or the interval.
    """
    del kind
    key = personal_key(SCOPES)
    since_ms = 0 if since is None else int((since if since.tzinfo else since.replace(tzinfo=UTC)).timestamp() * 1_000)
    every_s = milliseconds(every) // 1_000
    added = ask(
        common,
        lambda service: service.sources.add(host, project, key, name=name, every_s=every_s, since_ms=since_ms),
    )
    if json:
        print_json(added)
    else:
        out.print(
            f"{added.name} fetches from {added.address} every {span(added.every_s)}, what PostHog received since "
            f"{moment(added.up_to_ms)}.",
            markup=False,
        )
        if added.state == "not_running":
            out.print("It begins when `hogline serve` runs.")


@source.command(name="list")
def list_(*, json: Json = False, common: Common = _DEFAULT) -> None:
    """List all sources: the state of each, and how far it is."""
    found = ask(common, lambda service: service.sources.all())
    if json:
        print_json({"sources": found})
    elif not found:
        out.print("No sources yet. Add one with `hogline source add posthog`.")
    for one in [] if json else found:
        for line in shown(one):
            out.print(line)


@source.command
def pause(name: Name, /, *, common: Common = _DEFAULT) -> None:
    """Fetch nothing until you resume it. PostHog keeps what it receives meanwhile."""
    ask(common, lambda service: service.sources.pause(name))
    out.print(f"{name} is paused.", markup=False)


@source.command
def resume(name: Name, /, *, common: Common = _DEFAULT) -> None:
    """Fetch again, from where it stopped."""
    ask(common, lambda service: service.sources.resume(name))
    out.print(f"{name} fetches again.", markup=False)


@source.command
def remove(name: Name, /, *, common: Common = _DEFAULT) -> None:
    """Fetch nothing more, and delete the stored key. Events that were fetched stay."""
    ask(common, lambda service: service.sources.remove(name))
    out.print(f"{name} is removed, and its key is deleted.", markup=False)


_COLORS = {"fetching": "green", "retrying": "yellow", "waiting": "yellow"}


def shown(one: SourceView) -> list[Text]:
    """A source in a few lines."""
    color = _COLORS.get(one.state, "dim")
    title = Text(one.name, style="bold").append(f"  {one.state.replace('_', ' ')}", style=f"not bold {color}")
    title.append(f"  {one.address}, every {span(one.every_s)}", style="not bold dim")
    lines = [title]
    if one.reason:
        lines.append(Text(f"  {one.reason}", style=color))
    how = {"queries": ", by its query API", "exports": "", "": ""}[one.by]
    lines.append(Text(f"  {one.settled:,} events, all that PostHog received until {moment(one.up_to_ms)}{how}"))
    return lines


def span(seconds: int) -> str:
    """Such as 5m."""
    for unit_s, unit in ((3_600, "h"), (60, "m")):
        if seconds % unit_s == 0:
            return f"{seconds // unit_s}{unit}"
    return f"{seconds}s"
