"""Reading refreshed prices: dated rows that a refresh put beside the packaged tables, in a folder of the user's.

The folder holds generations of tables, whole ones, and a file `current` that names the one in force. A row's cells are
those of a packaged price, then `upfront_usd`, and `seen` and `seen_by`: the last day on which a source showed it, and
which one. A row without a price says that from its day on there is no such offer.
"""

from __future__ import annotations

import csv
import io
import os
import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import packaged
from .errors import DataError

VARIABLE = "AUTOPARALLEL_PRICES"
CURRENT, GENERATIONS, MANIFEST = "current", "generations", "manifest.json"
NAMES = (*packaged.PRICE_NAMES, "upfront_usd", "seen", "seen_by")
FORMAT = 1
POINTER = re.compile(r"([0-9]{6}) ([0-9a-f]{64})\n")
NOW, PAST = "prices", "history"
Cells = list[str]


@dataclass(frozen=True, eq=False)
class Refreshed:
    """One generation of refreshed tables, as text, and the days on which each provider's were refreshed."""

    folder: Path
    number: int
    texts: dict[str, str]  # by file name
    days: dict[str, tuple[str, ...]]  # by provider, in order

    def rows(self, provider: str, when: str) -> list[Cells]:
        """A provider's rows in force, or those a later one replaced (`NOW`, `PAST`)."""
        text = self.texts.get(f"{provider}.{when}.csv")
        return list(csv.reader(io.StringIO(text, newline="")))[1:] if text is not None else []

    def seen(self, provider: str, last: str, day: str) -> str:
        """The last refresh not after a day in which a row last seen on `last` was there; "" for none."""
        days = self.days.get(provider, ())
        at = bisect_right(days, min(last, day))
        return days[at - 1] if at else ""

    @property
    def newest(self) -> str:
        """The day of the last refresh."""
        return max((days[-1] for days in self.days.values() if days), default="")


def folder() -> Path | None:
    """Where refreshed tables live; None where the user wants none (an empty `AUTOPARALLEL_PRICES`)."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named).expanduser() if named else None
    data = os.environ.get("XDG_DATA_HOME") or ""
    home = Path(data) if Path(data).is_absolute() else Path.home() / ".local" / "share"
    return home / "autoparallel" / "prices"


def current(at: Path | None) -> Refreshed | None:
    """The generation in force of a folder; None where nothing was ever refreshed.

    Raises:
        DataError: it cannot be read, or is not what was written.
    """
    if at is None:
        return None
    try:
        pointer = (at / CURRENT).read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _broken(at, f"cannot be read: {error.strerror}") from None
    named = POINTER.fullmatch(pointer)
    if not named:
        raise _broken(at, f"{CURRENT} does not name a generation")
    return _read(at, int(named[1]), named[2])


def _read(at: Path, number: int, digest: str) -> Refreshed:
    import json  # it and hashlib are slow to import, and not everybody has refreshed

    home = at / GENERATIONS / f"{number:06d}"
    manifest = _checked(at, home / MANIFEST, digest)
    try:
        about: dict[str, Any] = json.loads(manifest)
        files, days = dict(about["files"]), {who: tuple(d) for who, d in about["days"].items()}
        sound = about["format"] == FORMAT and all("/" not in name for name in files)
    except (ValueError, TypeError, KeyError, AttributeError):
        sound, files, days = False, {}, {}
    if not sound:
        raise _broken(at, f"generation {number} is of another version")
    return Refreshed(at, number, {name: _checked(at, home / name, sha) for name, sha in files.items()}, days)


def _checked(at: Path, path: Path, digest: str) -> str:
    import hashlib

    try:
        data = path.read_bytes()
    except OSError as error:
        raise _broken(at, f"{path.parent.name}/{path.name} cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise _broken(at, f"{path.parent.name}/{path.name} is not what was written")
    return data.decode()


def _broken(at: Path, message: str) -> DataError:
    mend = f"move the folder away and refresh again; an empty {VARIABLE} reads the packaged prices alone"
    return DataError(message, where=f"refreshed prices {at}", mend=mend)
