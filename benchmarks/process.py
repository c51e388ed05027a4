"""Runs a program as a user would, and tells what it took: time, memory, and how busy the machine was besides."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
AUTOPARALLEL = (sys.executable, "-m", "solver.cli")
MIB = 2**20
POLL_S = 0.1
PROC = Path("/proc")


class Cost(NamedTuple):
    """What a program and its descendants took. Memory is resident, in MiB."""

    code: int
    wall_s: float
    cpu_s: float  # of all processes
    parent_mib: float  # peak of the process itself
    child_mib: float  # peak of its largest descendant, 0 for none
    all_mib: float  # peak of the sum over all of them; pages they share count for each
    load: float  # the machine's load average of a minute, when it began
    elsewhere: float  # cores that other programs kept busy meanwhile


def run(command: tuple[str, ...], log: Path, *, memory: bool = False) -> Cost:
    """Run a program to its end, its output into a file.

    Args:
        command: program and arguments; run where this process is, with this project first on Python's path.
        log: takes stdout and stderr.
        memory: watch the memory, ten times a second; without, the three figures are 0.
    """
    load, busy, started = os.getloadavg()[0], _busy_s(), time.monotonic()
    with log.open("wb") as out:
        actions = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, out.fileno(), 2)]
        variables = {**os.environ, "PYTHONPATH": str(ROOT)}
        pid = os.posix_spawn(command[0], command, variables, file_actions=actions)
        watch = Watch(pid)
        if memory:
            watch.start()
        _, status, used = os.wait4(pid, 0)
    wall, cpu = time.monotonic() - started, used.ru_utime + used.ru_stime
    watch.end()
    elsewhere = max(0.0, _busy_s() - busy - cpu) / wall
    peaks = (watch.parent / MIB, watch.child / MIB, watch.all / MIB)
    return Cost(os.waitstatus_to_exitcode(status), wall, cpu, *peaks, load, elsewhere)


def figures(command: tuple[str, ...], log: Path) -> dict[str, Any]:
    """What a program says in its last line, as JSON.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    done = run(command, log)
    said = log.read_text(encoding="utf-8", errors="replace").strip()
    if done.code:
        raise RuntimeError(f"{' '.join(command)} ended with {done.code}: {said[-2000:]}")
    made: dict[str, Any] = json.loads(said.rpartition("\n")[2])
    return made


def peak_mib() -> float:
    """The most that this process has held; what `getrusage` says goes back to before the program began."""
    return _status(os.getpid())[0] / MIB


class Watch(threading.Thread):
    """Reads from /proc what a process and its descendants hold. All in bytes."""

    def __init__(self, pid: int) -> None:
        """Watch a process from `start` to `end`."""
        super().__init__(daemon=True)
        self.pid, self.parent, self.child, self.all = pid, 0, 0, 0
        self._done = threading.Event()

    def run(self) -> None:
        """Look until told to end."""
        while not self._done.wait(POLL_S):
            family = descendants(self.pid)
            held = [_status(pid) for pid in family]  # the process itself is the first
            self.parent = max(self.parent, held[0][0])
            self.child = max([self.child, *(peak for peak, _ in held[1:])])
            self.all = max(self.all, sum(now for _, now in held))

    def end(self) -> None:
        """Stop looking."""
        self._done.set()
        if self.ident is not None:
            self.join()


def descendants(pid: int) -> list[int]:
    """A process and all it has started, directly or not, itself first."""
    children = defaultdict(list)
    for entry in PROC.iterdir():
        if entry.name.isdecimal() and (stat := _read(int(entry.name), "stat")):
            children[int(stat.rpartition(")")[2].split()[1])].append(int(entry.name))
    family = [pid]
    for member in family:  # grows meanwhile
        family += children[member]
    return family


def _status(pid: int) -> tuple[int, int]:
    """(peak until now, now) of resident memory in bytes; zeros for a process that is gone."""
    rows = dict(line.split(":", 1) for line in _read(pid, "status").splitlines() if line.startswith("Vm"))
    peak, now = (int(rows.get(key, "0").split()[0]) for key in ("VmHWM", "VmRSS"))
    return 1024 * peak, 1024 * now


def _read(pid: int, name: str) -> str:
    try:
        return (PROC / str(pid) / name).read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has just ended
        return ""


def _busy_s() -> float:
    """Seconds all cores together have worked since the start of the machine."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, (PROC / "stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
