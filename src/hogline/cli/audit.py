"""hogline audit: who did what, when, from where."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from hogline.cli.common import Common, moment, out, print_json_line, run, table_of
from hogline.runtime.wiring import service_for
from hogline.service import CannotDo
from hogline.service.audit_sentences import what_was_done
from hogline.service.auditing import AuditView
from hogline.store.audit import Wanted

_DEFAULT = Common()
_PAGE = 1_000


def audit(
    *,
    limit: Annotated[int, Parameter(help="Show this many of the newest entries. --json prints all.")] = 50,
    since: Annotated[
        str, Parameter(help="Only from this time on, e.g. 2026-11-01T00:00Z. UTC unless you give a time zone.")
    ] = "",
    after: Annotated[int, Parameter(help="With --json: continue after the entry with this number.")] = 0,
    who: Annotated[str, Parameter(help="Only this account, API token or system user.")] = "",
    action: Annotated[str, Parameter(help="Only this action, e.g. person_seen.")] = "",
    connection: Annotated[str, Parameter(help="Only about this connection.")] = "",
    person: Annotated[str, Parameter(help="Only about this distinct_id or email.")] = "",
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON lines, oldest first.")] = False,
    common: Common = _DEFAULT,
) -> None:
    """Show who did what, when and from where. `hogline audit --json > audit.jsonl` exports it."""
    since_ms = read_moment(since, "--since") if since else 0
    wanted = Wanted(who=who, action=action, connection=connection, person=person, since_ms=since_ms)

    async def work() -> None:
        async with service_for(common.settings()) as service:
            if not json:
                _print(await service.audit.newest(wanted, limit=limit))
                return
            last = after
            while page := await service.audit.since(wanted, after=last, limit=_PAGE):
                last = page[-1].number
                for entry in page:
                    print_json_line(entry)

    run(work())


def _print(found: list[AuditView]) -> None:
    if not found:
        out.print("No entries.")
        return
    table = table_of("when", "who", "from", "what")
    for entry in found:
        who = Text(entry.who)
        if entry.kind == "token":
            who.append(" (API token)", style="dim")
        what = what_was_done(entry.action, entry.connection, entry.details)
        table.add_row(moment(entry.at_ms), who, Text(entry.address or "command line"), Text(what))
    out.print(table)


def read_moment(text: str, option: str) -> int:
    """A date and time, UTC unless it says otherwise, in milliseconds since 1970. Raises `CannotDo`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CannotDo(f"{option} must be a date and time such as 2026-11-01T00:00Z.") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1_000)
