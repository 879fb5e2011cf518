"""Mistakes on the command line: one sentence that says what to write instead."""

from __future__ import annotations

import shlex
import sys

import pytest

from hogline.cli.app import app, main


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("audit --who -x", "--who needs a value. If the value is -x, write --who=-x."),
        ("replay shop --events '-$ai_*'", "If the value is -$ai_*, write --events='-$ai_*'."),
        ("events --person --json", "--person needs a value. If the value is --json, write --person=--json."),
        ("audit --who", "--who needs a value. See `hogline audit --help`."),
        ("people show", "`hogline people show` needs CONNECTION and DISTINCT_ID. See `hogline people show --help`."),
        ("audit extra", "Unexpected: extra. See `hogline audit --help`."),
        ("pause shop 'two words'", "Unexpected: 'two words'."),
        ("configure shop --events --data folder", "Unexpected: folder. --events has no value in front of --data."),
        ("audit --limit many", "--limit must be a whole number."),
        ("send --as-it-come", "Unknown option: --as-it-come. For a file with this name, write ./--as-it-come."),
        ("events --conection x", "Unknown option: --conection. Did you mean --connection?"),
        ("nothing", 'Unknown command "nothing".'),
        ("connect customerio --max-requests-per-second fast", "--max-requests-per-second must be a whole number."),
    ],
)
def test_a_mistake_says_what_to_write(
    typed: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hogline", *shlex.split(typed)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("hogline: ")
    assert sentence in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("events", [["--events=-$ai_*"], ["--events", "-$ai_*"]])
def test_an_option_of_a_connection_may_begin_with_a_hyphen(events: list[str]) -> None:
    _, bound, _ = app.parse_args(["configure", "shop", *events], exit_on_error=False, print_error=False)
    assert "-$ai_*" in str(bound.arguments)
