"""Writing refreshed prices: a whole generation beside the old one, then one rename that puts it in force.

Whatever happens before that rename leaves the old generation in force, whole; whatever happens after it the new one.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import hashlib
import io
import json
import os
import shutil
from typing import TYPE_CHECKING

from ..refreshed import CURRENT, FORMAT, GENERATIONS, MANIFEST, NAMES, NOW, PAST, Cells, Refreshed
from .errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

KEPT = 5  # generations, the one in force among them
LOCK, PARTIAL, REVIEW = "lock", ".partial", "review"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One refresh at a time: a lock that the system releases when its process ends, however it ends.

    Raises:
        FetchError: another refresh runs, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _unwritten(folder, error) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FetchError("another refresh runs here", where=str(folder), mend="wait until it has ended") from None
        yield
    finally:
        os.close(handle)


def drawn_up(
    folder: Path, base: Refreshed | None, tables: Mapping[str, tuple[list[Cells], list[Cells]]], day: str
) -> Refreshed:
    """The next generation: `base` with these providers' rows (now, past) in place of theirs. Nothing is written."""
    texts = dict(base.texts) if base else {}
    days = dict(base.days) if base else {}
    for provider, (now, past) in tables.items():
        texts |= {f"{provider}.{NOW}.csv": written(NAMES, now), f"{provider}.{PAST}.csv": written(NAMES, past)}
        days[provider] = tuple(sorted({*days.get(provider, ()), day}))
    return Refreshed(folder, max([base.number if base else 0, *_numbers(folder)]) + 1, texts, days)


def commit(made: Refreshed) -> None:
    """Put a generation in force.

    Raises:
        FetchError: it cannot be written; what was in force still is.
    """
    home = made.folder / GENERATIONS
    try:
        digest = _generation(home, made.number, made.texts, made.days)
        replaced(made.folder / CURRENT, f"{made.number:06d} {digest}\n")  # from here on it is in force
    except OSError as error:
        shutil.rmtree(home / f"{made.number:06d}{PARTIAL}", ignore_errors=True)
        raise _unwritten(made.folder, error) from None
    _prune(made.folder, made.number)


def put_by(folder: Path, name: str, text: str) -> None:
    """A table for people to look at: what was held back.

    Raises:
        FetchError: it cannot be written.
    """
    try:
        (folder / REVIEW).mkdir(exist_ok=True)
        replaced(folder / REVIEW / name, text)
    except OSError as error:
        raise _unwritten(folder, error) from None


def replaced(path: Path, text: str) -> None:
    """A file's new content: written beside, on disk, then put in its place by one rename."""
    beside = path.with_name(f"{path.name}{PARTIAL}")
    _write(beside, text)
    beside.replace(path)
    _sync(path.parent)


def written(names: tuple[str, ...], rows: list[Cells]) -> str:
    """A CSV table's text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return out.getvalue()


def _generation(home: Path, number: int, texts: dict[str, str], days: dict[str, tuple[str, ...]]) -> str:
    """Write all of a generation, and give the digest of its manifest."""
    partial = home / f"{number:06d}{PARTIAL}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, text in texts.items():
        _write(partial / name, text)
    files = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(texts.items())}
    manifest = json.dumps({"format": FORMAT, "files": files, "days": days}, indent=1, sort_keys=True)
    _write(partial / MANIFEST, manifest)
    _sync(partial)
    partial.replace(home / f"{number:06d}")
    _sync(home)
    _sync(home.parent)
    return hashlib.sha256(manifest.encode()).hexdigest()


def _write(path: Path, text: str) -> None:
    with path.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Names in a folder are on disk only when the folder is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _numbers(folder: Path) -> list[int]:
    """Of generations that stand whole, in force once or never."""
    home = folder / GENERATIONS
    return sorted(int(p.name) for p in home.iterdir() if p.name.isdigit()) if home.is_dir() else []


def _prune(folder: Path, number: int) -> None:
    """Older generations than the last few, and what was never finished; one that cannot be removed may stay."""
    home = folder / GENERATIONS
    kept = {f"{n:06d}" for n in _numbers(folder)[-KEPT:]} | {f"{number:06d}"}
    for path in home.iterdir():
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _unwritten(folder: Path, error: OSError) -> FetchError:
    text = f"cannot be written: {error.strerror}; the prices in force are as they were"
    return FetchError(text, where=str(folder), mend="free space or rights, or name another folder")
