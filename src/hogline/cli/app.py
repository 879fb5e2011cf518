"""The `hogline` command and its errors: one sentence on standard error and an exit code.

0: success. 1: the command failed, or `send` had failures or unreadable lines. 2: usage error.
"""

from __future__ import annotations

import sys

from cyclopts import App, CycloptsError, Parameter

from hogline import __version__
from hogline.cli.common import Failed
from hogline.cli.mistakes import sentence_of
from hogline.cli.paragraphs import Paragraphs
from hogline.environment import InvalidSettings
from hogline.escaping import escaped
from hogline.service import CannotDo
from hogline.store.base import Unusable, Unwritable

app = App(
    name="hogline",
    help="Brings PostHog's events and people into Customer.io and Engage.",
    version=__version__,
    help_format="plaintext",
    help_formatter=Paragraphs(),
    default_parameter=Parameter(negative_iterable=(), show_default=lambda value: str(value) if value else None),
    error_formatter=lambda error: _sentence(error),  # noqa: PLW0108  # defined below
    suppress_keyboard_interrupt=False,
)
# A command's module is only imported when the command runs, so every command starts fast.
COMMANDS = {
    "connect": "connections:connect",
    "configure": "connections:configure",
    "check": "connections:check",
    "connections": "connections:connections",
    "pause": "connections:pause",
    "resume": "connections:resume",
    "rename": "connections:rename",
    "duplicate": "connections:duplicate",
    "disconnect": "connections:disconnect",
    "token": "status:token",
    "posthog": "posthog:posthog",
    "password": "password:password",
    "accounts": "accounts:accounts",
    "api-tokens": "api_tokens:api_tokens",
    "audit": "audit:audit",
    "serve": "serve:serve",
    "status": "status:status",
    "workers": "workers:workers",
    "people": "people:people",
    "source": "sources:source",
    "send": "send:send",
    "backfill": "backfill:backfill",
    "backfills": "backfills:backfills",
    "verify": "verify:verify",
    "preview": "files:preview",
    "events": "events:events",
    "failures": "failures:failures",
    "replay": "failures:replay",
    "alerts": "alerts:alerts",
    "doctor": "doctor:doctor",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "store": "store:store",
    "sandbox": "sandbox:sandbox",
    "demo": "demo:demo",
}
OLD_NAMES = {"enable": "connections:resume", "disable": "connections:pause"}
"""Still work, but are not shown."""

for order, (name, place) in enumerate(COMMANDS.items()):
    app.command(f"hogline.cli.{place}", name=name, sort_key=order)
for name, place in OLD_NAMES.items():
    app.command(f"hogline.cli.{place}", name=name, show=False)


def _sentence(error: CycloptsError) -> str:
    return f"hogline: {sentence_of(error, sys.argv[1:])}"


def main() -> None:
    if sys.argv[1:2] == [] or sys.argv[1] not in COMMANDS | OLD_NAMES:
        for name in COMMANDS:
            app[name]  # import it: the list of commands shows each one's first sentence
    try:
        app(sys.argv[1:], exit_on_error=False, result_action="return_none", print_error=False)
    except CycloptsError as error:
        _fail(_sentence(error), 2)
    except (CannotDo, InvalidSettings, Unusable, Unwritable) as error:
        _fail(f"hogline: {error}", 1)
    except Failed:
        sys.exit(1)
    except KeyboardInterrupt:
        _fail("hogline: interrupted", 130)
    except UnicodeEncodeError:
        _fail("hogline: An argument is not valid UTF-8 text.", 2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _fail(sentence: str, code: int) -> None:
    sys.stderr.write(escaped(sentence) + "\n")
    sys.exit(code)
