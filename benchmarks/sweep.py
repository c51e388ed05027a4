"""Sweeps that are killed: `python -m benchmarks sweep [--scenarios N] [--kills N] …`; half an hour.

Every scenario is a real plan of a small spec, through the real command. The sweep is killed with SIGKILL at random
points, workers of a Dask cluster are, sweeps race for one store, the disk is full again and again, and the log of the
store is cut at random bytes. Nothing may be lost, nothing be there twice, and a sample must cost what it costs planned
alone. A count of 0 leaves a part out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cases import Case, grid, when, yes
from .process import ROOT, descendants
from .results import FOLDER, save, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "sweep"
SPEC = """\
name: tiny
horizon: {start: 2027-01-01, months: 1}
prices: {as_of: 2026-10-01, providers: [lambda], options: [on_demand]}
workloads:
  - {name: chat, kind: serving, model: llama-3.1-8b, precision: fp8, input_tokens: 500, output_tokens: 100,
     ttft_ms: 2000, tpot_ms: 100, accelerators: [H100],
     traffic: [{origin: new york, requests_per_hour: 20000, profile: flat}]}
"""
DEMAND, TPOT = 'workloads.chat.traffic["new york"].requests_per_hour', "workloads.chat.tpot_ms"
WORKERS = 2
COUNTS = {"scenarios": 10_000, "kills": 100, "dask": 1000, "workers": 10, "races": 100, "full": 50, "cuts": 1000}
SAMPLE = 50  # results compared with plans made alone
START_S = 3.0  # within which a run may be killed before it has done anything
POLL_S = 0.05
FULL, LEAST_BYTES, MORE_BYTES = 400, 200_000, 10_000  # scenarios; size of a file, and how much more each time
TITLES = (
    ("what happens", "scenarios", "times", "planned", "lost", "twice", "repeated", "at most", "sound"),
    ("what happens", "wall s", "ms a scenario", "sample alike", "measured, at revision"),
)


class Sweep:
    """A sweep of so many scenarios in a folder, and what is in its store."""

    def __init__(self, folder: Path, scenarios: int, *options: str) -> None:
        """Write its files."""
        folder.mkdir()
        (folder / "tiny.yaml").write_text(SPEC, encoding="utf-8")
        wide = max(1, round(scenarios**0.5))
        values = {
            DEMAND: [100_000 * i for i in range(1, wide + 1)],
            TPOT: [50 + i for i in range(-(-scenarios // wide))],
        }
        self.scenarios = wide * len(values[TPOT])
        file = folder / "sweep.json"
        file.write_text(json.dumps({"spec": "tiny.yaml", "base": False, "grid": values}), encoding="utf-8")
        self.out = folder / "out"
        self.command = [sys.executable, "-m", "solver.cli", "sweep", str(file), "--out", str(self.out), *options]

    def start(self, **more: Any) -> subprocess.Popen[str]:
        """Run it."""
        variables = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(  # noqa: S603 (our own command)
            self.command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **more
        )

    def finish(self) -> None:
        """Run it to its end."""
        run = self.start()
        said = run.communicate()[1]
        if run.returncode:
            raise RuntimeError(said)

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """Rows of the store, read without the planner and without leave to write."""
        try:
            db = sqlite3.connect(f"file:{self.out / 'sweep.sqlite'}?mode=ro", uri=True, timeout=10)
        except sqlite3.OperationalError:  # not there yet
            return []
        try:
            return db.execute(question).fetchall()
        except sqlite3.OperationalError:
            return []
        finally:
            db.close()

    def done(self) -> int:
        """Results until now."""
        return sum(count for (count,) in self.ask("SELECT count(*) FROM results"))

    def facts(self) -> dict[str, Any]:
        """What a finished sweep must be: one result for each scenario, one attempt that gave it, a sound file."""
        (planned,) = self.ask("SELECT count(DISTINCT key) FROM scenarios WHERE key IN (SELECT key FROM results)")[0]
        (twice,) = self.ask("SELECT count(*) - count(DISTINCT key) FROM attempts WHERE state = 'done'")[0]
        (others,) = self.ask("SELECT count(*) FROM attempts WHERE state <> 'done'")[0]
        rows = json.loads((self.out / "sweep.json").read_text(encoding="utf-8"))["rows"]
        return {
            "scenarios": self.scenarios,
            "planned": planned,
            "lost": self.scenarios - planned,
            "twice": twice,
            "repeated": others,
            "sound": self.ask("PRAGMA integrity_check") == [("ok",)]
            and [row["number"] for row in rows] == list(range(1, self.scenarios + 1))
            and all(row["status"] == "done" for row in rows),
        }

    def alike(self, rng: random.Random) -> str:
        """How many of a sample of results cost what they cost planned alone."""
        from solver.solve import solve
        from solver.spec import loads
        from solver.sweep.document import canonical, read_document

        sweep = read_document(self.command[4])
        rows = {r["number"]: r for r in json.loads((self.out / "sweep.json").read_text(encoding="utf-8"))["rows"]}
        chosen = rng.sample(list(sweep), min(SAMPLE, self.scenarios))
        same = 0
        for scenario in chosen:
            plan = solve(loads(canonical(sweep.plain(scenario.settings))), isolated=False)
            same += f"{plan.total_usd:f}" == rows[scenario.number]["cost_usd"]
        return f"{same} of {len(chosen)}"


def killed(folder: Path, scenarios: int, kills: int, rng: random.Random) -> dict[str, Any]:
    """SIGKILL of the whole sweep at random points; a tenth of them before it has done anything."""
    sweep = Sweep(folder / "killed", scenarios, "--workers", str(WORKERS))
    done = 0
    for kill in range(kills):
        room = max(2, int(1.7 * (sweep.scenarios - done) / (kills - kill + 1)))
        wanted = done + rng.randrange(room) if rng.random() > 0.1 else 0
        run = sweep.start()
        while wanted and run.poll() is None and sweep.done() < wanted:
            time.sleep(POLL_S)
        time.sleep(rng.uniform(0, POLL_S if wanted else START_S))
        if run.poll() is not None:
            raise RuntimeError(f"ended before kill {kill}: {run.communicate()[1]}")
        run.kill()
        run.communicate()
        done = sweep.done()
    sweep.finish()
    return {"times": kills, "at most": kills * WORKERS, **sweep.facts(), "alike": sweep.alike(rng)}


def workers_killed(folder: Path, scenarios: int, kills: int, rng: random.Random) -> dict[str, Any]:
    """SIGKILL of a worker process of a local Dask cluster at random points of one run."""
    sweep = Sweep(folder / "workers", scenarios, "--workers", str(WORKERS), "--engine", "dask")
    run = sweep.start()
    for point in sorted(rng.sample(range(1, sweep.scenarios - 20), kills)):
        while run.poll() is None and sweep.done() < point:
            time.sleep(POLL_S)
        workers = [pid for pid in descendants(run.pid)[1:] if b"spawn_main" in _line(pid)]
        if run.poll() is not None or not workers:
            raise RuntimeError(f"no worker to kill: {run.returncode}")
        os.kill(rng.choice(workers), signal.SIGKILL)
    said = run.communicate()[1]
    if run.returncode:
        raise RuntimeError(said)
    return {"times": kills, "at most": kills, **sweep.facts(), "alike": sweep.alike(rng)}


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def races(folder: Path, count: int, rng: random.Random) -> dict[str, Any]:
    """Two sweeps started on one store at nearly the same time: one refuses, or comes too late to do anything."""
    refused = 0
    row: dict[str, Any] = dict.fromkeys(("scenarios", "planned", "lost", "twice", "repeated"), 0) | {"sound": True}
    for i in range(count):
        sweep = Sweep(folder / f"race{i}", 4, "--workers", "1")
        both = []
        for _ in range(2):
            both.append(sweep.start())
            time.sleep(rng.uniform(0, 0.2))
        for run in both:
            run.communicate()
        codes = sorted(run.returncode for run in both)
        refused += codes == [0, 2]
        facts = sweep.facts()
        row["sound"] &= facts.pop("sound") and codes in ([0, 2], [0, 0])
        row |= {key: row[key] + value for key, value in facts.items()}
        shutil.rmtree(folder / f"race{i}")
    return {"times": count, "at most": 0, **row, "refused": refused}


def full_disk(folder: Path, scenarios: int, times: int) -> dict[str, Any]:
    """Files may not grow beyond a size, a little more each time: a clean error each time, and nothing done is lost."""
    sweep = Sweep(folder / "full", scenarios, "--workers", str(WORKERS))
    before, failures, clean = 0, 0, True
    for i in range(times):
        most = LEAST_BYTES + i * MORE_BYTES
        run = sweep.start(preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY)))
        said = run.communicate()[1]
        done = sweep.done()
        failures += run.returncode == 2
        clean &= run.returncode in (0, 2) and "Traceback" not in said and done >= before
        before = done
    sweep.finish()
    facts = sweep.facts()
    facts["sound"] &= clean
    return {"times": failures, "at most": failures * WORKERS, **facts}


def cuts(folder: Path, times: int, rng: random.Random) -> dict[str, Any]:
    """The store's log ends at a random byte, or is zeros from there on: it opens to the first so many commits."""
    from solver.sweep.store import NAME as STORE
    from solver.sweep.store import Store

    live, copy, torn = folder / "live", folder / "copy", folder / "torn"
    live.mkdir()
    with Store(live) as store:
        with store.transaction():
            store.start("{}", [])
        for i in range(100):
            with store.transaction():
                store.finish(store.begin(f"{i:03d}", 1), f"{i:03d}", "x" * 900)
        shutil.copytree(live, copy, ignore=shutil.ignore_patterns("*-shm"))
    log = (copy / f"{STORE}-wal").read_bytes()
    sound = True
    for i in range(times):
        shutil.copytree(copy, torn)
        at = rng.randrange(len(log))
        (torn / f"{STORE}-wal").write_bytes(log[:at] + bytes(len(log) - at if i % 2 else 0))
        with Store(torn) as store:
            done = sorted(store.done())
        sound &= done == [f"{n:03d}" for n in range(len(done))]
        shutil.rmtree(torn)
    return {"times": times, "sound": sound}


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of the page: what came of it, and what it took."""

    def cell(row: dict[str, Any], key: str) -> str:
        value = row.get(key)
        return yes(value) if isinstance(value, bool) or value is None else f"{value:,}" if key != "name" else value

    came = [(row["name"], *(cell(row, key) for key in TITLES[0][1:])) for row in rows]
    took = [
        (row["name"], cell(row, "wall s"), cell(row, "ms a scenario"), row.get("alike", "–"), when(row)) for row in rows
    ]
    return [*grid(TITLES[0], came), "", *grid(TITLES[1], took)]


def main(arguments: list[str]) -> None:
    """Do all of it, print and keep it."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    for name, count in COUNTS.items():
        parser.add_argument(f"--{name}", type=int, default=count, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR")
    asked = parser.parse_args(arguments)
    rng = random.Random(asked.seed)  # noqa: S311 (no secrets)
    protocol = {
        "workers": WORKERS,
        "spec": "one workload, one month",
        "search": "defaults of the command",
        "seed": asked.seed,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workers = asked.workers
        parts: list[tuple[str, int, Callable[[], dict[str, Any]]]] = [
            ("SIGKILL of the sweep, loky", asked.kills, lambda: killed(folder, asked.scenarios, asked.kills, rng)),
            ("SIGKILL of a worker, Dask", workers, lambda: workers_killed(folder, asked.dask, workers, rng)),
            ("two sweeps on one store", asked.races, lambda: races(folder, asked.races, rng)),
            ("disk full", asked.full, lambda: full_disk(folder, FULL, asked.full)),
            ("log cut at a random byte", asked.cuts, lambda: cuts(folder, asked.cuts, rng)),
        ]
        for title, times, measured in parts:
            if not times:
                continue
            taken, start = stamp(), time.monotonic()
            row = {"name": title, **taken, **measured()}
            row["wall s"] = round(time.monotonic() - start, 1)
            if row.get("scenarios"):
                row["ms a scenario"] = round(1000 * row["wall s"] / row["scenarios"], 1)
            print(", ".join(f"{k} {v}" for k, v in row.items() if k not in taken), flush=True)
            save(asked.results, NAME, protocol, [row])


CASE = Case(
    name=NAME,
    measures="sweeps that are killed, race, and run out of disk: nothing lost, nothing twice; half an hour",
    goal="10,000 scenarios, 100 kills: 0 lost, 0 twice",
    main=main,
    table=table,
    alone=False,
)


if __name__ == "__main__":
    main(sys.argv[1:])
