"""A mistake on the command line in one sentence: what is wrong, and what to write instead."""

from __future__ import annotations

import shlex
from inspect import signature

from cyclopts import CoercionError, CycloptsError, MissingArgumentError, UnusedCliTokensError, ValidationError

_KINDS = {int: "a whole number", float: "a number"}


def sentence_of(error: CycloptsError, typed: list[str]) -> str:
    """`typed`: the command's arguments."""
    command = " ".join(["hogline", *(error.command_chain or ())])
    return f"{_sentence(error, command, typed)} See `{command} --help`."


def _sentence(error: CycloptsError, command: str, typed: list[str]) -> str:
    match error:
        case MissingArgumentError():
            return _missing(error, command, typed)
        case UnusedCliTokensError(unused_tokens=[first, *_]):
            return f"Unexpected: {shlex.quote(first)}.{_swallowed(first, typed)}"
        case CoercionError(target_type=kind, token=token) if kind in _KINDS and token is not None and token.keyword:
            return f"{token.keyword} must be {_KINDS[kind]}."
        case ValidationError():
            return error.exception_message
        case _:
            return " ".join(str(error).split())


def _missing(error: MissingArgumentError, command: str, typed: list[str]) -> str:
    option = error.keyword
    if option is None or option not in typed:
        assert error.argument is not None  # nothing else can be missing
        needed = _needed(error) or [error.argument.name]
        return f"`{command}` needs {' and '.join(needed)}."
    after = typed[typed.index(option) + 1 :]
    if after and after[0].startswith("-"):
        return f"{option} needs a value. If the value is {after[0]}, write {option}={shlex.quote(after[0])}."
    return f"{option} needs a value."


def _needed(error: MissingArgumentError) -> list[str]:
    """All arguments without a name that a command must have, in their order."""
    if error.argument is None or not error.argument.field_info.is_positional or error.target is None:
        return []
    parameters = signature(error.target).parameters.values()
    needed = [each for each in parameters if each.kind is each.POSITIONAL_ONLY and each.default is each.empty]
    return [each.name.strip("_").upper() for each in needed]


def _swallowed(left: str, typed: list[str]) -> str:
    """An option without a value took the next option for it, so that option's value is left over."""
    before = typed[: typed.index(left)][-2:] if left in typed else []
    if len(before) == 2 and all(one.startswith("--") for one in before):
        return f" {before[0]} has no value in front of {before[1]}."
    return ""
