"""hogline workers."""

from __future__ import annotations

from rich.table import Table

from hogline.cli.common import Common, Json, moment, out, print_json, run
from hogline.core.lanes import LANES
from hogline.service import CannotDo
from hogline.store.opening import workers as workers_of
from hogline.store.shared import Worker, Workers

_DEFAULT = Common()


def workers(*, json: Json = False, common: Common = _DEFAULT) -> None:
    """Show which processes share the store, who delivers how much, and how far behind each connection is."""
    settings = common.settings()
    if settings.shared is None or settings.secret_key is None:
        raise CannotDo("Only a store in PostgreSQL is shared by several processes. Set HOGLINE_STORE.")
    found = run(workers_of(settings.shared, settings.secret_key.get_secret_value()))
    if json:
        print_json(found)
        return
    if found.workers:
        out.print(_table(found))
    else:
        out.print("No process uses this store now. Start `hogline serve`.")
    for one in found.connections:
        waits = f", the oldest for {one.lag_s:,.0f} s" if one.pending else ""
        out.print(f"{one.connection}: {one.pending:,} pending{waits}", markup=False)


def _table(found: Workers) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("role", "host", "process", "version", "since", ""):
        table.add_column(title)
    for one in found.workers:
        role = one.role
        table.add_row(role, one.host, str(one.pid), one.version, moment(one.began_ms), _doing(one))
    return table


def _doing(one: Worker) -> str:
    if not one.alive:
        return f"no sign of life for {one.seen_s:,.0f} s"
    carries = f"delivers {one.lanes} of {LANES} lanes" if one.lanes else "stands by"
    if one.owns:
        return f"{carries}, owns the store"
    if one.role == "deliver":
        return carries
    return one.address
