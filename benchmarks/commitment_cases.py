"""Small commitment problems, seeded, and their optimum: every quantity tried, with the exact arithmetic of finance."""

from __future__ import annotations

import datetime
import itertools
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from solver import finance
from solver.reserve import Aim, Choices, Pools, Reserve, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

Array = np.ndarray[Any, np.dtype[Any]]
MOST_WAYS = 600


def drawn(seed: int) -> Reserve:
    """Some pools in two accounts, reservations, a savings plan of a family and one of all compute; days, few nodes."""
    rng = np.random.default_rng(seed)
    while True:
        made = _drawn(rng)
        if made is not None:
            return made


def _drawn(rng: np.random.Generator) -> Reserve | None:
    count, futures, days = (int(x) for x in rng.integers((1, 1, 1), (4, 4, 3)))
    price = rng.integers(2_000_000, 40_000_000, count)
    account = rng.choice(np.array(["", "one", "two"], dtype=object), count) if rng.random() < 0.4 else [""] * count
    pools = Pools(
        account=np.array(account, dtype=object),
        provider=np.full(count, "aws", dtype=object),
        region=np.array([f"r{q % 2}" for q in range(count)], dtype=object),
        node=np.array([f"n{q}" for q in range(count)], dtype=object),
        on_demand_micro_usd=price,
    )
    weight = rng.integers(1, 5, futures)
    hour = rng.integers(0, 4, (futures, 4, count)).repeat(6 * days, axis=1)
    usage = Usage(
        start=datetime.date(2027, 1, 1),
        nodes=hour,
        probability=tuple(Fraction(int(w), int(weight.sum())) for w in weight),
    )
    rows = [row for q in range(count) for row in _reservation(rng, q, price)]
    rows += [row for option, order in (("instance", 30), ("compute", 40)) for row in _plan(rng, option, order, price)]
    if not rows:
        return None
    aim = Aim(risk_weight=Fraction(int(rng.integers(0, 3)), 4), cvar_level=Fraction(1, 2))
    made = Reserve(pools=pools, usage=usage, choices=Choices.of(rows, count), aim=aim)
    return made if len(list(itertools.islice(ways(made), MOST_WAYS + 1))) <= MOST_WAYS else None


def _reservation(rng: np.random.Generator, q: int, price: Array) -> Iterator[dict[str, Any]]:
    if rng.random() < 0.6:
        takes = [0] * len(price)
        takes[q] = 1
        first, days = 24 * int(rng.integers(0, 2)), int(rng.integers(1, 4))
        yield _row(
            "commit", f"n{q}", "node", 20, 1, takes, int(price[q] * rng.uniform(0.3, 0.8)),
            upfront_micro_usd=int(rng.choice([0, 3 * price[q]])), first_hour=first, last_hour=first + 24 * days,
            owned=int(rng.choice([0, 0, 0, 1])),
        )  # fmt: skip


def _plan(rng: np.random.Generator, option: str, order: int, price: Array) -> Iterator[dict[str, Any]]:
    covered = rng.random(len(price)) < 0.8
    if covered.any() and rng.random() < 0.8:
        takes = [int(p * rng.uniform(0.4, 0.85)) if c else 0 for p, c in zip(price, covered, strict=True)]
        step = max(takes) // 2 + 1
        buyer = str(rng.choice(["", "one"]))
        yield _row(option, "aws", "usd", order, step, takes, step, last_hour=10_000, buyer=buyer)


def _row(
    option: str, where: str, unit: str, order: int, capacity: int, takes: list[int], rate: int, **others: Any
) -> dict[str, Any]:
    return {
        "option": option, "title": option, "where": where, "account": "", "buyer": "", "unit": unit, "order": order,
        "capacity": capacity, "takes": takes, "micro_usd_per_hour": rate, "upfront_micro_usd": 0, "first_hour": 0,
        "last_hour": 24, "owned": 0, "most": -1, "source": "", **others,
    }  # fmt: skip


def most(reserve: Reserve) -> list[int]:
    """Quantities beyond which a commitment never has more to cover."""
    c, nodes = reserve.choices, reserve.usage.nodes
    made = []
    for k in range(len(c)):
        peak = int((nodes @ c.takes[k]).max(initial=0))
        needed = -(-peak // int(c.capacity[k])) if c.first_hour[k] < reserve.usage.hours else 0
        made.append(int(c.owned[k]) or needed)
    return made


def ways(reserve: Reserve) -> Iterator[tuple[int, ...]]:
    """Every choice of quantities that may be the cheapest."""
    owned = reserve.choices.owned.tolist()
    return itertools.product(
        *(range(have, have + 1) if have else range(top + 1) for have, top in zip(owned, most(reserve), strict=True))
    )


def by_finance(reserve: Reserve, quantity: tuple[int, ...]) -> list[Fraction]:
    """What quantities cost in each future, micro-dollars, hour by hour by `finance.apply_commitments`."""
    return [_future(reserve, quantity, nodes) for nodes in reserve.usage.nodes]


def _future(reserve: Reserve, quantity: tuple[int, ...], nodes: Array) -> Fraction:
    c, pools = reserve.choices, reserve.pools
    hours: Counter[tuple[tuple[int, ...], tuple[int, ...]]] = Counter()
    for t, row in enumerate(nodes.tolist()):
        held = tuple(k for k, x in enumerate(quantity) if x and c.first_hour[k] <= t < c.last_hour[k])
        hours[tuple(row), held] += 1
    total = Fraction(0)
    for (row, held), count in hours.items():
        usage = [
            finance.Usage(
                provider="aws", region=pools.region[q], node=pools.node[q], account=pools.account[q],
                on_demand_micro_usd=int(pools.on_demand_micro_usd[q]), nodes=n,
            ) for q, n in enumerate(row)
        ]  # fmt: skip
        applied = finance.apply_commitments(usage, [_commitment(reserve, k, quantity[k]) for k in held])
        total += count * applied.total_micro_usd
    return total


def _commitment(reserve: Reserve, k: int, quantity: int) -> finance.Commitment:
    c, pools = reserve.choices, reserve.pools
    term, unit = int(c.last_hour[k] - c.first_hour[k]), c.unit[k]
    places = zip(pools.region, pools.node, c.takes[k].tolist(), strict=True)
    return finance.Commitment(
        name=c.option[k],
        provider="aws",
        unit=unit,
        order=int(c.order[k]),
        account=c.buyer[k],
        quantity=quantity,
        micro_usd_per_hour=int(c.micro_usd_per_hour[k]) + Fraction(int(c.upfront_micro_usd[k]), term),
        node=c.where[k] if unit == "node" else "",
        rates={(region, node): takes for region, node, takes in places if takes} if unit == "usd" else {},
    )


def objective(reserve: Reserve, costs: list[Fraction]) -> Fraction:
    """Expected cost, and by its weight the mean of the worst futures: the least over thresholds of what is beyond."""
    aim, chance = reserve.aim, reserve.usage.probability
    expected = sum((p * x for p, x in zip(chance, costs, strict=True)), Fraction(0))
    tails = []
    for at in costs:
        beyond = sum((p * max(x - at, Fraction(0)) for p, x in zip(chance, costs, strict=True)), Fraction(0))
        tails.append(at + beyond / (1 - aim.cvar_level))
    return (1 - aim.risk_weight) * expected + aim.risk_weight * min(tails)


def enumerated(reserve: Reserve) -> Fraction:
    """The least objective of all quantities, micro-dollars."""
    return min(objective(reserve, by_finance(reserve, way)) for way in ways(reserve))
