"""Destinations of other packages: found by their entry point, or left out with a sentence that names the package."""

from __future__ import annotations

import os
import subprocess
import sys
from copy import copy
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest
from msgspec.structs import replace

from hogline.destinations.base import PACE, InvalidOptions, Option
from hogline.destinations.catalogue import GROUP, Catalogue, find
from hogline.destinations.engage import ENGAGE
from hogline.destinations.missing import missing

SECRET = Option(key="api_key", title="API key", kind="text", secret=True, hint="")


def like_engage(**changes: object) -> object:
    made = copy(ENGAGE)
    for name, value in ({"key": "theirs", "options": (SECRET, PACE)} | changes).items():
        setattr(made, name, value)
    return made


def found(monkeypatch: pytest.MonkeyPatch, *offered: object) -> Catalogue:
    module = ModuleType("somebody_elses")
    for number, it in enumerate(offered):
        setattr(module, f"it{number}", it)
    monkeypatch.setitem(sys.modules, "somebody_elses", module)
    return find([EntryPoint("theirs", f"somebody_elses:it{number}", GROUP) for number in range(len(offered))])


def test_a_package_adds_its_destination_behind_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = found(monkeypatch, like_engage())
    assert list(catalogue.destinations) == ["customerio", "engage", "theirs"]
    assert not catalogue.problems


def option(**changes: object) -> tuple[Option, ...]:
    return (replace(SECRET, **changes), PACE)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"key": "customerio"}, "has a key that is taken: customerio"),
        ({"key": ""}, "needs a key of lowercase letters and digits"),
        ({"key": "two-words"}, "needs a key of lowercase letters and digits"),
        ({"key": 3}, "needs a key of lowercase letters and digits"),
        ({"options": None}, "needs a tuple of options"),
        ({"options": ("api_key", PACE)}, "needs a tuple of options"),
        ({"options": option(key="Api Key")}, "has an option whose key cannot be used: Api Key"),
        ({"options": option(key="json")}, "has an option whose key cannot be used: json"),
        ({"options": (SECRET, *option())}, "has an option whose key cannot be used: api_key"),
        ({"options": (SECRET,)}, "needs the option max_requests_per_second"),
        # Customer.io's API key is read from HOGLINE_API_KEY too, and would go to another company.
        ({"options": option(variables=("api_key",))}, "asks for environment variables that are not its own"),
        ({"key": "api", "options": option(key="key")}, "asks for environment variables that are not its own"),
        (
            {"request": lambda operations, options: None},  # as it was before requests had a time
            "was written for another version of Hogline, which calls request(operations, options, now_s)",
        ),
        (
            {"requests_per_second": 5},
            "was written for another version of Hogline, which calls requests_per_second(options)",
        ),
    ],
)
def test_one_that_cannot_be_used_is_left_out_and_named(
    changes: dict[str, object], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = found(monkeypatch, like_engage(**changes))
    assert list(catalogue.destinations) == ["customerio", "engage"]
    assert catalogue.problems == {
        "theirs": f"The destination 'theirs' of somebody_elses:it0 {problem}. Update or uninstall that package."
    }


def test_of_two_with_one_key_the_first_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    first = like_engage()
    catalogue = found(monkeypatch, first, like_engage())
    assert catalogue.destinations["theirs"] is first
    assert "has a key that is taken" in catalogue.problems["theirs"]


def test_an_object_that_is_no_destination_is_told_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nearly:
        def __getattr__(self, name: str) -> object:
            if name in {"check", "reasons"}:
                raise AttributeError
            return None

    assert "is not a destination: it has no check, reasons" in found(monkeypatch, Nearly()).problems["theirs"]


@pytest.mark.parametrize(
    "value", ["there_is_no_such_module:it", "hogline.destinations.catalogue:there_is_no_such_name"]
)
def test_a_package_that_cannot_be_loaded_is_named(value: str) -> None:
    assert "cannot be loaded" in find([EntryPoint("theirs", value, GROUP)]).problems["theirs"]


@pytest.mark.parametrize(
    ("why", "said"), [("", "The destination 'theirs' is not installed."), ("It is broken.", "It is broken.")]
)
def test_a_connection_of_a_destination_that_is_gone_says_why(why: str, said: str) -> None:
    stand_in = missing("theirs", why)
    assert stand_in.title == "theirs"
    with pytest.raises(InvalidOptions, match=said):
        stand_in.read_options({})


def broken_package(folder: Path) -> dict[str, str]:
    """The environment with a package as pip leaves it."""
    info = folder / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\ntheirs = there_is_no_such_module:it\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_a_broken_package_stops_no_command_and_is_named_by_those_for_connections(tmp_path: Path) -> None:
    environment = broken_package(tmp_path)
    sentence = (
        "hogline: The destination 'theirs' of theirs 1.0 cannot be loaded (ModuleNotFoundError). Update or uninstall "
        "that package.\n"
    )
    for command, told in ((["connections"], sentence), (["token"], "")):
        done = subprocess.run(
            [sys.executable, "-m", "hogline", *command, "--data", str(tmp_path / "data")],
            env=environment,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr.decode()) == (0, told)
