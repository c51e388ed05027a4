"""Ctrl-C at any moment: `python -m benchmarks interrupts [--count N] [--example NAME] [--seed S]`.

`autoparallel plan @EXAMPLE --gap 0 --out DIR --format json` gets SIGINT at random moments of its life. It must end soon
with the exit code of an interrupt, leave no process, and save the best plan if there was one, which passes its check.
Processes are told by a variable of their environment, which what they start inherits.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from solver.check import check
from solver.doors.guard import INTERRUPTED
from solver.doors.planning import rebuild
from solver.errors import PlannerError
from solver.report.json import from_json

from .cases import Case, grid, named_faults, when
from .process import PROC, ROOT
from .results import FOLDER, save, stamp

NAME = "interrupts"
MARK = "AUTOPARALLEL_BENCHMARK_MARK"
SOON_S = 30.0  # for a plan that is found to be checked, written and shown, on a busy machine
GONE_S = 3.0
ENDED = {INTERRUPTED: "interrupted", -signal.SIGINT: "before it began", 0: "done before"}


def left_behind(mark: str) -> list[int]:
    """Processes that carry a mark."""
    found = []
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                marked = f"{MARK}={mark}".encode() in (folder / "environ").read_bytes()
            except OSError:  # it has just gone, or is not ours
                continue
            found += [int(folder.name)] if marked else []
    return found


def interrupt(example: str, after_s: float, out: Path) -> tuple[str, list[str]]:
    """How a command ended that was interrupted at a moment, and what is wrong with that."""
    mark = uuid.uuid4().hex
    begin = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from solver.cli import main"
    command = [sys.executable, "-c", f"{begin}; main(sys.argv[1:])", "plan", f"@{example}", "--gap", "0"]
    process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
        [*command, "--out", str(out), "--format", "json"], cwd=ROOT, env={**os.environ, MARK: mark},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    try:
        shown, said = process.communicate(timeout=SOON_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return "not ended", [f"still there {SOON_S:g} s later"]
    faults = [] if process.returncode in ENDED else [f"exit code {process.returncode}: {said[-200:]!r}"]
    end = time.monotonic() + GONE_S
    while (left := left_behind(mark)) and time.monotonic() < end:
        time.sleep(0.05)
    faults += [f"{len(left)} processes left"] if left else []
    how = ENDED.get(process.returncode, "otherwise")
    if shown:
        faults += _plan_faults(shown, out)
        how += ", with a plan"
    elif process.returncode == INTERRUPTED:
        faults += [] if said == b"error: interrupted\n" else [f"says {said[-200:]!r}"]
    return how, faults


def _plan_faults(shown: bytes, out: Path) -> list[str]:
    """What is wrong with a plan that was shown and saved."""
    try:
        plan = from_json(shown)
        saved = (out / "plan.json").read_bytes()
        found = [str(v) for v in check(rebuild(plan, out), plan)]
    except (PlannerError, OSError) as error:
        return [str(error)]
    return found + ([] if saved == shown else ["what is saved is not what is shown"])


def measure(example: str, count: int, seed: int) -> dict[str, Any]:
    """One row: so many moments, spread over the life of a command that is left alone."""
    row: dict[str, Any] = {**stamp(), "name": example, "interrupts": count, "ended": {}, "wrong": 0, "faults": {}}
    rng = random.Random(seed)  # noqa: S311 (no secret)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        alone = [sys.executable, "-m", "solver.cli", "plan", f"@{example}", "--gap", "0", "--out", f"{folder}/alone"]
        subprocess.run(alone, cwd=ROOT, capture_output=True, check=False)  # noqa: S603
        row["alone s"] = round(time.monotonic() - begun, 1)
        for k in range(count):
            after = (k + rng.random()) / count * row["alone s"]
            how, faults = interrupt(example, after, Path(folder) / str(k))
            row["ended"][how] = row["ended"].get(how, 0) + 1
            row["wrong"] += bool(faults)
            if faults:
                row["faults"][f"{after:.2f} s"] = faults
    return row


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=20, metavar="N", help="moments (default 20)")
    parser.add_argument("--example", default="one-model", help="packaged example")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the moments")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where interrupts.json goes")
    asked = parser.parse_args(arguments)
    row = measure(asked.example, asked.count, asked.seed)
    ended = ", ".join(f"{how} {n}" for how, n in row["ended"].items())
    print(f"{row['name']}: {row['interrupts']} interrupts, {row['wrong']} wrong; {ended}")
    for moment, said in row["faults"].items():
        print(f"    {moment}: {'; '.join(said):.400}")
    print(
        save(asked.results, NAME, {"call": "autoparallel plan @EXAMPLE --gap 0 --out DIR", "seed": asked.seed}, [row])
    )


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of the page."""
    titles = ("example", "interrupts", "ended", "wrong", "left alone s", "measured, at revision")
    cells = [
        (
            r["name"], str(r["interrupts"]), ", ".join(f"{how}: {n}" for how, n in r["ended"].items()),
            str(r["wrong"]), f"{r['alone s']:.1f}", when(r),
        )
        for r in rows
    ]  # fmt: skip
    return [*grid(titles, cells), *named_faults(rows)]


CASE = Case(
    name=NAME,
    measures="Ctrl-C at random moments: exit code, plan saved, processes left; 5 minutes",
    goal="none wrong",
    main=main,
    table=table,
    alone=False,
)

if __name__ == "__main__":
    main()
