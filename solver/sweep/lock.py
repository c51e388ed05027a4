"""One sweep at a time on a folder: a lock that the system releases when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError

NAME = "lock"
POLL_S = 0.1


@contextmanager
def locked(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold the folder's lock.

    Args:
        folder: of the sweep.
        wait: for another sweep to end, instead of refusing to start beside it.

    Raises:
        InputError: another sweep runs there, or the folder cannot be written.
    """
    path = folder / NAME
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise InputError(f"cannot be locked: {error.strerror}", where=str(path), mend="free space or rights") from None
    try:
        while not _taken(handle):
            if not wait:
                who = os.read(handle, 40).decode("ascii", "replace").strip()
                said = f"another sweep runs here, process {who}" if who.isdigit() else "another sweep runs here"
                raise InputError(said, where=str(folder), mend="--wait starts when it has ended; or name another --out")
            time.sleep(POLL_S)
        with contextlib.suppress(OSError):  # who holds it is only said for people
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
