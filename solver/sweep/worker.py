"""What runs in a worker process: one scenario from its spec to a checked plan, and what is kept of it.

A worker reads the catalogue and the engine's libraries once; each further scenario then costs what it takes to plan it.
It writes no file: what it finds goes back to the one process that holds the store.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import PlannerError
from ..money import to_usd
from . import keys

if TYPE_CHECKING:
    from costdata import Catalog

    from ..plan import Plan
    from .keys import Job

PATIENCE, PATIENCE_S = 3.0, 120.0  # a search that takes so much longer than its limit hangs
KEPT = 4  # catalogues a process holds
POLL_S = 0.2
MOST_ERROR = 20_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a job: a result, or an error; or that this worker has other code or data than the job is for."""

    content: str = ""  # JSON
    plan: str = ""  # plan.json
    error: str = ""
    foreign: str = ""


Work = Callable[["Job"], Answer]


def work(job: Job) -> Answer:
    """Plan a scenario. Never raises: an error is an answer."""
    try:
        with _watched(job):
            return _planned(job)
    except PlannerError as error:
        return Answer(error=str(error)[:MOST_ERROR])
    except Exception:  # noqa: BLE001 (it is kept, with where it came from)
        return Answer(error=traceback.format_exc()[-MOST_ERROR:])


def _planned(job: Job) -> Answer:
    from ..solve import solve
    from ..spec import loads

    if keys.code() != job.code:
        return Answer(foreign="a worker runs another version of the planner or of its libraries")
    start = time.monotonic()
    catalog = _sound_catalogue(job)
    if catalog is None:
        return Answer(foreign="the prices or overrides changed, or a worker has others")
    problem = loads(job.spec, overrides=job.overrides or None, catalogue=lambda *_: catalog)
    s = job.search
    made = solve(
        problem, time_limit_s=s.time_limit_s, gap=s.gap, seed=s.seed, deterministic=s.deterministic, isolated=False
    )  # fmt: skip
    if keys.inputs(json.loads(job.spec)) != job.inputs:
        return Answer(foreign="a file that the spec names changed, or a worker has another")
    seconds = 0.0 if s.deterministic else round(time.monotonic() - start, 3)
    return Answer(content=content(made, seconds), plan=_whole(made) if job.keep_plan else "")


def _sound_catalogue(job: Job) -> Catalog | None:
    """The catalogue the job was made for; read again when the one held is another."""
    day = str((json.loads(job.spec).get("prices") or {}).get("as_of") or "")
    for _ in range(2):
        catalog = _catalogue(day, job.overrides)
        if keys.prices(catalog) == job.prices:
            return catalog
        _catalogue.cache_clear()
    return None


@functools.lru_cache(maxsize=KEPT)
def _catalogue(day: str, overrides: str) -> Catalog:
    return keys.read_catalogue(day, overrides)


def content(plan: Plan, seconds: float) -> str:
    """What is kept of a plan, as JSON; money as decimal strings of dollars."""
    certificate, infeasible = plan.certificate, plan.termination == "infeasible"
    return json.dumps(
        {
            "termination": plan.termination,
            "certificate": certificate.kind,
            "cost_usd": None if infeasible else _usd(plan.total_micro_usd),
            "lower_usd": None if infeasible else _usd(certificate.lower_micro_usd),
            "gap": None if infeasible else certificate.gap,
            "months": len(plan.periods),
            "seconds": seconds,
            "workloads": _by_workload(plan),
            "purchases": _purchases(plan),
            "conflicts": [
                {"limit": str(r["limit"]), "unit": str(r["unit"]), "relax_by": float(r["relax_by"])}
                for r in plan.conflicts.records()
            ],
            "warnings": list(plan.provenance.warnings),
        },
        allow_nan=False,
    )


def _by_workload(plan: Plan) -> dict[str, str]:
    """Dollars by workload; idle commitments under their own name."""
    made: dict[str, int] = {}
    for r in plan.cost_lines.records():
        made[r["workload"]] = made.get(r["workload"], 0) + r["micro_usd"]
    return {name: _usd(amount) for name, amount in sorted(made.items())}


def _purchases(plan: Plan) -> list[dict[str, Any]]:
    """Nodes by place and option: committed ones in all, others in the block that takes most."""
    by_block: dict[tuple[str, str, str, str], dict[int, int]] = {}
    for r in plan.purchases.records():
        blocks = by_block.setdefault((r["provider"], r["region"], r["node"], r["option"]), {})
        blocks[r["block"]] = blocks.get(r["block"], 0) + r["nodes"]
    names = ("provider", "region", "node", "option")
    return [
        {**dict(zip(names, place, strict=True)), "nodes": most}
        for place, blocks in sorted(by_block.items())
        if (most := max(blocks.values()))
    ]


def _whole(plan: Plan) -> str:
    from ..report.json import to_json

    return to_json(plan)


def _usd(micro_usd: int) -> str:
    return f"{to_usd(micro_usd):f}"


@contextmanager
def _watched(job: Job) -> Iterator[None]:
    """End this process when a search hangs, whatever holds it; without a clock, wait for ever."""
    if job.search.deterministic:
        yield
        return
    with open(os.devnull, "w", encoding="ascii") as nowhere:  # noqa: PTH123 (a device)
        target = nowhere if sys.__stderr__ is None else sys.__stderr__
        faulthandler.dump_traceback_later(PATIENCE * job.search.time_limit_s + PATIENCE_S, exit=True, file=target)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def ready() -> str:
    """The digest of the code here: a worker that says it has started and can import the planner."""
    return keys.code()


def enter(parent: int, words: str) -> None:
    """Begin as a child of the sweep: what is printed goes to a file, an interrupt is the parent's, and we end with it.

    Args:
        parent: process id of the sweep.
        words: file for what is written to stderr, a last traceback above all.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    handle = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(handle, 2)
    os.close(handle)
    os.close(nowhere)
    with contextlib.suppress(ValueError):
        faulthandler.enable(file=2)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os._exit(1)
