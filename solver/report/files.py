"""Writing files so that a reader sees the whole new file or the old one, never a part."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def make_folder(path: Path) -> None:
    """Create a folder and its parents.

    Raises:
        InputError: the path is a symbolic link, something other than a folder, or cannot be made.
    """
    if path.is_symlink():
        raise InputError("is a symbolic link", where=str(path), mend="name the real folder")
    if path.exists() and not path.is_dir():
        raise InputError("is a file, not a folder", where=str(path), mend="name a new or an existing folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot be made: {error.strerror}", where=str(path), mend="name a folder you may write"
        ) from None


def refuse_odd_target(path: Path) -> None:
    """Refuse to replace anything but a regular file.

    Raises:
        InputError: the path is a symbolic link or not a regular file.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise InputError("is a link or not a regular file, and is not overwritten", where=str(path), mend="remove it")


def write_atomically(path: Path, content: bytes) -> None:
    """Write to a temporary file beside the target, flush it to disk, then rename.

    Raises:
        InputError: the file cannot be written; the target is then as it was before.
    """
    refuse_odd_target(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with open(os.open(temporary, flags, 0o666), "wb") as out:  # noqa: PTH123 (opened by descriptor)
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(path), mend="free space or rights") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable where the system lets a folder be flushed."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
