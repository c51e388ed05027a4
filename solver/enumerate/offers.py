"""What is on sale in which pool, and the offers of a problem."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..calendar import HOURS_A_DAY, Cells, Horizon
from ..errors import InputError
from ..finance import add_months
from ..money import to_usd
from ..problem import COMMITMENT, OFFER_KINDS, SPOT, Offers
from .names import known

if TYPE_CHECKING:
    from costdata import Catalog

    from ..workloads import Workload

Array = np.ndarray[Any, np.dtype[Any]]
Key = tuple[str, str]
Name = tuple[str, str, str]
Days = tuple[datetime.date, datetime.date]
COLUMNS = (
    *("provider", "region", "node", "kind", "option", "micro_usd_per_hour", "upfront_micro_usd", "term_months"),
    *("interruptions_per_month", "valid_from", "source"),
)
HOURS_A_MONTH = 730  # only to rank offers of one option in one pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """One thing on sale in a pool, or held there already."""

    pool: Name  # provider, region, node
    kind: int
    option: str
    micro_usd_per_hour: int
    upfront_micro_usd: int
    days: Days | None = None  # of a commitment: its start, and the day after its end
    owned_nodes: int = 0
    interruptions_per_month: float = 0.0
    valid_from: str = ""
    source: str = ""

    @property
    def term_hours(self) -> int:
        """True hours of a commitment's term."""
        return (self.days[1] - self.days[0]).days * HOURS_A_DAY if self.days else 0

    @property
    def micro_usd_per_hour_in_all(self) -> int:
        """With the upfront payment spread over the term, rounded up."""
        return self.micro_usd_per_hour - (-self.upfront_micro_usd // max(1, self.term_hours))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """Node shapes in regions, sorted by name; shapes and sites are those the pools use, sorted too."""

    names: tuple[Name, ...]  # Q
    shapes: tuple[Key, ...]  # N provider and node
    sites: tuple[Key, ...]  # R provider and region
    shape: Array  # int64 [Q]
    site: Array  # int64 [Q]

    @classmethod
    def of(cls, names: Iterable[Name]) -> Pools:
        """Pools of these names."""
        every = tuple(sorted(set(names)))
        shapes, sites = tuple(sorted({(p, n) for p, _, n in every})), tuple(sorted({(p, r) for p, r, _ in every}))
        shape, site = ({key: i for i, key in enumerate(keys)} for keys in (shapes, sites))
        return cls(
            names=every,
            shapes=shapes,
            sites=sites,
            shape=np.array([shape[p, n] for p, _, n in every], dtype=np.int64),
            site=np.array([site[p, r] for p, r, _ in every], dtype=np.int64),
        )


def check_options(catalog: Catalog, options: Sequence[str]) -> None:
    """Refuse options that nobody sells or that cannot be planned."""
    if not options:
        raise InputError("no purchase option is allowed", where="options", mend="name at least one, such as on_demand")
    from costdata.mechanisms import USD, mechanisms
    from costdata.packaged import options as packaged

    paid_at_once = {m.option for m in mechanisms().values() if m.unit == USD and m.upfront_share}
    kinds = {name: option.kind for name, option in packaged().items()}
    kinds |= dict(zip(catalog.offers.option.tolist(), catalog.offers.kind.tolist(), strict=True))
    for option in options:
        known("option", option, kinds, "options")
        if kinds[option] not in OFFER_KINDS:
            mend = "leave it out; `autoparallel prices` lists what it costs"
            raise InputError(f"{option} is priced, but cannot be planned yet", where="options", mend=mend)
        if option in paid_at_once:
            mend = "leave it out; `autoparallel commit` plans what is paid at once for dollars an hour"
            raise InputError(f"{option} commits to dollars an hour, not to nodes", where="options", mend=mend)


def lots(catalog: Catalog, options: Sequence[str], nodes: set[Key], starts: Sequence[datetime.date]) -> list[Lot]:
    """The cheapest lot of each pool and option among these nodes, a commitment once for each start."""
    best: dict[tuple[str, ...], tuple[Any, ...]] = {}
    allowed = np.array([option in options for option in catalog.offers.option.tolist()], dtype=bool)
    mine = catalog.offers.take(allowed)
    for row in zip(*(getattr(mine, name).tolist() for name in COLUMNS), strict=True):
        provider, region, node, kind, option, rate, upfront, months, *rest = row
        if (provider, node) in nodes:
            key = (provider, region, node, kind, option if kind == "commitment" else "")
            rank = (rate * HOURS_A_MONTH * max(1, months) + upfront, option, rate, upfront, months, *rest)
            best[key] = min(best.get(key, rank), rank)
    return [lot for key, rank in best.items() for lot in _lots(key, rank[1:], starts)]


def _lots(key: tuple[str, ...], row: tuple[Any, ...], starts: Sequence[datetime.date]) -> Iterator[Lot]:
    """The lot of a row of COLUMNS from `option` on, one for each start if it is a commitment."""
    provider, region, node, kind, _ = key
    option, rate, upfront, months, interruptions, valid_from, source = row
    for start in starts if kind == "commitment" else (None,):
        yield Lot(
            pool=(provider, region, node),
            kind=OFFER_KINDS.index(kind),
            option=option,
            micro_usd_per_hour=rate,
            upfront_micro_usd=upfront,
            days=(start, add_months(start, months)) if start else None,
            interruptions_per_month=interruptions if kind == "spot" else 0.0,
            valid_from=valid_from,
            source=source,
        )


def owned(catalog: Catalog, horizon: Horizon) -> list[Lot]:
    """Commitments held already that reach into the horizon."""
    return [
        Lot(
            pool=(c.provider, c.region, c.node),
            kind=COMMITMENT,
            option=c.option,
            micro_usd_per_hour=c.micro_usd_per_hour,
            upfront_micro_usd=c.upfront_micro_usd,
            days=(c.starts, c.ends),
            owned_nodes=c.nodes,
            source=c.source,
        )
        for c in catalog.commitments
        if c.nodes > 0 and c.starts < horizon.end and c.ends > horizon.start
    ]


def has_market(lots: Iterable[Lot], pools: Pools) -> tuple[Array, Array]:
    """Whether each pool has firm nodes, bool [Q], and its spot interruptions a month, NaN without a spot market [Q]."""
    at = {name: i for i, name in enumerate(pools.names)}
    firm, spot = np.zeros(len(at), dtype=bool), np.full(len(at), np.nan)
    for lot in lots:
        if lot.kind == SPOT:
            spot[at[lot.pool]] = lot.interruptions_per_month
        else:
            firm[at[lot.pool]] = True
    return firm, spot


def offer_table(lots: Sequence[Lot], pools: Pools, horizon: Horizon, cells: Cells, cell: Array) -> Offers:
    """Columns of the lots, sorted by pool, kind, option and start.

    Args:
        lots: what is on sale or held in the pools.
        pools: the pools.
        horizon: the months.
        cells: the hours before merging.
        cell: a cell of each block [B].
    """
    at = {name: i for i, name in enumerate(pools.names)}
    rows = sorted(
        lots, key=lambda o: (at[o.pool], o.kind, o.owned_nodes > 0, o.option, o.days or (), o.source, repr(o))
    )
    spans = sorted({lot.days for lot in rows if lot.days})
    none = np.zeros((1, len(horizon.periods)), dtype=np.int64)
    paid = np.concatenate([*(horizon.hours(*days)[None] for days in spans), none])
    active = np.stack([*(cells.inside(*days)[cell] for days in spans), np.zeros(len(cell), dtype=bool)])
    span = np.array([spans.index(o.days) if o.days else len(spans) for o in rows], dtype=np.int64)

    def column(values: Iterable[Any], dtype: Any = np.int64) -> Array:
        return np.array(list(values), dtype=dtype)

    return Offers(
        pool=column(at[o.pool] for o in rows),
        kind=column(o.kind for o in rows),
        option=column((o.option for o in rows), object),
        micro_usd_per_hour=column(o.micro_usd_per_hour for o in rows),
        upfront_micro_usd=column(o.upfront_micro_usd for o in rows),
        term_hours=column(o.term_hours for o in rows),
        paid_hours=paid[span],
        active=active[span],
        starts=column((o.days[0].isoformat() if o.days else "" for o in rows), object),
        owned_nodes=column(o.owned_nodes for o in rows),
        interruptions_per_month=column((o.interruptions_per_month for o in rows), float),
        valid_from=column((o.valid_from for o in rows), object),
        source=column((o.source for o in rows), object),
    )


def without_spot(workloads: Iterable[Workload], options: Sequence[str]) -> list[str]:
    """Warnings of workloads that may run on spot where none may be bought."""
    if "spot" in options:
        return []
    return [
        f"{w.where}: max_spot_share {w.max_spot_share:g} changes nothing: spot is not among the options"
        for w in workloads
        if w.max_spot_share > 0
    ]


def beyond(lots: Iterable[Lot], horizon: Horizon) -> list[str]:
    """What commitments go on costing after the horizon, a warning for each option and start."""
    after: dict[tuple[str, Days], list[int]] = {}
    for lot in lots:
        if lot.days and lot.days[1] > horizon.end and not lot.owned_nodes:
            hours = (lot.days[1] - max(lot.days[0], horizon.end)).days * HOURS_A_DAY
            after.setdefault((lot.option, lot.days), []).append(hours * lot.micro_usd_per_hour_in_all)
    return [
        f"{option} from {start} runs until {end}, {(end - horizon.end).days} days beyond the horizon: "
        f"each node then costs another ${to_usd(min(costs)):,.0f} to ${to_usd(max(costs)):,.0f}, not in this plan"
        for (option, (start, end)), costs in sorted(after.items())
    ]
