"""Returns memory that large bodies took to the system.

glibc keeps freed memory in an arena for each thread, and after large blocks treats others like them as small ones. On
other systems, nothing is done.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_LARGE_BYTES = 256 * 1024


def give_back_what_is_large() -> None:
    """For the whole process, once."""
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, 2)
