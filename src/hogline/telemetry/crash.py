"""What a process prints when it crashes: where and what kind of error, never the error's text, which may quote an event
or a secret.
"""

from __future__ import annotations

import sys
import threading
import traceback
from types import TracebackType


def hide_texts_of_crashes() -> None:
    """From now on, for everything that nobody catches, in any thread."""
    sys.excepthook = _say
    threading.excepthook = _say_of_thread


def _say(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error or kind(), trace)
        return
    # Lines of our code, without values.
    where = "".join(traceback.format_tb(trace))
    sys.stderr.write(
        f"{where}{kind.__name__} (its text is left out: it may quote an event)\n"
        "hogline: Internal error. Please report this bug with the lines above.\n"
    )


def _say_of_thread(crash: threading.ExceptHookArgs) -> None:
    _say(crash.exc_type, crash.exc_value, crash.exc_traceback)
