"""What the command line offers is what there is."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from hogline.cli import connections
from hogline.cli.app import COMMANDS, app
from hogline.cli.connections import (
    ENVIRONMENT,
    AnonymousUsers,
    AttributesFrom,
    CustomerIoOptions,
    DestinationKey,
    EitherOptions,
    EngageOptions,
    given,
)
from hogline.destinations.catalogue import DESTINATIONS
from hogline.service import Mistake

OPTIONS = {"customerio": CustomerIoOptions, "engage": EngageOptions}


def test_every_destination_can_be_connected() -> None:
    assert get_args(DestinationKey) == tuple(DESTINATIONS) == tuple(OPTIONS)


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_every_option_of_a_connection_can_be_given_and_no_other(destination: str) -> None:
    offered = [field.name for field in (*fields(OPTIONS[destination]), *fields(EitherOptions))]
    assert sorted(offered) == sorted(option.key for option in DESTINATIONS[destination].options)


@pytest.mark.parametrize(("key", "offered"), [("anonymous_users", AnonymousUsers), ("attributes_from", AttributesFrom)])
def test_the_choices_are_the_destinations(key: str, offered: object) -> None:
    (choices,) = [option.choices for option in DESTINATIONS["customerio"].options if option.key == key]
    assert get_args(offered) == tuple(choice.value for choice in choices)


def test_what_is_not_given_is_left_to_the_destination() -> None:
    assert given(EitherOptions(), CustomerIoOptions(), EngageOptions()) == {}
    assert given(EitherOptions(event_allowlist=""), CustomerIoOptions(identify_by_email=False), EngageOptions()) == {
        "identify_by_email": False,
        "event_allowlist": "",
    }


def test_every_credential_has_a_variable_of_its_own_and_none_is_a_setting() -> None:
    secrets = [option.key for sort in DESTINATIONS.values() for option in sort.options if option.secret]
    assert sorted(ENVIRONMENT) == sorted(secrets)
    assert len(set(ENVIRONMENT.values())) == len(secrets)
    assert "secret_key" not in ENVIRONMENT.values()


class Asked:
    """Instead of a service: what it was asked to connect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.options: Mapping[str, object] = {}
        monkeypatch.setattr(connections, "ask", self._ask)

    def _ask(self, _: object, call: object) -> object:
        assert callable(call)
        call(self)
        raise Mistake("Enough.")

    def connect(self, _: str, options: Mapping[str, object], **__: object) -> None:
        self.options = options


@pytest.mark.parametrize(
    ("destination", "given_there", "expected"),
    [
        ("customerio", "SITE_ID", {"site_id": "from the environment"}),
        ("customerio", "API_KEY", {"api_key": "from the environment"}),
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
            with pytest.raises(Mistake):
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
