"""What can be committed to for the pools in use: offers of a catalogue, mechanism by mechanism, start by start.

A rate that nobody publishes is not offered: a reservation of a shape without a price is no choice, and a spend
commitment covers only the shapes it has a rate for.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from costdata import blocks as capacity_blocks
from costdata import mechanisms
from costdata.errors import DataError
from costdata.schema import OwnedCommitment, SpendCommitment

from ..errors import InputError
from ..finance import add_months
from .nouns import HOURS_A_DAY, Choices, Pools

if TYPE_CHECKING:
    from costdata import Catalog
    from costdata.mechanisms import Mechanism

Pool = tuple[str, str, str]  # provider, region, node
BLOCK, BLOCK_ORDER = "capacity_block", 5  # what runs in a block is its own, before any reservation
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """An offer of a commitment: micro-dollars an hour of a node, upfront payment, term."""

    hour: int
    upfront: int
    months: int
    source: str

    def a_term(self, hours: int) -> Fraction:
        """All of it, an hour."""
        return self.hour + Fraction(self.upfront, hours)


def pools_of(catalog: Catalog, names: Sequence[tuple[str, Pool]]) -> Pools:
    """Pools by account and (provider, region, node), with their prices on demand.

    Raises:
        InputError: one that has no price on demand.
    """
    prices = _prices(catalog, ["on_demand"])
    found = []
    for account, pool in names:
        offer = prices.get((*pool, "on_demand"))
        if offer is None:
            there = sorted(f"{p}/{r}/{n}" for p, r, n, _ in prices if n == pool[2] and p == pool[0])[:3]
            mend = f"it is offered as {', '.join(there)}" if there else "autoparallel prices lists what is offered"
            raise InputError(f"no price on demand of {'/'.join(pool)}", where=f"pool {'/'.join(pool)}", mend=mend)
        found.append((account, *pool, offer.hour))
    columns = list(zip(*found, strict=True)) if found else [()] * 5
    text = [np.array(list(column), dtype=object) for column in columns[:4]]
    return Pools(
        account=text[0], provider=text[1], region=text[2], node=text[3],
        on_demand_micro_usd=np.array(columns[4], dtype=np.int64),
    )  # fmt: skip


def _prices(catalog: Catalog, options: Iterable[str]) -> dict[tuple[str, str, str, str], Rate]:
    """Offers by provider, region, node and option."""
    o, wanted = catalog.offers, set(options)
    rows = np.flatnonzero([name in wanted for name in o.option.tolist()])
    return {
        (o.provider[i], o.region[i], o.node[i], o.option[i]): Rate(
            hour=int(o.micro_usd_per_hour[i]), upfront=int(o.upfront_micro_usd[i]), months=int(o.term_months[i]),
            source=str(o.source[i]),
        )
        for i in rows.tolist()
    }  # fmt: skip


def choices(
    catalog: Catalog,
    pools: Pools,
    start: datetime.date,
    *,
    options: Sequence[str] | None = None,
    starts: Sequence[datetime.date] = (),
    shared: bool = True,
    windows: Sequence[tuple[datetime.date, datetime.date]] = (),
) -> Choices:
    """Everything that can be committed to for these pools, and what is owned already.

    Args:
        catalog: offers, and commitments owned already.
        pools: where nodes run.
        start: first day of the usage.
        options: commitments that may be bought; None: all that are offered. What is owned counts in any case.
        starts: days on which they may begin; by default the first. Days on which owned ones end are added.
        shared: whether a commitment covers the usage of all accounts, or only of the one it is bought in.
        windows: first days, and days after the last, of capacity blocks that may be bought.
    """
    names = list(zip(pools.provider.tolist(), pools.region.tolist(), pools.node.tolist(), strict=True))
    owned = list(_owned(catalog, pools, names, start, shared=shared))
    days = {*(starts or (start,)), *(row["ends"] for row in owned if row["ends"] > start)}
    wanted = _commitments(catalog) if options is None else list(options)
    accounts = [""] if shared else sorted(set(pools.account.tolist()))
    rows = list(owned)
    prices = _prices(catalog, wanted)
    for provider in sorted(set(pools.provider.tolist())):
        for option in wanted:
            how = _mechanism(provider, option)
            if how is not None:
                lots = _spend if how.unit == mechanisms.USD else _nodes
                for account in accounts:
                    mine = [q for q, a in enumerate(pools.account.tolist()) if shared or a == account]
                    rows += [
                        {**lot, "account": account, "buyer": account}
                        for lot in lots(how, catalog, names, mine, prices, sorted(days), start)
                    ]
    return Choices.of([*rows, *blocks(catalog, pools, start, windows)], len(names))


def blocks(
    catalog: Catalog, pools: Pools, start: datetime.date, windows: Sequence[tuple[datetime.date, datetime.date]]
) -> list[Row]:
    """Capacity blocks in these windows (first day, day after the last), at the listed price, paid at once.

    Raises:
        InputError: a window in which no provider of the pools sells a block.
    """
    names = list(zip(pools.provider.tolist(), pools.region.tolist(), pools.node.tolist(), strict=True))
    prices, made = _prices(catalog, [BLOCK]), list[Row]()
    for first, last in windows:
        days, where = (last - first).days, f"block {first}:{last}"
        if first < start:
            raise InputError("begins before the usage does", where=where, mend=f"{start} or later")
        lots = [
            (q, prices[*pool, BLOCK], capacity_blocks.of(pool[0], days))
            for q, pool in enumerate(names)
            if (*pool, BLOCK) in prices
        ]
        if not any(sizes for _, _, sizes in lots):
            mend = "1 to 14 days, or weeks up to 182 days; autoparallel prices --option capacity_block lists where"
            raise InputError(f"no capacity block of {days} days is sold for any pool", where=where, mend=mend)
        for q, offer, sizes in lots:
            if sizes is not None:
                takes = [0] * len(names)
                takes[q] = 1
                made.append(
                    {
                        "option": BLOCK, "title": f"Capacity block until {last}", "where": "/".join(names[q]),
                        "account": pools.account[q], "buyer": pools.account[q], "unit": "node", "order": BLOCK_ORDER,
                        "capacity": 1, "takes": takes, "micro_usd_per_hour": 0,
                        "upfront_micro_usd": offer.hour * days * HOURS_A_DAY, "owned": 0,
                        "first_hour": (first - start).days * HOURS_A_DAY,
                        "last_hour": (last - start).days * HOURS_A_DAY, "most": sizes.most_nodes_in_all,
                        "source": offer.source, "ends": last,
                    }
                )  # fmt: skip
    return made


def _commitments(catalog: Catalog) -> list[str]:
    """Options of commitments that are offered."""
    o = catalog.offers
    return sorted(set(o.option[o.kind == "commitment"].tolist()))


def _mechanism(provider: str, option: str) -> Mechanism | None:
    try:
        return mechanisms.mechanism(provider, option)
    except DataError:
        return None


def _nodes(
    how: Mechanism, catalog: Catalog, names: Sequence[Pool], mine: Sequence[int],
    prices: dict[Any, Rate], days: Sequence[datetime.date], start: datetime.date,
) -> Iterator[Row]:  # fmt: skip
    """Reservations: of each thing they can be bound to, the shape that is cheapest for its size."""
    best: dict[Pool, tuple[Fraction, int, int]] = {}
    for q in mine:
        offer = prices.get((*names[q], how.option))
        if names[q][0] == how.provider and offer is not None:
            size = mechanisms.size(how.provider, names[q][2], catalog.nodes)
            key = how.key(names[q])
            best[key] = min(best.get(key, (Fraction(10**18), 0, 0)), (_an_hour(offer) / size, size, q))
    for _, size, q in best.values():
        offer = prices[(*names[q], how.option)]
        takes = [0] * len(names)
        for other in mine:
            if how.covers(names[q], names[other]):
                takes[other] = mechanisms.size(how.provider, names[other][2], catalog.nodes)
        for day in days:
            yield _row(how, "/".join(names[q]), takes, size, offer, day, start)


def _an_hour(offer: Rate) -> Fraction:
    return offer.a_term(730 * max(1, offer.months))  # only to rank offers of one term


def _spend(
    how: Mechanism, catalog: Catalog, names: Sequence[Pool], mine: Sequence[int],
    prices: dict[Any, Rate], days: Sequence[datetime.date], start: datetime.date,
) -> Iterator[Row]:  # fmt: skip
    """Spend commitments: of each thing they can be bound to, with the rates of the shapes that have one."""
    del catalog  # sizes do not count: rates do
    keys = {how.key(names[q]) for q in mine if (*names[q], how.option) in prices and names[q][0] == how.provider}
    for key in sorted(keys):
        bound = [q for q in mine if names[q][0] == how.provider and how.key(names[q]) == key]
        offers = {q: prices[(*names[q], how.option)] for q in bound if (*names[q], how.option) in prices}
        first = next(iter(offers.values()))
        for day in days:
            hours = (add_months(day, first.months) - day).days * HOURS_A_DAY
            takes = [0] * len(names)
            for q, offer in offers.items():
                takes[q] = round(offer.a_term(hours))
            step = how.smallest
            upfront = round(step * hours * Fraction(how.upfront_share))
            rate = Rate(
                hour=step - round(Fraction(upfront, hours)), upfront=upfront, months=first.months, source=first.source
            )
            yield _row(how, "/".join(part for part in key if part != "*"), takes, step, rate, day, start)


def _row(
    how: Mechanism, where: str, takes: list[int], capacity: int, rate: Rate, day: datetime.date, start: datetime.date
) -> Row:
    ends = add_months(day, rate.months)
    return {
        "option": how.option, "title": how.title, "where": where, "account": "", "buyer": "", "unit": how.unit,
        "order": how.order, "capacity": capacity, "takes": takes, "micro_usd_per_hour": rate.hour,
        "upfront_micro_usd": rate.upfront, "first_hour": (day - start).days * HOURS_A_DAY,
        "last_hour": (ends - start).days * HOURS_A_DAY, "owned": 0, "most": -1, "source": rate.source, "ends": ends,
    }  # fmt: skip


def _owned(
    catalog: Catalog, pools: Pools, names: Sequence[Pool], start: datetime.date, *, shared: bool
) -> Iterator[Row]:
    """What is held already and has not ended: reservations, then spend commitments at the rates of today."""
    accounts = pools.account.tolist()
    every: list[OwnedCommitment | SpendCommitment] = [*catalog.commitments, *catalog.spend_commitments]
    for c in every:
        how = _mechanism(c.provider, c.option)
        if how is None or c.ends <= start:
            continue
        mine = [q for q in range(len(names)) if shared or c.account in ("", accounts[q])]
        first, last = ((day - start).days * HOURS_A_DAY for day in (c.starts, c.ends))
        if isinstance(c, OwnedCommitment):
            held = _held_nodes(c, how, catalog, names, mine)
        else:
            held = _held_spend(c, how, catalog, names, mine)
        yield {
            "option": c.option, "title": how.title, "account": "" if shared else c.account, "buyer": c.account,
            "unit": how.unit, "order": how.order, "upfront_micro_usd": c.upfront_micro_usd, "first_hour": first,
            "last_hour": last, "most": -1, "source": c.source, "ends": c.ends, **held,
        }  # fmt: skip


def _held_nodes(
    c: OwnedCommitment, how: Mechanism, catalog: Catalog, names: Sequence[Pool], mine: Sequence[int]
) -> Row:
    pool, takes = (c.provider, c.region, c.node), [0] * len(names)
    for q in mine:
        if how.covers(pool, names[q]):
            takes[q] = mechanisms.size(c.provider, names[q][2], catalog.nodes)
    size = mechanisms.size(c.provider, c.node, catalog.nodes)
    rate = {"micro_usd_per_hour": c.micro_usd_per_hour, "owned": c.nodes}
    return {"where": "/".join(pool), "takes": takes, "capacity": size, **rate}


def _held_spend(
    c: SpendCommitment, how: Mechanism, catalog: Catalog, names: Sequence[Pool], mine: Sequence[int]
) -> Row:
    """One commitment of so many dollars an hour; all of it is one unit."""
    prices, takes = _prices(catalog, [c.option]), [0] * len(names)
    for q in mine:
        offer = prices.get((*names[q], c.option))
        if offer is not None and names[q][0] == c.provider and how.key(names[q]) == c.pool:
            takes[q] = round(offer.a_term(c.hours))
    rest = c.micro_usd_per_hour - round(Fraction(c.upfront_micro_usd, c.hours))
    where = "/".join(part for part in c.pool if part != "*")
    rate = {"micro_usd_per_hour": rest, "owned": 1}
    return {"where": where, "takes": takes, "capacity": c.micro_usd_per_hour, **rate}
