"""What the command line offers is what there is."""

from dataclasses import fields
from typing import get_args, get_type_hints

import pytest

from hogline.cli.app import COMMANDS, app
from hogline.cli.connections import AnonymousUsers, CustomerIoOptions
from hogline.destinations.customerio import CUSTOMERIO


def test_every_option_of_a_connection_can_be_given_and_no_other() -> None:
    assert [field.name for field in fields(CustomerIoOptions)] == [option.key for option in CUSTOMERIO.options]


def test_the_choices_are_the_destinations() -> None:
    (choices,) = [option.choices for option in CUSTOMERIO.options if option.key == "anonymous_users"]
    assert set(get_args(AnonymousUsers)) == {choice.value for choice in choices}


def test_what_is_not_given_is_left_to_the_destination() -> None:
    assert CustomerIoOptions().given() == {}
    assert CustomerIoOptions(identify_by_email=False, event_allowlist="").given() == {
        "identify_by_email": False,
        "event_allowlist": "",
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_says_what_it_is_for(name: str) -> None:
    assert app[name].help


def test_every_command_names_its_types() -> None:
    for name in COMMANDS:
        command = app[name].default_command
        if command is not None:
            assert get_type_hints(command)["return"] is type(None)
