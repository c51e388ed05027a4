"""Guards every table passes before it is used, whoever wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import mechanisms
from .errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .schema import Accelerator, Array, Node, Offers, Region

DEAREST_MICRO_USD = 5_000 * 1_000_000  # an hour of one node; the dearest on any list is below a fifth of it
OUTLIER = 100.0
KEY = ("provider", "region", "node", "option")
Pair = tuple[str, str]


def where(offers: Offers, row: int) -> str:
    """An offer's business name."""
    return "/".join(str(getattr(offers, name)[row]) for name in KEY)


def offers_are_sound(offers: Offers, nodes: Mapping[Pair, Node], regions: Mapping[Pair, Region]) -> None:
    """Known shape and region, a commitment its provider sells, a price that can be one, no key twice."""
    for what, column, known in (("shape", offers.node, nodes), ("region", offers.region, regions)):
        pairs = dict.fromkeys(zip(offers.provider.tolist(), column.tolist(), strict=True))
        for provider, name in pairs:
            if (provider, name) not in known:
                names = [n for p, n in known if p == provider] or sorted({p for p, _ in known})
                raise DataError(f"unknown {what} {name}", where=f"offers of {provider}", mend=nearest(name, names))
    committed = offers.kind == "commitment"
    for who, option in set(zip(offers.provider[committed].tolist(), offers.option[committed].tolist(), strict=True)):
        mechanisms.mechanism(who, option)
    cost = offers.micro_usd_per_hour + offers.upfront_micro_usd
    bad = (cost < 0) | (offers.micro_usd_per_hour > DEAREST_MICRO_USD)
    if bad.any():
        raise DataError("a price that cannot be one", where=where(offers, int(np.argmax(bad))), mend="mend the price")
    keys = list(zip(*(getattr(offers, name).tolist() for name in KEY), strict=True))
    if len(set(keys)) < len(keys):
        seen: set[tuple[str, ...]] = set()
        twice = next(key for key in keys if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise DataError("two prices for one offer", where="/".join(twice), mend="keep one of them")


def free(offers: Offers) -> Array:
    """Offers that cost nothing at all."""
    return np.asarray((offers.micro_usd_per_hour == 0) & (offers.upfront_micro_usd == 0))


def no_market(offers: Offers) -> Array:
    """Spot offers at or above the on-demand price of the same node and region: there is no spot market."""
    on_demand = {key: usd for key, usd, kind in _priced(offers) if kind == "on_demand"}
    dear = [kind == "spot" and usd >= on_demand.get(key, usd + 1) for key, usd, kind in _priced(offers)]
    return np.array(dear, dtype=bool)


def _priced(offers: Offers) -> list[tuple[tuple[str, str, str], int, str]]:
    keys = zip(offers.provider.tolist(), offers.region.tolist(), offers.node.tolist(), strict=True)
    return list(zip(keys, offers.micro_usd_per_hour.tolist(), offers.kind.tolist(), strict=True))


def outliers(offers: Offers, nodes: Mapping[Pair, Node], accelerators: Mapping[str, Accelerator]) -> Array:
    """Offers a hundred times dearer or cheaper than the median of their accelerator and kind, per accelerator."""
    found = np.zeros(len(offers), dtype=bool)
    shapes = [nodes[pair] for pair in zip(offers.provider.tolist(), offers.node.tolist(), strict=True)]
    each = offers.micro_usd_per_hour / np.array([max(1, n.accelerators) for n in shapes], dtype=float)
    group = np.array([n.accelerator if n.accelerator in accelerators else "" for n in shapes], dtype=object)
    group = np.where(group == "", "", group + "/" + offers.kind) if len(offers) else group
    for name in dict.fromkeys(group.tolist()):
        rows = np.flatnonzero((group == name) & (each > 0))
        if name and len(rows):
            middle = float(np.median(each[rows]))
            found[rows] = (each[rows] > OUTLIER * middle) | (each[rows] < middle / OUTLIER)
    return found


def not_stale(offers: Offers, max_age_days: int) -> None:
    """Refuse prices not seen for longer than a limit, naming the worst."""
    if not len(offers) or int(offers.age_days.max()) <= max_age_days:
        return
    worst = int(np.argmax(offers.age_days))
    count = int(np.count_nonzero(offers.age_days > max_age_days))
    raise DataError(
        f"last seen {int(offers.age_days[worst])} days ago, the worst of {count} prices older than {max_age_days} days",
        where=where(offers, worst),
        mend="raise the limit, leave such offers out, or give newer prices in an overrides folder",
    )


def told(offers: Offers, rows: Array, text: str) -> tuple[str, ...]:
    """One warning for all the offers it is about: how many, and the first of them."""
    count = int(np.count_nonzero(rows))
    if not count:
        return ()
    name = where(offers, int(np.argmax(rows)))
    return (f"{name}: {text}" if count == 1 else f"{count} offers, {name} the first: {text}",)
