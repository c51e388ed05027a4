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
    from .offers import Key, Name, Pools

Array = np.ndarray[Any, np.dtype[Any]]
ANY = "*"
KINDS = ("region", "zone", "spot", "spot_zone")
FEW = 3  # regions named one by one
MOST_HOURS = 8784
MOST_STATES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedOutage:
    """A region, a zone or a spot market that may be lost for some hours; a pattern is each region that matches in turn.

    `also` names further regions, which are lost at the same time; so is all that matches where it is `together`.
    """

    region: str
    lost: Literal["region", "zone", "spot", "spot_zone"] = "region"
    node: str = ANY
    together: bool = False
    also: tuple[str, ...] = ()
    probability: float | Fraction
    hours: int = 24
    min_served: float = 1.0
    response: Literal["buy", "hold"] = "buy"

    def __post_init__(self) -> None:
        """Check every field."""
        where = f"outage {fields.text('outage', 'region', self.region)!r}"
        known("kind of loss", self.lost, KINDS, where)
        known("response", self.response, ("buy", "hold"), where)
        object.__setattr__(self, "also", tuple(fields.text(where, "also", name) for name in self.also))
        if fields.text(where, "node", self.node) != ANY and not self.of_spot:
            mend = "leave out node, or write lost: spot"
            raise InputError("only spot markets are lost by node", where=where, mend=mend)
        fields.number(where, "probability", self.probability, (0, 1), above=True)
        fields.whole(where, "hours", self.hours, (1, MOST_HOURS))
        fields.number(where, "min_served", self.min_served, (0, 1))

    def matches(self, site: Key) -> bool:
        """Whether it may befall a region, named as us-east-1, aws/us-east-1, aws/* or *."""
        names = ("/".join(site), site[1])
        return any(fnmatchcase(name, pattern) for name in names for pattern in (self.region, *self.also))

    @property
    def of_spot(self) -> bool:
        """Whether spot markets are lost, and nothing else."""
        return self.lost.startswith("spot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What is lost at once."""

    places: tuple[Key, ...]  # regions
    outage: NamedOutage

    @property
    def name(self) -> str:
        """As people say it, "a zone of aws/us-east-1 is lost"."""
        o, named = self.outage, ["/".join(site) for site in self.places]
        place = " and ".join(named) if len(named) <= FEW else ", ".join((o.region, *o.also))
        zone = "a zone of " * (o.lost in {"zone", "spot_zone"})
        what = f"spot {'' if o.node == ANY else f'of {o.node} '}in " if o.of_spot else ""
        return f"{what}{zone}{place} is lost"

    def befalls(self, pool: Name) -> bool:
        """Whether a pool's spot market is lost."""
        return pool[:2] in self.places and fnmatchcase(pool[2], self.outage.node)


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """The states that are planned for: the scenarios of demand, then those once more under each outage. F futures."""

    scenarios: tuple[Scenario, ...]  # S, with their probability at any hour
    lost: tuple[Loss | None, ...]  # S
    future: tuple[Fraction, ...] = ()  # F
    share: tuple[tuple[Fraction, ...], ...] = ()  # [F][S]

    @property
    def outage(self) -> Array:
        """States in which something is lost, bool [S]."""
        return np.array([lost is not None for lost in self.lost])

    @property
    def hold(self) -> tuple[bool, ...]:
        """States in which no new node can be had [S]; () is none."""
        made = tuple(lost is not None and lost.outage.response == "hold" for lost in self.lost)
        return made if any(made) else ()

    def outages(self, blocks: Blocks, calm: Array, pools: Pools, zones: Array) -> Outages | None:
        """The zones that are there in each block; `calm` [2, n] as in Outages, zones [R]."""
        if not self.outage.any():
            return None
        up = np.repeat(np.maximum(zones, 1)[:, None], blocks.count, axis=1)
        spot, of_spot = up[pools.site], False
        for state, lost in enumerate(self.lost):
            mine = np.flatnonzero(blocks.scenario == state)
            if lost is None:
                continue
            taken = 1 if lost.outage.lost in {"zone", "spot_zone"} else up.max()
            hit = np.array([lost.befalls(pool) for pool in pools.names], dtype=bool)
            spot[np.ix_(hit, mine)] = np.maximum(spot[np.ix_(hit, mine)] - taken, 0)
            of_spot |= lost.outage.of_spot
            if not lost.outage.of_spot:
                rows = np.array([site in lost.places for site in pools.sites], dtype=bool)
                up[np.ix_(rows, mine)] = np.maximum(up[np.ix_(rows, mine)] - taken, 0)
        names = tuple("" if lost is None else lost.name for lost in self.lost)
        return Outages(
            up=up, state=names, probability=self.future, share=self.share, calm=calm, hold=self.hold,
            spot=spot if of_spot else None,
        )  # fmt: skip

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


def states(
    scenarios: Sequence[Scenario],
    outages: Sequence[NamedOutage],
    pools: Pools,
    on_spot: Array,
    hours: int,
    least_served: Mapping[str, Fraction | None],
) -> States:
    """Each scenario, and once more under each outage; the states' probabilities are those of any hour.

    Args:
        scenarios: of demand.
        outages: of which at most one comes within a horizon.
        pools: with something to lose.
        on_spot: pools in which something may run on spot, bool [Q].
        hours: of the horizon.
        least_served: workloads all of whose demand must be served, each with the share of it that an outage leaves to
            be served, None for the outage's own.
    """
    losses = [loss for o in outages for loss in _losses(o, pools, on_spot)]
    if len({(loss.places, loss.outage.lost, loss.outage.node) for loss in losses}) < len(losses):
        raise InputError("a region is named twice", where="outages", mend="keep one entry for each loss")
    if len(scenarios) * (1 + len(losses)) > MOST_STATES:
        message = f"{len(losses)} outages of {len(scenarios)} scenarios are more than {MOST_STATES} states"
        raise InputError(message, where="outages", mend="name fewer regions, or fewer scenarios")
    chance = [exact(loss.outage.probability) for loss in losses]
    if sum(chance, Fraction(0)) > 1:
        raise InputError("probabilities add up to more than 1", where="outages", mend="at most one comes in a horizon")
    share = [Fraction(min(loss.outage.hours, hours), hours) for loss in losses]
    calm = [exact(s.probability) for s in scenarios]
    made = [
        dataclasses.replace(
            s, probability=p * (1 - sum((c * t for c, t in zip(chance, share, strict=True)), Fraction(0)))
        )
        for s, p in zip(scenarios, calm, strict=True)
    ]
    future = [p * (1 - sum(chance, Fraction(0))) for p in calm]
    for loss, c, t in zip(losses, chance, share, strict=True):
        made += [_under(s, p * c * t, loss, least_served) for s, p in zip(scenarios, calm, strict=True)]
        future += [p * c for p in calm]
    rows = [
        _times(len(scenarios), len(made), k, ([Fraction(0), *share])[k // len(scenarios)]) for k in range(len(made))
    ]
    lost = (None,) * len(scenarios) + tuple(loss for loss in losses for _ in scenarios)
    return States(scenarios=tuple(made), lost=lost, future=tuple(future), share=tuple(rows))


def _times(scenarios: int, count: int, k: int, share: Fraction) -> tuple[Fraction, ...]:
    """Share of its time that future k spends in each state."""
    row = [Fraction(0)] * count
    row[k % scenarios] = 1 - share
    row[k] += share
    return tuple(row)


def _losses(outage: NamedOutage, pools: Pools, on_spot: Array) -> list[Loss]:
    """Each region that matches, in turn; or all of them at once."""
    able = [pool for pool, spot in zip(pools.names, on_spot.tolist(), strict=True) if spot or not outage.of_spot]
    sites = [site for site in pools.sites if any(pool[:2] == site for pool in able)]
    hit = [site for site in sites if outage.matches(site)]
    found = [site for site in hit if any(p[:2] == site and fnmatchcase(p[2], outage.node) for p in able)]
    if not found:
        names = ["/".join(site) for site in sites]
        what = "region with a candidate on spot" if outage.of_spot else "region with a candidate"
        if hit:
            message = f"no node there with a candidate on spot is named {outage.node!r:.80}"
            raise InputError(message, where="outages", mend=nearest(outage.node, [p[2] for p in able if p[:2] in hit]))
        message = f"no {what} is named {outage.region!r:.80}"
        raise InputError(message, where="outages", mend=nearest(outage.region, names))
    for pattern in outage.also:
        if not any(dataclasses.replace(outage, region=pattern, also=()).matches(site) for site in found):
            message = f"no region that can be lost is named {pattern!r:.80}"
            raise InputError(message, where="outages", mend=nearest(pattern, ["/".join(site) for site in sites]))
    at_once = outage.together or outage.also
    return [Loss(places=places, outage=outage) for places in ([tuple(found)] if at_once else [(x,) for x in found])]


def _under(s: Scenario, probability: Fraction, loss: Loss, least_served: Mapping[str, Fraction | None]) -> Scenario:
    """A scenario while something is lost: of what must be served no more is asked than must be served then."""
    shares = {w: exact(loss.outage.min_served) if own is None else own for w, own in least_served.items()}
    factors = [WorkloadFactor(workload=w, factor=s.own_factor(w) * share) for w, share in shares.items()]
    kept = [f for f in s.demand_factors if f.workload not in shares]
    name = f"{s.name}, {loss.name}"
    return dataclasses.replace(
        s, name=name[: fields.NAME_LENGTH], probability=probability, demand_factors=(*kept, *factors)
    )


def in_outages(limits: Limits, problem: Problem) -> Limits:
    """Quotas within a region that loses a zone lose as many nodes, spread evenly, rounded down; of spot, a market."""
    if problem.outages is None:
        return limits
    quotas = []
    for q in limits.quotas:
        pools = list(q.pools)
        site = np.unique(problem.pool_site[pools])
        up = problem.spot_up[pools].max(axis=0) if q.kind == "spot" else problem.outages.up[site[0]]
        zones = max(1, int(problem.sites.zones[site[0]]))
        if len(site) == 1 and (up < zones).any():
            quotas.append(dataclasses.replace(q, missing=tuple((q.max_nodes * (zones - up) // zones).tolist())))
        else:
            quotas.append(q)
    return dataclasses.replace(limits, quotas=tuple(quotas))
