"""What the command line offers is what there is."""

from collections.abc import Mapping
from dataclasses import fields
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import get_type_hints

import pytest
from msgspec.structs import replace
from rich.console import Console

from hogline.cli import connections
from hogline.cli.app import COMMANDS, app
from hogline.cli.options import given, options_type, variables
from hogline.destinations.base import Option
from hogline.destinations.catalogue import DESTINATIONS
from hogline.service import CannotDo
from hogline.settings import Settings

SECRETS = [(sort, option) for sort in DESTINATIONS.values() for option in sort.options if option.secret]


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_every_destination_can_be_connected_with_its_options_and_no_other(destination: str) -> None:
    sort = DESTINATIONS[destination]
    assert destination in connections.connect
    offered = [field.name for field in fields(options_type([sort], imports=True))]
    assert offered == [*(option.key for option in sort.options), *sort.imports]


def test_every_option_of_any_connection_can_be_changed() -> None:
    offered = [field.name for field in fields(options_type(DESTINATIONS.values()))]
    assert sorted(offered) == sorted({option.key for sort in DESTINATIONS.values() for option in sort.options})


def test_what_is_not_given_is_left_to_the_destination() -> None:
    kind = options_type(DESTINATIONS.values())
    assert given(kind()) == {}
    assert given(kind(event_allowlist="", identify_by_email=False)) == {
        "identify_by_email": False,
        "event_allowlist": "",
    }


def test_every_secret_has_variables_of_its_own_and_none_is_a_setting() -> None:
    names = [variable for sort, option in SECRETS for variable in variables(sort, option)]
    assert len(set(names)) == len(names)
    assert not {name.removeprefix("HOGLINE_").lower() for name in names} & set(Settings.model_fields)


def test_another_destination_with_an_option_of_that_name_gets_no_secret_of_this_one() -> None:
    ours = next(option for sort, option in SECRETS if sort.key == "customerio")

    class Another:
        key = "another"

    theirs: Option = replace(ours, variables=())
    mine = variables(DESTINATIONS["customerio"], ours)
    assert not set(variables(Another(), theirs)) & set(mine)  # type: ignore[arg-type]  # only its key is asked for


class Asked:
    """Instead of a service: what it was asked to connect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.options: Mapping[str, object] = {}
        monkeypatch.setattr(connections, "ask", self._ask)

    def _ask(self, _: object, call: object) -> object:
        assert callable(call)
        call(SimpleNamespace(connections=self))
        raise CannotDo("Enough.")

    def add(self, _: str, options: Mapping[str, object], **__: object) -> None:
        self.options = options


@pytest.mark.parametrize(
    ("destination", "given_there", "expected"),
    [
        ("customerio", "SITE_ID", {"site_id": "from the environment"}),
        ("customerio", "API_KEY", {"api_key": "from the environment"}),
        ("customerio", "CUSTOMERIO_API_KEY", {"api_key": "from the environment"}),
        ("engage", "ENGAGE_PUBLIC_KEY", {"public_key": "from the environment"}),
        ("engage", "ENGAGE_SECRET_KEY", {"secret_key": "from the environment"}),
        ("engage", "SITE_ID", {}),
        ("customerio", "ENGAGE_SECRET_KEY", {}),
        ("engage", "SECRET_KEY", {}),
    ],
)
def test_a_credential_may_come_from_the_environment_but_only_the_right_one(
    destination: str,
    given_there: str,
    expected: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    asked = Asked(monkeypatch)
    file = tmp_path / "file"
    file.write_text("from the environment\n")
    for variable, value in ((given_there, "from the environment"), (f"{given_there}_FILE", str(file))):
        with monkeypatch.context() as environment:
            environment.setenv(f"HOGLINE_{variable}", value)
            with pytest.raises(CannotDo):
                app(["connect", destination], exit_on_error=False, print_error=False)
        assert asked.options == expected


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_says_what_it_is_for(name: str) -> None:
    assert app[name].help


def test_every_command_names_its_types() -> None:
    for name in COMMANDS:
        command = app[name].default_command
        if command is not None:
            assert get_type_hints(command)["return"] is type(None)


def test_a_paragraph_of_help_fills_the_width() -> None:
    console = Console(file=StringIO(), width=80, force_terminal=False)
    app.help_print("backfill", console=console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "they are delivered next to live events, which go first." in said
