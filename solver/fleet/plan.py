"""Commitments for a whole operator, with certificates that say what kind of proof they are."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from . import certify
from .certify import FleetCertificate, Kind
from .reduce import reduce_fleet
from .strata import draw, strata
from .training import LEISURE, train

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .ascent import Prices
    from .fleet import Fleet, Slots
    from .training import Trained

Array = np.ndarray[Any, np.dtype[Any]]
KINDS = 24  # of hours
EACH = 2  # slots of a stratum in a sample


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """How many nodes to commit to, and the prices by which every slot decides the rest."""

    committed: Array  # int64 [Q, K]
    committed_usd: float
    upfront_usd: float
    cash_price: float  # what a dollar more of upfront cash would save
    certificates: tuple[FleetCertificate, ...]
    stratum: Array  # int64 [N]
    prices: Prices  # float32 [Q, S] of each stratum
    ways: Array  # int64 rows of the fleet's ways that are open
    seconds: dict[str, float]  # by stage

    @property
    def certificate(self) -> FleetCertificate:
        """The strongest."""
        return self.certificates[-1]


def plan_fleet(
    fleet: Fleet,
    slots: Slots,
    *,
    kind: Kind = "statistical",
    samples: int = 3,
    seed: int = 0,
    workers: int = 1,
    engine: str = "loky",
    report: Callable[[str, float], None] = lambda _stage, _share: None,
) -> FleetPlan:
    """The fleet's commitments, and certificates of their cost.

    Args:
        fleet: pools, prices, ways.
        slots: demand and spot capacity.
        kind: of the certificate; a deterministic one looks at every slot, and comes after the statistical one. Of few
            slots (200) it always is, each dispatched by a linear program.
        samples: of the statistical certificate.
        seed: of all that is drawn: the same plan and certificates, whatever the workers.
        workers: processes.
        engine: joblib's backend: "loky" on this machine, "dask" on the cluster of the current client.
        report: hears of the stage and its share done.

    Raises:
        InputError: fewer than two samples.
        CheckError: prices or a dispatch that do not hold.
    """
    if samples < 2:  # noqa: PLR2004
        raise InputError(f"{samples} samples have no spread", where="samples", mend="ask for at least 2")
    reduced = reduce_fleet(fleet, slots)
    made = _planned(reduced.fleet, reduced.slots, kind, samples, seed, workers, engine, report)
    return dataclasses.replace(made, stratum=made.stratum[reduced.slot_for], ways=reduced.ways(made.ways))


def _planned(
    fleet: Fleet,
    slots: Slots,
    kind: Kind,
    samples: int,
    seed: int,
    workers: int,
    engine: str,
    report: Callable[[str, float], None],
) -> FleetPlan:
    began, seconds = time.perf_counter(), dict[str, float]()

    def lap(stage: str) -> None:
        seconds[stage] = time.perf_counter() - began - sum(seconds.values())
        report(stage, 1.0)

    if slots.count <= certify.FEW:
        stratum = np.arange(slots.count)
        trained = train(fleet, slots, stratum, slots.hours, 1, workers, LEISURE)
        lap("commitments")
        made = [certify.deterministic(fleet, trained, slots.hours, [certify.all_slots(fleet, slots, trained)])]
        lap("every slot")
        return _plan(fleet, trained, stratum, tuple(made), seconds)
    stratum = strata(slots, KINDS, seed)
    lap("strata")
    rows, hours = draw(stratum, slots.hours, EACH, np.random.default_rng([seed, 0]))
    trained = train(fleet, slots, rows, hours, EACH, workers)
    lap("commitments")
    drawn = [draw(stratum, slots.hours, EACH, np.random.default_rng([seed, 1 + i])) for i in range(samples)]
    seen = list(_each(certify.replicate, ((fleet, slots, stratum, trained, *d) for d in drawn), workers, engine))
    made = [certify.statistical(fleet, trained, seen)]
    lap("samples")
    if kind == "deterministic":
        parts, every = list(certify.in_parts(stratum)), []
        tasks = ((fleet, slots, stratum, trained, rows) for rows in parts)
        for found in _each(certify.every_slot, tasks, workers, engine):
            every.append(found)
            report("every slot", len(every) / len(parts))
        made.append(certify.deterministic(fleet, trained, np.bincount(stratum, slots.hours), every))
        lap("every slot")
    return _plan(fleet, trained, stratum, tuple(made), seconds)


def _plan(
    fleet: Fleet, trained: Trained, stratum: Array, made: tuple[FleetCertificate, ...], seconds: dict[str, float]
) -> FleetPlan:
    ways = trained.layout.way
    return FleetPlan(
        committed=trained.committed,
        committed_usd=certify.committed_usd(fleet, trained),
        upfront_usd=float(np.where(trained.committed > 0, trained.committed * fleet.upfront_usd, 0.0).sum()),
        cash_price=trained.cash_price,
        certificates=made,
        stratum=stratum,
        prices=trained.prices,
        ways=np.sort(ways[ways >= 0]),
        seconds=seconds,
    )


def _each(function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]], workers: int, engine: str) -> Iterator[Any]:
    """Results in the order of the tasks."""
    if workers == 1:
        yield from (function(*task) for task in tasks)
        return
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend=engine, n_jobs=workers):
        yield from Parallel(return_as="generator")(delayed(function)(*task) for task in tasks)
