"""Outages as people name them, and as states of the fleet: each future's demand once more, with something lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..calendar import Scenario, WorkloadFactor, exact
from ..errors import InputError
from ..formulation import matches
from ..problem import Limits, Outages
from ..workloads import fields
from .names import known, nearest

if TYPE_CHECKING:
    from ..calendar import Cells
    from ..problem import Blocks, Problem
    from .offers import Key

Array = np.ndarray[Any, np.dtype[Any]]
MOST_HOURS = 8784
MOST_STATES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedOutage:
    """A region or a zone of it that may be lost for some hours; a pattern is each region that matches, in turn."""

    region: str
    lost: Literal["region", "zone"] = "region"
    probability: float
    hours: int = 24
    min_served: float = 1.0

    def __post_init__(self) -> None:
        """Check every field."""
        where = f"outage {fields.text('outage', 'region', self.region)!r}"
        known("kind of loss", self.lost, ("region", "zone"), where)
        fields.number(where, "probability", self.probability, (0, 1), above=True)
        fields.whole(where, "hours", self.hours, (1, MOST_HOURS))
        fields.number(where, "min_served", self.min_served, (0, 1))

    def matches(self, site: Key) -> bool:
        """Whether it may befall a region, named as us-east-1, aws/us-east-1, aws/* or *."""
        return any(fnmatchcase(name, self.region) for name in ("/".join(site), site[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """The states that are planned for: the scenarios of demand, then those once more under each outage. F futures."""

    scenarios: tuple[Scenario, ...]  # S, with their probability at any hour
    lost: tuple[tuple[Key, NamedOutage] | None, ...]  # S
    future: tuple[Fraction, ...] = ()  # F
    share: tuple[tuple[Fraction, ...], ...] = ()  # [F][S]

    @property
    def outage(self) -> Array:
        """States in which something is lost, bool [S]."""
        return np.array([lost is not None for lost in self.lost])

    def outages(self, blocks: Blocks, calm: Array, sites: Sequence[Key], zones: Array) -> Outages | None:
        """The zones that are there in each block; `calm` [2, n] as in Outages."""
        if not self.outage.any():
            return None
        up = np.repeat(np.maximum(zones, 1)[:, None], blocks.count, axis=1)
        names = []
        for state, lost in enumerate(self.lost):
            names.append("" if lost is None else f"{_of(lost[1])}{'/'.join(lost[0])} is lost")
            if lost is not None:
                row, mine = list(sites).index(lost[0]), blocks.scenario == state
                up[row, mine] = 0 if lost[1].lost == "region" else up[row, mine] - 1
        return Outages(up=up, state=tuple(names), probability=self.future, share=self.share, calm=calm)

    def same_hours(self, cells: Cells, blocks: Blocks) -> Array:
        """Pairs of a block of an outage and one of the same hours of its scenario without it, int64 [2, n]."""
        calendar, count = blocks.calendar, len(self.scenarios)
        each = len(cells.hours) // count
        begins = np.cumsum(calendar["hours"]) - calendar["hours"]  # rows are cells, some of them in pieces
        place = np.searchsorted(np.cumsum(cells.hours), begins, side="right") % each
        scenario, calm = calendar["scenario"], count if not self.outage.any() else int(self.outage.argmax())
        lost = np.flatnonzero(self.outage[scenario])
        one, other = matches((scenario[lost] % calm) * each + place[lost], scenario * each + place)
        pairs = np.stack([calendar["block"][lost[one]], calendar["block"][other]])
        return np.asarray(np.unique(pairs[:, ~self.outage[scenario[other]]], axis=1), dtype=np.int64)


def _of(outage: NamedOutage) -> str:
    return "a zone of " if outage.lost == "zone" else ""


def states(
    scenarios: Sequence[Scenario],
    outages: Sequence[NamedOutage],
    sites: Sequence[Key],
    hours: int,
    least_served: Mapping[str, Fraction | None],
) -> States:
    """Each scenario, and once more under each outage; the states' probabilities are those of any hour.

    Args:
        scenarios: of demand.
        outages: of which at most one comes within a horizon.
        sites: regions with something to lose.
        hours: of the horizon.
        least_served: workloads all of whose demand must be served, each with the share of it that an outage leaves to
            be served, None for the outage's own.
    """
    losses = [(site, o) for o in outages for site in _sites(o, sites)]
    if len({(site, o.lost) for site, o in losses}) < len(losses):
        raise InputError("a region is named twice", where="outages", mend="keep one entry for each loss")
    if len(scenarios) * (1 + len(losses)) > MOST_STATES:
        message = f"{len(losses)} outages of {len(scenarios)} scenarios are more than {MOST_STATES} states"
        raise InputError(message, where="outages", mend="name fewer regions, or fewer scenarios")
    chance = [exact(o.probability) for _, o in losses]
    if sum(chance, Fraction(0)) > 1:
        raise InputError("probabilities add up to more than 1", where="outages", mend="at most one comes in a horizon")
    share = [Fraction(min(o.hours, hours), hours) for _, o in losses]
    calm = [exact(s.probability) for s in scenarios]
    made = [
        dataclasses.replace(
            s, probability=p * (1 - sum((c * t for c, t in zip(chance, share, strict=True)), Fraction(0)))
        )
        for s, p in zip(scenarios, calm, strict=True)
    ]
    future = [p * (1 - sum(chance, Fraction(0))) for p in calm]
    for (site, o), c, t in zip(losses, chance, share, strict=True):
        made += [_under(s, p * c * t, site, o, least_served) for s, p in zip(scenarios, calm, strict=True)]
        future += [p * c for p in calm]
    rows = [
        _times(len(scenarios), len(made), k, ([Fraction(0), *share])[k // len(scenarios)]) for k in range(len(made))
    ]
    return States(scenarios=tuple(made), lost=(None,) * len(scenarios) + _lost(losses, len(scenarios)),
                  future=tuple(future), share=tuple(rows))  # fmt: skip


def _lost(losses: Sequence[tuple[Key, NamedOutage]], scenarios: int) -> tuple[tuple[Key, NamedOutage], ...]:
    return tuple(loss for loss in losses for _ in range(scenarios))


def _times(scenarios: int, count: int, k: int, share: Fraction) -> tuple[Fraction, ...]:
    """Share of its time that future k spends in each state."""
    row = [Fraction(0)] * count
    row[k % scenarios] = 1 - share
    row[k] += share
    return tuple(row)


def _sites(outage: NamedOutage, sites: Sequence[Key]) -> list[Key]:
    found = [site for site in sites if outage.matches(site)]
    if not found:
        names = ["/".join(site) for site in sites]
        message = f"no region with a candidate is named {outage.region!r:.80}"
        raise InputError(message, where="outages", mend=nearest(outage.region, names))
    return found


def _under(
    s: Scenario, probability: Fraction, site: Key, outage: NamedOutage, least_served: Mapping[str, Fraction | None]
) -> Scenario:
    """A scenario while something is lost: of what must be served no more is asked than must be served then."""
    shares = {w: exact(outage.min_served) if own is None else own for w, own in least_served.items()}
    factors = [WorkloadFactor(workload=w, factor=s.own_factor(w) * share) for w, share in shares.items()]
    kept = [f for f in s.demand_factors if f.workload not in shares]
    name = f"{s.name}, {_of(outage)}{'/'.join(site)} is lost"
    return dataclasses.replace(
        s, name=name[: fields.NAME_LENGTH], probability=probability, demand_factors=(*kept, *factors)
    )


def in_outages(limits: Limits, problem: Problem) -> Limits:
    """Quotas within a region that loses a zone lose as many nodes, spread evenly, rounded down."""
    if problem.outages is None:
        return limits
    quotas = []
    for q in limits.quotas:
        site = np.unique(problem.pool_site[list(q.pools)])
        up = problem.outages.up[site[0]]
        zones = max(1, int(problem.sites.zones[site[0]]))
        if len(site) == 1 and (up < zones).any():
            quotas.append(dataclasses.replace(q, missing=tuple((q.max_nodes * (zones - up) // zones).tolist())))
        else:
            quotas.append(q)
    return dataclasses.replace(limits, quotas=tuple(quotas))
