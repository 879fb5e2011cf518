"""hogline connect, configure, check, connections, pause, resume, disconnect."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from getpass import getpass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from cyclopts import App, Parameter

from hogline.cli.common import Common, Failed, Json, ask, err, out, print_json, table_of
from hogline.cli.options import given, options_type, secret_from_environment, variables
from hogline.destinations.base import Destination, Importer, InvalidOptions
from hogline.destinations.catalogue import DESTINATIONS, PROBLEMS
from hogline.destinations.given import modern
from hogline.reasons import state_word
from hogline.service import CannotDo

_DEFAULT = Common()
MOST_IMPORTED_BYTES = 1_000_000

connect = App(
    name="connect",
    help="Install a destination: check its credentials and send it all new events.",
)


def _connect_command(destination: Destination[Any]) -> Callable[..., None]:
    kind = options_type([destination], imports=True)

    def command(
        *,
        options: Any = kind(),  # noqa: ANN401, B008  # made from the declaration
        name: Annotated[str, Parameter(help="What to call the connection (default: the destination's key).")] = "",
        paused: Annotated[
            bool, Parameter(negative="", help="Do not send yet. Events are kept until you run `hogline resume`.")
        ] = False,
        enable: Annotated[bool, Parameter(show=False)] = True,  # the older name of --paused is --no-enable
        json: Json = False,
        common: Common = _DEFAULT,
    ) -> None:
        chosen = _with_secrets(destination, _with_imports(destination, given(options)))
        made = ask(
            common,
            lambda service: service.connections.add(destination.key, chosen, name=name, paused=paused or not enable),
        )
        if json:
            print_json(made)
        else:
            out.print(f"[bold]{made.name}[/] is connected{', but paused' if made.paused else ''}.")
            if not made.paused:
                out.print("Next, give PostHog the URL from `hogline token`, and keep `hogline serve` running.")
            else:
                out.print(f"Run `hogline resume {made.name}` to start sending. Until then, events are kept.")

    command.__doc__ = destination.summary
    command.__annotations__ = get_type_hints(command, include_extras=True) | {"options": kind}
    return command


for problem in PROBLEMS.values():
    err.print(f"hogline: {problem}", style="yellow", markup=False, soft_wrap=True)
for each in DESTINATIONS.values():
    connect.command(_connect_command(each), name=each.key)


def _with_secrets(destination: Destination[Any], options: dict[str, Any]) -> dict[str, Any]:
    """The options, with secrets that were not given taken from the environment, or asked for at a terminal."""
    for option in destination.options:
        if option.secret and option.key not in options:
            if value := secret_from_environment(destination, option):
                options[option.key] = value
            elif sys.stdin.isatty():
                options[option.key] = getpass(f"{option.title}: ")
    return options


def _with_imports(destination: Destination[Any], options: dict[str, Any]) -> dict[str, Any]:
    """The options over those of a file of another tool, if one was named. Says what the file does not give."""
    for key, importer in destination.imports.items():
        file: Path | None = options.pop(key, None)
        if file is not None:
            options |= _imported(file, importer, destination, options)
    return options


def _imported(
    file: Path, importer: Importer, destination: Destination[Any], options: Mapping[str, object]
) -> dict[str, object]:
    try:
        with file.open("rb") as stream:
            text = stream.read(MOST_IMPORTED_BYTES)
    except OSError as error:
        raise CannotDo(f"{file} cannot be read: {error.strerror}.") from None
    try:
        imported = importer.read(text, modern(destination.options, options))
    except InvalidOptions as invalid:
        raise CannotDo(f"{file}: {invalid}") from None
    if imported.ignored:
        names = ", ".join(key[:50] for key in imported.ignored[:20])
        err.print(f"{file}: ignored, because {importer.tool} has no such keys: {names}", style="yellow", markup=False)
    for note in imported.notes:
        err.print(f"{file}: {note}", style="yellow", markup=False)
    declared = {option.key: option for option in destination.options}
    for hidden, key in imported.hidden.items():
        if not secret_from_environment(destination, declared[key]):
            flag, variable = key.replace("_", "-"), variables(destination, declared[key])[-1]
            err.print(
                f"{file}: PostHog hides {hidden}. Set {variable} or {variable}_FILE, or use --{flag}.",
                style="yellow",
                markup=False,
            )
    return imported.options


_EveryOption = options_type(DESTINATIONS.values())


def configure(
    name: str,
    /,
    *,
    options: Any = _EveryOption(),  # noqa: ANN401, B008  # made from the declarations
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Change options of a connection. Options you leave out stay as they are; --events "" clears the list."""
    changed = ask(common, lambda service: service.connections.configure(name, given(options)))
    if json:
        print_json(changed)
    else:
        out.print(f"Changed [bold]{changed.name}[/].")
        for note in changed.notes:
            out.print(note, markup=False)


configure.__annotations__ = get_type_hints(configure, include_extras=True) | {"options": _EveryOption}


def check(name: str, /, *, json: Json = False, common: Common = _DEFAULT) -> None:
    """Check whether the destination accepts the credentials. If not, say what to do."""
    found = ask(common, lambda service: service.connections.check(name))
    if json:
        print_json(found)
    else:
        out.print(found.sentence, style="" if found.ok else "red", markup=False)
    if not found.ok:
        raise Failed


def connections(*, json: Json = False, common: Common = _DEFAULT) -> None:
    """List connections and their options. Secrets are never shown."""
    found = ask(common, lambda service: service.connections.all())
    if json:
        print_json({"connections": found})
        return
    if not found:
        out.print("No connections yet. Create one with `hogline connect`.")
        return
    table = table_of("name", "destination", "state", "options")
    for connection in found:
        options = ", ".join(f"{key}={value}" for key, value in connection.options.items()) or "defaults"
        table.add_row(connection.name, connection.destination, state_word(connection.state), options)
    out.print(table)
    for connection in found:
        if connection.reason and connection.state != "not_running":
            out.print(f"{connection.name}: {connection.reason}", markup=False)


def pause(name: str, /, *, common: Common = _DEFAULT) -> None:
    """Stop sending. New events are kept until you run `hogline resume`."""
    ask(common, lambda service: service.connections.pause(name))
    out.print(f"Paused [bold]{name}[/]. New events are kept until you resume it.")


def resume(
    name: str,
    /,
    *,
    from_now_on: Annotated[
        bool, Parameter(negative="", help="Leave out the events that arrived while it was paused.")
    ] = False,
    common: Common = _DEFAULT,
) -> None:
    """Check the credentials and continue sending where the connection left off."""
    ask(common, lambda service: service.connections.resume(name, from_now_on=from_now_on))
    out.print(f"Resumed [bold]{name}[/].")


def rename(name: str, to: str, /, *, common: Common = _DEFAULT) -> None:
    """Give a connection another name. It keeps everything else."""
    ask(common, lambda service: service.connections.rename(name, to))
    out.print(f"Renamed {name} to [bold]{to}[/].")


def duplicate(name: str, to: str = "", /, *, common: Common = _DEFAULT) -> None:
    """Create a paused connection with the same options and credentials. It starts with the next event."""
    made = ask(common, lambda service: service.connections.duplicate(name, to))
    out.print(f"Created [bold]{made.name}[/], paused. Change its options, then run `hogline resume {made.name}`.")


def disconnect(name: str, /, *, common: Common = _DEFAULT) -> None:
    """Delete a connection and everything it knows about people. The destination keeps what it already has."""
    ask(common, lambda service: service.connections.remove(name))
    out.print(f"Disconnected [bold]{name}[/].")
