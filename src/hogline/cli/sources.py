"""hogline source (add, list, pause, resume, dismiss, remove): what Hogline gets by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.text import Text

from hogline.backfill.posthog import SCOPES
from hogline.cli.common import Common, Json, ask, moment, out, print_json
from hogline.cli.posthog import Host, Project, personal_key
from hogline.cli.spans import milliseconds
from hogline.service import CannotDo
from hogline.sources.kafka.client import TOPIC
from hogline.sources.kafka.library import NotSettings, read_settings
from hogline.views import source_sentences
from hogline.views.connections import SourceView

_DEFAULT = Common()

source = App(
    name="source",
    help="Get events without a webhook: from PostHog every few minutes, or from its Kafka all the time.",
)

Since = Annotated[
    datetime | None,
    Parameter(help="Also get what PostHog received since then, such as 2026-01-01 (UTC; default: from now on)."),
]
Name = Annotated[str, Parameter(help="The source's name, as in `hogline source list`.")]


add = App(name="add", help="Add a source, or change how it is reached: posthog, kafka.")
source.command(add)


@add.command
def posthog(
    *,
    host: Host = "eu",
    project: Project,
    name: Annotated[str, Parameter(help="A name for the source (default: posthog).")] = "",
    every: Annotated[str, Parameter(help="How often to fetch, from 1m to 24h.")] = "5m",
    since: Since = None,
    only_gaps: Annotated[
        bool, Parameter(negative="", help="Fetch only what a source that reads from Kafka missed.")
    ] = False,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Fetch from a project of PostHog: `hogline serve` asks for new events every few minutes.

    You need a personal API key with the scopes batch_export:read and batch_export:write; for a PostHog without file
    downloads, query:read. Set HOGLINE_POSTHOG_API_KEY, or type the key when asked. Hogline stores it, encrypted, until
    you remove the source. Run it again for the same project to change the key or the interval.
    """
    key = personal_key(SCOPES)
    every_s = milliseconds(every) // 1_000
    added = ask(
        common,
        lambda service: service.sources.add(
            host, project, key, name=name, every_s=every_s, since_ms=_ms(since), only_gaps=only_gaps
        ),
    )
    if json:
        print_json(added)
        return
    out.print(source_sentences.added(added), markup=False)
    _say_when_it_begins(added)


@add.command
def kafka(
    *,
    brokers: Annotated[str, Parameter(help="Such as kafka:9092; several separated by commas.")],
    project: Annotated[int, Parameter(help="The project number, from PostHog's address bar: /project/1.")],
    topic: Annotated[str, Parameter(help="The topic that PostHog writes its events to.")] = TOPIC,
    settings: Annotated[
        Path | None,
        Parameter(help="A file of librdkafka's settings, such as security.protocol and sasl.password."),
    ] = None,
    name: Annotated[str, Parameter(help="A name for the source (default: kafka).")] = "",
    since: Since = None,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Read the events of your own PostHog from its Kafka: `hogline serve` reads them all the time.

    The file has lines of name=value, or a JSON object. Hogline stores its content, encrypted, until you remove the
    source. Run the command again to change the settings, or if the topic was deleted and created again.
    """
    try:
        given = read_settings(_text(settings)) if settings is not None else {}
    except NotSettings as problem:
        raise CannotDo(str(problem)) from None
    added = ask(
        common,
        lambda service: service.sources.add_kafka(brokers, topic, project, given, name=name, since_ms=_ms(since)),
    )
    if json:
        print_json(added)
        return
    out.print(source_sentences.added(added), markup=False)
    _say_when_it_begins(added)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise CannotDo(f"Cannot read {file} ({why}).") from None


def _ms(since: datetime | None) -> int:
    return 0 if since is None else int((since if since.tzinfo else since.replace(tzinfo=UTC)).timestamp() * 1_000)


def _say_when_it_begins(added: SourceView) -> None:
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
    """Get nothing until you resume it. PostHog keeps what it receives meanwhile; Kafka keeps it for a while."""
    ask(common, lambda service: service.sources.pause(name))
    out.print(source_sentences.paused(name), markup=False)


@source.command
def resume(name: Name, /, *, common: Common = _DEFAULT) -> None:
    """Continue where it stopped."""
    ask(common, lambda service: service.sources.resume(name))
    out.print(source_sentences.resumed(name), markup=False)


@source.command
def dismiss(name: Name, /, *, common: Common = _DEFAULT) -> None:
    """Say nothing more about events that Kafka deleted before Hogline read them."""
    ask(common, lambda service: service.sources.dismiss(name))
    out.print(source_sentences.dismissed(name), markup=False)


@source.command
def remove(name: Name, /, *, common: Common = _DEFAULT) -> None:
    """Get nothing more, and delete the stored key or settings. Events that Hogline has stay."""
    ask(common, lambda service: service.sources.remove(name))
    out.print(source_sentences.removed(name), markup=False)


_COLORS = {"fetching": "green", "reading": "green", "stopped": "red", "retrying": "yellow", "waiting": "yellow"}


def shown(one: SourceView) -> list[Text]:
    """A source in a few lines."""
    color = _COLORS.get(one.state, "dim")
    title = Text(one.name, style="bold").append(f"  {one.state.replace('_', ' ')}", style=f"not bold {color}")
    every = f", every {source_sentences.span(one.every_s)}" if one.every_s else ""
    title.append(f"  {one.address}{every}", style="not bold dim")
    lines = [title]
    if one.reason:
        lines.append(Text(f"  {one.reason}", style=color))
    if one.state != "standby":
        how = ", by its query API" if one.by == "queries" else ""
        whose = "Hogline" if one.ours else "PostHog"
        lines.append(Text(f"  {one.settled:,} events, all that {whose} received until {moment(one.up_to_ms)}{how}"))
    if one.behind:
        lines.append(Text(f"  {one.behind:,} records not read yet"))
    if one.unreadable:
        lines.append(Text(f"  {one.unreadable:,} records without an event", style="yellow"))
    if one.missed:
        lines.append(Text(f"  {one.missed}", style="red"))
    if one.refetched:
        lines.append(Text(f"  {one.refetched}", style="yellow"))
    return lines
