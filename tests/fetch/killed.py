"""Kills refreshes with SIGKILL, each at another line, and says what was left: run as a program of one thread.

`python -m tests.fetch.killed FOLDER` prints a JSON list: signal, table in force ("old", "new" or what is wrong),
and whether the next refresh mends everything.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

from costdata import packaged, refreshed
from costdata.errors import DataError
from costdata.fetch import store
from costdata.fetch.client import Client
from costdata.fetch.refresh import Asked, refresh
from costdata.fetch.rows import Known, Ledger, Price
from costdata.fetch.wire import Internet

from .listed import DAY, HOST, ICELAND, OPTIONS, SOURCE, table

POINTS = 50
FILES = ("fetch/store.py", "/shutil.py")
DISK = frozenset({"open", "mkdir", "rename", "replace", "rmdir", "unlink", "write_bytes", "write_text"})  # of pathlib
NEXT = DAY + timedelta(days=1)
OLD, NEW = "1.5", "1.6"
KEY = (ICELAND, "a100-40gb.1x", "on_demand")


def run(folder: Path, usd: str, day: date) -> str:
    """One refresh that asks nobody; its error."""

    def fetch(_: Client, __: Known, ledger: Ledger) -> Iterator[Price]:
        for raw in ledger.rows(packaged.prices("crusoe", None)):
            row = raw.value
            ledger.keep(raw)
            taken = usd if tuple(row[:3]) == KEY else row[3]
            names = dict(zip(("region", "node", "option"), row[:3], strict=True))
            yield Price(provider="crusoe", **names, usd_per_hour=Decimal(taken))
        ledger.cover("crusoe", *OPTIONS)

    source = replace(SOURCE, fetch=fetch)
    return refresh(source, Client(frozenset({HOST}), Internet()), Asked(folder=folder, day=day)).error


def at_line(number: int, act: Callable[[FrameType], object]) -> Callable[[FrameType, str, object], Any]:
    """A trace function that acts at the so-many-th line that is run of the store and of what writes for it."""
    left = [number]

    def trace(frame: FrameType, event: str, _: object) -> Any:
        code = frame.f_code
        if not code.co_filename.endswith(FILES) and not ("pathlib" in code.co_filename and code.co_name in DISK):
            return None
        if event == "line":
            left[0] -= 1
            if left[0] < 0:
                act(frame)
        return trace

    return trace


def points(folder: Path) -> list[int]:
    """Fifty of the lines that a whole refresh runs: those at which the pointer is replaced, and others at random."""
    count, pointing = [0], list[int]()

    def one_more(frame: FrameType | None) -> None:
        while frame is not None and frame.f_code.co_name != "replaced":
            frame = frame.f_back
        if frame is not None and frame.f_locals["path"].name == refreshed.CURRENT:
            pointing.append(count[0])
        count[0] += 1

    sys.settrace(at_line(0, one_more))
    run(folder, NEW, NEXT)
    sys.settrace(None)
    rng = random.Random(7)  # noqa: S311 (points, no secrets)
    near = rng.sample(pointing, min(len(pointing), POINTS // 2))
    others = [line for line in range(count[0]) if line not in near]
    return sorted(near + rng.sample(others, POINTS - len(near)))


def killed(folder: Path, line: int) -> int:
    """The signal that a refresh in a process of its own ends by, at a line."""
    child = os.fork()
    if not child:
        sys.settrace(at_line(line, lambda _: os.kill(os.getpid(), signal.SIGKILL)))
        run(folder, NEW, NEXT)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def state(folder: Path, want: dict[str, Any]) -> str:
    """Which table is in force, whole."""
    try:
        found = table(folder)
        refreshed.current(folder)
    except DataError as error:
        return str(error)
    return next((name for name, rows in want.items() if rows == found), "neither")


def main(work: Path) -> None:
    """Kill, look, mend."""
    base, whole = work / "base", work / "whole"
    assert run(base, OLD, DAY) == ""
    shutil.copytree(base, whole)
    lines = points(whole)
    want = {"old": table(base), "new": table(whole)}
    made = []
    for line in lines:
        folder = work / f"at{line}"
        shutil.copytree(base, folder)
        by = killed(folder, line)
        left = state(folder, want)
        mended = run(folder, NEW, NEXT) == "" and state(folder, want) == "new"
        leftovers = [p.name for p in (folder / "generations").iterdir() if p.name.endswith(store.PARTIAL)]
        made.append([by, left, mended and not leftovers])
    sys.stdout.write(json.dumps(made))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
