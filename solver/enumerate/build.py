"""Build the Problem: modes, pools, candidates, blocks, offers and limits, in this order."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from ..bill import IDLE_NAME
from ..calendar import HOURS_A_DAY, Cells, Horizon, Scenario, exact, make_cells, merge, probabilities
from ..errors import InputError
from ..money import to_micro
from ..problem import SPOT, Accounting, Blocks, Candidates, Problem, Shapes, Sites, Sources, Workloads
from ..table import Table
from ..workloads.modes import ModeTable
from .candidates import Finder, candidate_table
from .limits import NamedLimits, chances, least_served, resolve, spread, uncertain, unserved
from .names import check_filters, known
from .offers import Lot, Pools, beyond, check_options, has_market, lots, offer_table, owned, without_spot
from .outages import in_outages, states
from .sources import shortened, sources

if TYPE_CHECKING:
    from costdata import Catalog

    from ..workloads import Workload
    from ..workloads.modes import Excuse
    from .candidates import Places
    from .limits import PriceRange
    from .outages import NamedOutage, States
    from .sources import Source

Array = np.ndarray[Any, np.dtype[Any]]
DEFAULT_OPTIONS = ("on_demand", "spot", "commit_1y")
DEARER = 10  # unserved demand costs so many times the dearest way to serve it, where the user names no price


def enumerate_problem(  # noqa: PLR0913 (the parts of a problem, by name)
    *,
    name: str,
    catalog: Catalog,
    workloads: Sequence[Workload],
    horizon: Horizon,
    options: Sequence[str] = DEFAULT_OPTIONS,
    limits: NamedLimits | None = None,
    scenarios: Sequence[Scenario] = (),
    outages: Sequence[NamedOutage] = (),
    risk_weight: float = 0.0,
    price_ranges: Sequence[PriceRange] = (),
    robust_budget: int = 0,
    commitment_starts: Sequence[datetime.date] = (),
    accounting: Accounting = "amortised",
    provenance: Mapping[str, str] | None = None,
) -> Problem:
    """The complete problem of serving workloads from a catalogue.

    Args:
        name: of the plan.
        catalog: what is on sale, already narrowed to the providers and regions that come into question.
        workloads: with different names.
        horizon: first day and months.
        options: purchase options allowed.
        limits: quotas, budgets and carbon.
        scenarios: futures of demand; one by default.
        outages: regions and zones that may be lost.
        risk_weight: of the worst futures in the objective (see `NamedLimits.cvar`); the rest is expected cost.
        price_ranges: offers whose prices may rise.
        robust_budget: how many of them rise in the worst case that the objective counts; 0 counts none.
        commitment_starts: days on which commitments may start; by default the first of the horizon.
        accounting: upfront payments spread over their term, or in the month they are paid.
        provenance: kept with the problem, beside what is known of the catalogue.

    Raises:
        InputError: a name nobody knows, or fields that contradict one another.
    """
    limits, scenarios = limits or NamedLimits(), tuple(scenarios) or (Scenario(),)
    starts = tuple(sorted(commitment_starts)) or (horizon.start,)
    _check(catalog, workloads, horizon, starts, accounting)
    check_options(catalog, options)
    tables = [w.modes(catalog) for w in workloads]
    nodes = {key for modes, _ in tables for key in zip(modes.provider.tolist(), modes.node.tolist(), strict=True)}
    held = owned(catalog, horizon)
    sale = [*lots(catalog, options, nodes, starts), *held]
    wide = Pools.of(lot.pool for lot in sale)
    demand = sources(workloads, catalog, horizon)
    found, excuses = _placed(Finder(catalog, wide, *has_market(sale, wide)), workloads, tables, demand)
    pools, new_row = _used(wide, found, held)
    sale = [lot for lot in sale if lot.pool in set(pools.names)]
    candidates = candidate_table(found, new_row)
    names = [w.name for w in workloads]
    probabilities(scenarios)
    _check_factors(scenarios, names)
    served = least_served(limits, names, [w.unserved_usd_per_unit is None and w.kind == "serving" for w in workloads])
    on_spot = np.isin(np.arange(len(pools.names)), candidates.pool[candidates.market == SPOT])
    hours = int(horizon.hours(horizon.start, horizon.end).sum())
    planned = states(scenarios, outages, pools, on_spot, hours, served)
    clean = _clean(catalog, pools) if limits.counts_carbon else None
    scheme = _Scheme.of(horizon, planned, demand, names, sale, months_apart=limits.has_monthly_budget, clean=clean)
    offers = offer_table(sale, pools, horizon, scheme.cells, scheme.cell)
    sites = _sites(catalog, pools)
    told = [*beyond(sale, horizon), *shortened(workloads, horizon), *without_spot(workloads, options)]
    made = Problem(
        name=name,
        blocks=scheme.blocks,
        sites=sites,
        shapes=_shapes(catalog, pools),
        pool_shape=pools.shape,
        pool_site=pools.site,
        offers=offers,
        workloads=_workloads(workloads, candidates, _dearest(sale, pools)),
        sources=_sources(demand, pools, scheme),
        candidates=candidates,
        modes=_modes([modes for modes, _ in found]),
        limits=resolve(limits, catalog, pools, len(horizon.periods), accounting),
        outages=planned.outages(scheme.blocks, planned.same_hours(scheme.cells, scheme.blocks), pools, sites.zones),
        grid_g_co2_per_kwh=None if clean is None else clean[:, scheme.cells.hour[scheme.cell]],
        excuses=_excuse_table(excuses),
        provenance=_provenance(catalog, told, provenance or {}),
    )
    risks = {"risk_weight": exact(risk_weight), "uncertain": uncertain(price_ranges, made)}
    apart = {"chances": chances(limits, made), "shares": spread(workloads)}
    return _guarded(made, limits, **risks, **apart, robust_budget=robust_budget)


def _guarded(made: Problem, limits: NamedLimits, **risks: Any) -> Problem:
    """With the limits that are of the problem made: what holds in outages, tails of what is not served, prices."""
    guards = dataclasses.replace(in_outages(made.limits, made), unserved=unserved(limits, made), **risks)
    return dataclasses.replace(made, limits=guards)


def _placed(
    finder: Finder,
    workloads: Sequence[Workload],
    tables: Sequence[tuple[ModeTable, Sequence[Excuse]]],
    demand: Sequence[Source],
) -> tuple[list[tuple[ModeTable, Places]], list[Excuse]]:
    """The modes of each workload with the places where it may run in them, and why not in others."""
    found: list[tuple[ModeTable, Places]] = []
    excuses: list[Excuse] = []
    for index, (workload, (modes, refused)) in enumerate(zip(workloads, tables, strict=True)):
        places, missing = finder.find(workload, modes, [s for s in demand if s.workload == index])
        found.append((modes, places))
        excuses += [*refused, *missing]
    return found, excuses


def _check_factors(scenarios: Sequence[Scenario], names: Sequence[str]) -> None:
    for s in scenarios:
        for factor in s.demand_factors:
            known("workload", factor.workload, names, f"scenario {s.name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scheme:
    """The horizon in blocks, and a cell of each."""

    cells: Cells
    blocks: Blocks
    cell: Array  # int64 [B]
    units: Array  # int64 [D, B]
    window: Array  # bool [D, B]

    @classmethod
    def of(
        cls,
        horizon: Horizon,
        planned: States,
        demand: Sequence[Source],
        names: Sequence[str],
        sale: Sequence[Lot],
        *,
        months_apart: bool,
        clean: Array | None = None,
    ) -> _Scheme:
        """Cut the horizon at windows and commitments, and merge hours alike (of a month, where months have budgets)."""
        spans = sorted({lot.days for lot in sale if lot.days})
        cuts = {day for span in spans for day in span} | {day for s in demand if s.days for day in s.days}
        scenarios = planned.scenarios
        cells = make_cells(horizon, len(scenarios), cuts)
        calm = ~planned.outage[cells.scenario]  # jobs wait in outages, and no month is paid in them
        factors = [[k.factor(names[s.workload]) for k in scenarios] for s in demand]
        months = len(horizon.periods)
        units = np.stack([s.units(cells, own, months) for s, own in zip(demand, factors, strict=True)])
        window = np.stack(
            [np.ones(len(cells.hours), bool) if s.days is None else cells.inside(*s.days) & calm for s in demand]
        )
        jobs = np.array([s.days is not None for s in demand])
        requirement = np.vstack(
            [
                units,
                *(cells.inside(*span)[None] for span in spans),
                cells.month * calm if months_apart else np.zeros_like(cells.month),
            ]
        )
        if clean is not None:  # hours with another grid are other hours; g CO2e/kWh [R, 24]
            kind = np.unique(clean, axis=1, return_inverse=True)[1].reshape(-1)
            requirement = np.vstack([requirement, kind[cells.hour][None, :]])
        if planned.hold:  # such an hour has what the same hour has when nothing is lost: they are not merged across
            requirement = np.vstack([requirement, _calm_label(planned, cells, np.vstack([requirement, window]))])
        share = tuple(exact(s.probability) for s in scenarios)
        blocks, cell = merge(cells, requirement, window[jobs], horizon, share)
        return cls(cells=cells, blocks=blocks, cell=cell, units=units[:, cell], window=window[:, cell])


def _clean(catalog: Catalog, pools: Pools) -> Array | None:
    """Grams of CO2e a kilowatt-hour of each region by UTC hour, float [R, 24]; None where no hours are told apart."""
    carbon = getattr(catalog, "carbon", {})
    if not any(site in carbon for site in pools.sites):
        return None
    return np.array([carbon.get(site, (catalog.regions[site].g_co2_per_kwh,) * HOURS_A_DAY) for site in pools.sites])


def _calm_label(planned: States, cells: Cells, requirement: Array) -> Array:
    """What of each hour in which no new node can be had the same hour without the outage is, 0 of others; [1, K]."""
    each, count = len(cells.hours) // len(planned.scenarios), int(planned.outage.argmax())
    label = 1 + np.unique(requirement, axis=1, return_inverse=True)[1].reshape(-1)
    cell = np.arange(len(cells.hours))
    calm = (cells.scenario % count) * each + cell % each
    return np.where(np.array(planned.hold)[cells.scenario], label[calm], 0)[None, :]


def _check(
    catalog: Catalog, workloads: Sequence[Workload], horizon: Horizon, starts: Sequence[datetime.date], accounting: str
) -> None:
    if not workloads:
        raise InputError("there is nothing to plan", where="workloads", mend="add at least one workload")
    if not len(catalog.offers):
        message = f"nothing is on offer as of {catalog.as_of}"
        raise InputError(message, where="prices", mend="choose a later as_of, or fewer providers and regions")
    seen: set[str] = set()
    for w in workloads:
        if w.name in seen:
            raise InputError(f"two workloads are named {w.name!r}", where="workloads", mend="give each its own name")
        seen.add(w.name)
        if w.name == IDLE_NAME:
            raise InputError(f"{IDLE_NAME} is what nobody uses", where=w.where, mend="give the workload another name")
        filters = {f: getattr(w, f) for f in ("residency", "regions", "providers", "accelerators")}
        check_filters(catalog, w.where, filters)
    known("accounting", accounting, get_args(Accounting), "accounting")
    for day in starts:
        if not horizon.start <= day < horizon.end:
            raise InputError(
                f"{day} is not in the horizon {horizon.start} to {horizon.end}",
                where="commitment_starts",
                mend="name days inside it; commitments held already belong in the overrides",
            )
    if len(set(starts)) < len(starts):
        raise InputError("a day stands there twice", where="commitment_starts")


def _used(wide: Pools, found: Sequence[tuple[ModeTable, Places]], held: Sequence[Lot]) -> tuple[Pools, Array]:
    """Pools that have a candidate or a commitment held already, and the new row of each old pool (-1: gone)."""
    used = np.isin(np.array(["/".join(n) for n in wide.names], object), ["/".join(lot.pool) for lot in held])
    for _, places in found:
        used[places.pool] = True
    pools = Pools.of(name for name, kept in zip(wide.names, used, strict=True) if kept)
    return pools, np.where(used, np.cumsum(used) - 1, -1)


def _dearest(sale: Sequence[Lot], pools: Pools) -> Array:
    """The dearest node-hour of each pool on firm nodes and on spot, micro-dollars, int64 [Q, 2]."""
    at = {name: i for i, name in enumerate(pools.names)}
    made = np.zeros((len(at), 2), dtype=np.int64)
    for lot in sale:
        row, market = at[lot.pool], int(lot.kind == SPOT)
        made[row, market] = max(made[row, market], lot.micro_usd_per_hour_in_all)
    return made


def _workloads(workloads: Sequence[Workload], c: Candidates, dearest: Array) -> Workloads:
    per_unit = -(-DEARER * dearest[c.pool, c.market] * c.nodes_per_replica // np.maximum(c.units_per_hour, 1))
    derived = np.ones(len(workloads), dtype=np.int64)
    np.maximum.at(derived, c.workload, per_unit)
    price = [_price(w, int(own)) for w, own in zip(workloads, derived, strict=True)]

    def text(field: str) -> Array:
        return np.array([getattr(w, field) for w in workloads], dtype=object)

    def whole(field: str) -> Array:
        return np.array([getattr(w, field, 0) for w in workloads], dtype=np.int64)

    return Workloads(
        name=text("name"),
        kind=text("kind"),
        unit=text("unit"),
        team=text("team"),
        ttft_ms=np.array([getattr(w, "ttft_ms", np.inf) for w in workloads], dtype=np.float64),
        max_spot_share=tuple(exact(w.max_spot_share) for w in workloads),
        max_spot_share_per_region=tuple(exact(w.max_spot_share_per_region) for w in workloads),
        max_spot_share_per_zone=tuple(exact(w.max_spot_share_per_zone) for w in workloads),
        unserved_micro_usd_per_unit=np.array(price, dtype=np.int64),
        must_serve=np.array([w.unserved_usd_per_unit is None for w in workloads]),
        residency=tuple(w.residency for w in workloads),
        input_tokens=whole("input_tokens"),
        output_tokens=whole("output_tokens"),
    )


def _price(workload: Workload, derived: int) -> int:
    """Micro-dollars of a unit left unserved."""
    price = workload.unserved_usd_per_unit
    if price is None:
        return derived
    micro = to_micro(str(price))
    if micro == 0 < price:
        raise InputError(
            f"unserved_usd_per_unit is {price}, less than a millionth of a dollar",
            where=workload.where,
            mend="write at least 0.000001, 0 for demand that may be dropped, or leave it out for demand that may not",
        )
    return micro


def _sources(demand: Sequence[Source], pools: Pools, scheme: _Scheme) -> Sources:
    return Sources(
        workload=np.array([s.workload for s in demand], dtype=np.int64),
        origin=np.array([s.origin for s in demand], dtype=object),
        units_per_hour=scheme.units,
        total_units=np.array([s.total_units for s in demand], dtype=np.int64),
        window=scheme.window,
        rtt_ms=np.stack([s.round_trips(pools.sites) for s in demand]),
        transfer_pico_usd_per_unit=np.stack([s.transfer(pools.sites) for s in demand]),
    )


def _sites(catalog: Catalog, pools: Pools) -> Sites:
    regions = [catalog.regions[key] for key in pools.sites]

    def column(field: str, dtype: Any) -> Array:
        return np.array([getattr(r, field) for r in regions], dtype=dtype)

    return Sites(
        provider=column("provider", object),
        region=column("name", object),
        country=column("country", object),
        jurisdiction=column("jurisdiction", object),
        latitude=column("latitude", np.float64),
        longitude=column("longitude", np.float64),
        zones=column("zones", np.int64),
        g_co2_per_kwh=column("g_co2_per_kwh", np.float64),
    )


def _shapes(catalog: Catalog, pools: Pools) -> Shapes:
    nodes = [catalog.nodes[key] for key in pools.shapes]
    return Shapes(
        provider=np.array([n.provider for n in nodes], dtype=object),
        node=np.array([n.name for n in nodes], dtype=object),
        accelerator=np.array([n.accelerator for n in nodes], dtype=object),
        accelerators=np.array([n.accelerators for n in nodes], dtype=np.int64),
        power_w=np.array([n.power_w for n in nodes], dtype=np.int64),
    )


def _modes(tables: Sequence[ModeTable]) -> Table:
    rows = np.repeat(np.arange(len(tables)), [len(t) for t in tables])
    return ModeTable.concat(tables).to_table().with_columns(workload=rows)


def _excuse_table(excuses: Sequence[Excuse]) -> Table:
    return Table(
        {
            "workload": np.array([e.workload for e in excuses], dtype=object),
            "provider": np.array([e.provider for e in excuses], dtype=object),
            "node": np.array([e.node for e in excuses], dtype=object),
            "region": np.array([""] * len(excuses), dtype=object),
            "bottleneck": np.array([e.bottleneck for e in excuses], dtype=object),
            "detail": np.array([e.detail for e in excuses], dtype=object),
        }
    )


def _provenance(catalog: Catalog, warnings: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Catalogue and warnings (a JSON list), and what the caller adds."""
    return {
        "catalog_digest": catalog.digest,
        "as_of": str(catalog.as_of),
        "overrides": catalog.overrides,
        "spec": "",
        "warnings": json.dumps([*catalog.warnings, *warnings], ensure_ascii=False),
        **given,
    }
