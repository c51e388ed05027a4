"""Rows of a bill under their labels (month, place, workload, kind of charge, …), and the exact sums of like rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..table import Table
from . import parse
from .match import Matching, node_columns, provider, tag_columns
from .parse import NO_TIME

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]
KEYS = (
    *("period", "time", "category", "correction", "provider", "region", "node", "what", "bought", "status"),
    *("commitment", "workload", "team", "project", "currency", "unit"),
)
AMOUNTS = ("billed", "effective", "listed", "contracted", "quantity")
COSTS = {"billed": "BilledCost", "effective": "EffectiveCost", "listed": "ListCost", "contracted": "ContractedCost"}
QUANTITIES = (("PricingQuantity", "PricingUnit"), ("ConsumedQuantity", "ConsumedUnit"),
              ("CommitmentDiscountQuantity", "CommitmentDiscountUnit"))  # fmt: skip
TIMES = ("ChargePeriodStart", "ChargePeriodEnd", "BillingPeriodStart", "BillingPeriodEnd")
CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
WHATS = ("compute", "transfer", "internal", "other")
BOUGHT = {
    "standard": "on_demand", "on-demand": "on_demand", "committed": "committed", "commitment-based": "committed",
    "commitment discount": "committed", "dynamic": "spot", "spot": "spot",
}  # fmt: skip
STATUS = {"used": "used", "unused": "unused"}
INTERNAL = "planner"  # the provider of costs that no provider bills: carbon at a price, what is not served
MOVES = re.compile(r"data.?transfer|transfer.{0,20}\b(in|out)\b|egress|bandwidth", re.IGNORECASE)
UNITS = {"month": "M", "day": "D", "hour": "h"}
COMPACT_ROWS = 400_000
MOST_SUM = 10**20 - 1  # that 38 digits hold, 18 of them decimals


class Interners:
    """Texts as small numbers, by column; 0 is "" everywhere."""

    def __init__(self) -> None:
        """Only "" yet."""
        self._codes: dict[str, dict[str, int]] = {}

    def codes(self, key: str, texts: Iterable[str]) -> Array:
        """Numbers of texts, int32."""
        known = self._codes.setdefault(key, {"": 0})
        return np.array([known.setdefault(text, len(known)) for text in texts], dtype=np.int32)

    def texts(self, key: str) -> Array:
        """The text of each number."""
        made = np.empty(len(self._codes.get(key, {"": 0})), dtype=object)
        made[:] = list(self._codes.get(key, {"": 0}))
        return made


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows of a batch, with their labels as numbers and their amounts; masks of what is wrong with them."""

    table: pa.Table
    keys: dict[str, Array]
    amounts: dict[str, pa.Array]
    unmeasured: Array  # bool: no quantity
    end: Array  # seconds, NO_TIME where there is none
    aside_for: dict[str, Array]
    masks: dict[str, Array]
    aside: Array

    def only(self, mask: Array) -> Labelled:
        """Some of the rows."""
        import pyarrow as pa

        kept = pa.array(mask)
        return replace(
            self,
            table=self.table,
            keys={k: v[mask] for k, v in self.keys.items()},
            amounts={k: v.filter(kept) for k, v in self.amounts.items()},
            unmeasured=self.unmeasured[mask],
            end=self.end[mask],
            aside_for={},
            masks={"negative": self.masks["negative"][mask]},
            aside=self.aside[mask],
        )

    def sums(self, names: Interners) -> tuple[dict[str, int], dict[str, int]]:
        """What is billed and effective, by currency, of all that can be read."""
        import pyarrow as pa

        table = pa.table({"currency": self.keys["currency"], **{k: self.amounts[k] for k in ("billed", "effective")}})
        made = table.group_by(["currency"], use_threads=False).aggregate([("billed", "sum"), ("effective", "sum")])
        texts = names.texts("currency")
        found = [str(texts[c]) for c in made["currency"].to_pylist()]
        views = ([int(a) for a in whole(made[f"{k}_sum"])] for k in ("billed", "effective"))
        billed, effective = (dict(zip(found, view, strict=True)) for view in views)
        return billed, effective

    def ends(self) -> Iterator[tuple[int, int]]:
        """The latest end of usage in each month of the batch."""
        usage = (self.keys["category"] == 0) & (self.end != NO_TIME)
        months, at = np.unique(self.keys["period"][usage], return_inverse=True)
        latest = np.full(len(months), NO_TIME)
        np.maximum.at(latest, at, self.end[usage])
        yield from zip(months.tolist(), latest.tolist(), strict=True)

    def detail(self, reason: str, row: int) -> str:
        """What stands in the row that is wrong."""
        columns = {
            "cost unreadable": ("BilledCost", "EffectiveCost"),
            "period unreadable": TIMES[:3:2],
            "quantity unreadable": tuple(q for q, _ in QUANTITIES),
            "negative": ("ChargeCategory", "BilledCost", "EffectiveCost"),
            "outside billing period": TIMES,
            "ends before it begins": TIMES[:2],
            "category unknown": ("ChargeCategory",),
            "tags unreadable": ("Tags",),
        }.get(reason, ("BilledCost",))
        there = [c for c in columns if c in self.table.column_names]
        return ", ".join(f"{c} {_shown(self.table[c][row].as_py())}" for c in there)


def _shown(value: Any) -> str:
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{str(value)!r:.60}"


def used_columns(columns: Iterable[str], matching: Matching) -> list[str]:
    """Those of a file that cells are made of."""
    names = list(columns)
    keys = (*matching.workload_tags, *matching.team_tags, *matching.project_tags)
    plain = {*COSTS.values(), *TIMES, *(c for pair in QUANTITIES for c in pair)}
    plain |= {"ChargeCategory", "ChargeClass", "ProviderName", "RegionId", "ServiceCategory", "PricingCategory"}
    plain |= {"CommitmentDiscountId", "CommitmentDiscountStatus", "BillingCurrency", "Tags", "ChargeDescription"}
    plain |= {c for c, _ in node_columns(names, matching)} | set(tag_columns(keys, names)[0])
    return [name for name in names if name in plain]


def label(table: pa.Table, matching: Matching, grain: str, currency: str, names: Interners) -> Labelled:
    """Labels and amounts of a batch."""
    b = _Batch(table, names)
    times = {name: b.moments(name) for name in TIMES}
    costs = {key: b.amounts(column) for key, column in COSTS.items()}
    billed, effective = costs["billed"] or costs["effective"], costs["effective"] or costs["billed"]
    if billed is None or effective is None:
        raise InputError("neither BilledCost nor EffectiveCost", where="bill", mend="export it again with both")
    start = np.where(times[TIMES[0]][0] == NO_TIME, times[TIMES[2]][0], times[TIMES[0]][0])
    place = _places(b, matching)
    tags, bad_tags = _tags(b, matching)
    money = b.label("BillingCurrency", "currency", lambda v: v.strip().upper(), currency)
    quantity, unit, bad_quantity, unmeasured = _quantities(b)
    category, unknown = _category(b)
    keys: dict[str, Array] = {
        "period": start.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64),
        "time": start.astype("datetime64[s]").astype(f"datetime64[{UNITS[grain]}]").astype(np.int64),
        "category": category,
        "correction": b.label("ChargeClass", "correction", lambda v: "correction" if v == "Correction" else ""),
        **place,
        "bought": _bought(b),
        "status": b.label("CommitmentDiscountStatus", "status", lambda v: STATUS.get(v.casefold(), "")),
        "commitment": b.label("CommitmentDiscountId", "commitment", str),
        **tags,
        "currency": money,
        "unit": unit,
    }
    keys["what"] = _what(b, keys)
    given = {"billed": billed, "effective": effective, "listed": costs["listed"], "contracted": costs["contracted"]}
    sure = {k: effective if c is None else c for k, c in given.items()}  # no list price: nothing is saved
    lost = [np.asarray(c.values.is_null()) for c in (billed, effective)]
    aside = {
        "cost unreadable": lost[0] | lost[1],
        "period unreadable": start == NO_TIME,
        "currency missing": money == 0,
    }
    aside["period unreadable"] &= ~aside["cost unreadable"]
    aside["currency missing"] &= ~(aside["cost unreadable"] | aside["period unreadable"])
    masks = _masks(b, keys, times, (billed, effective))
    masks |= {"category unknown": unknown, "tags unreadable": bad_tags, "quantity unreadable": bad_quantity}
    every = aside["cost unreadable"] | aside["period unreadable"] | aside["currency missing"]
    return Labelled(
        table=table, keys=keys,
        amounts={k: sure[k].values for k in COSTS} | {"quantity": quantity},
        unmeasured=unmeasured, end=times[TIMES[1]][0], aside_for=aside, aside=every,
        masks={reason: mask & ~every for reason, mask in masks.items()},
    )  # fmt: skip


class _Batch:
    """A batch's columns, each looked at once."""

    def __init__(self, table: pa.Table, names: Interners) -> None:
        self.table, self.names, self.rows = table, names, table.num_rows
        self._coded: dict[str, tuple[Array, list[str]]] = {}

    def column(self, name: str) -> pa.Array | None:
        """A column in one piece; None when there is none."""
        if name not in self.table.column_names:
            return None
        made = self.table[name].combine_chunks()
        return made if not hasattr(made, "num_chunks") else made.chunk(0)

    def amounts(self, name: str) -> parse.Amounts | None:
        """A column of amounts."""
        column = self.column(name)
        return None if column is None else parse.amounts(column)

    def moments(self, name: str) -> tuple[Array, Array]:
        """A column of times."""
        column = self.column(name)
        if column is None:
            return np.full(self.rows, NO_TIME), np.zeros(self.rows, dtype=bool)
        return parse.moments(column)

    def coded(self, name: str) -> tuple[Array, list[str]]:
        """A column of text as places in a list; −1 for nothing."""
        if name not in self._coded:
            column = self.column(name)
            none = np.full(self.rows, -1), list[str]()
            self._coded[name] = none if column is None else parse.coded(column)
        return self._coded[name]

    def each(self, name: str, derive: Callable[[str], Any], nothing: Any, dtype: Any) -> Array:
        """What is derived from each text of a column."""
        codes, texts = self.coded(name)
        return np.array([*(derive(t) for t in texts), nothing], dtype=dtype)[codes]

    def label(self, name: str, key: str, derive: Callable[[str], str], nothing: str = "") -> Array:
        """Labels derived from a column's texts, as numbers."""
        codes, texts = self.coded(name)
        return self.names.codes(key, [*(derive(t) for t in texts), nothing])[codes]


def _category(b: _Batch) -> tuple[Array, Array]:
    """Place in CATEGORIES, usage for what is none of them, and a mask of those."""
    known = {c.casefold(): i for i, c in enumerate(CATEGORIES)}
    found = b.each("ChargeCategory", lambda v: known.get(v.strip().casefold(), -1), -1, np.int32)
    unknown = (found < 0) & (b.column("ChargeCategory") is not None)
    return np.maximum(found, 0), unknown


def _bought(b: _Batch) -> Array:
    """How a row was bought: what a commitment touched is committed, whatever its pricing category says."""
    found = b.label("PricingCategory", "bought", lambda v: BOUGHT.get(v.strip().casefold(), ""))
    (committed,) = b.names.codes("bought", ["committed"])
    return np.where(b.coded("CommitmentDiscountId")[0] >= 0, committed, found).astype(np.int32)


def _places(b: _Batch, matching: Matching) -> dict[str, Array]:
    """Provider, region and node, the surest column first."""
    node = np.zeros(b.rows, dtype=np.int32)
    for column, derive in node_columns(b.table.column_names, matching):
        if (node != 0).all():
            break
        node = np.where(node == 0, b.label(column, "node", derive), node)
    return {
        "provider": b.label("ProviderName", "provider", provider),
        "region": b.label("RegionId", "region", matching.region),
        "node": node,
    }


def _tags(b: _Batch, matching: Matching) -> tuple[dict[str, Array], Array]:
    """Workload, team and project: the first key that has a value, a column of its own before a tag."""
    codes, texts = b.coded("Tags")
    read = [parse.tags_of(t) for t in texts]
    bad = np.array([*(t is None for t in read), False])[codes]
    made = {}
    for key, wanted, spelled in (
        ("workload", matching.workload_tags, matching.workload),
        ("team", matching.team_tags, str),
        ("project", matching.project_tags, str),
    ):
        columns, tags = tag_columns(wanted, b.table.column_names)
        found = np.zeros(b.rows, dtype=np.int32)
        for column in columns:
            found = np.where(found == 0, b.label(column, key, spelled), found)
        values = [spelled(next((t[k] for k in tags if t and t.get(k)), "")) if t else "" for t in read]
        made[key] = np.where(found == 0, b.names.codes(key, [*values, ""])[codes], found)
    return made, bad


def _quantities(b: _Batch) -> tuple[pa.Array, Array, Array, Array]:
    """The quantity that is a time, else the priced one: amounts, unit, mask of unreadable ones, mask of none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pa.nulls(b.rows, parse.decimal_type())
    unit, bad, timed = np.zeros(b.rows, dtype=np.int32), np.zeros(b.rows, dtype=bool), np.zeros(b.rows, dtype=bool)
    for name, unit_name in QUANTITIES:
        is_time = b.each(unit_name, lambda u: parse.hours_of(u) is not None, False, bool)  # noqa: FBT003
        empty = np.asarray(values.is_null())
        if timed.all() or not (is_time | empty).any():
            continue
        found = b.amounts(name)
        if found is None:
            continue
        here = np.asarray(found.values.is_valid())
        take = here & ((is_time & ~timed) | empty)
        bad |= found.bad & ~timed
        values = found.values if take.all() else pc.if_else(pa.array(take), found.values, values)
        unit = np.where(take, b.label(unit_name, "unit", str), unit)
        timed |= take & is_time
    return values, unit, bad, np.asarray(values.is_null())


def _what(b: _Batch, keys: dict[str, Array]) -> Array:
    """What a row is for: machines, transfer, what only our own bills hold, or something else."""
    network = b.each("ServiceCategory", lambda v: v.strip().casefold() == "networking", False, bool)  # noqa: FBT003
    network |= b.each("ChargeDescription", lambda v: bool(MOVES.search(v[:400])), False, bool)  # noqa: FBT003
    computes = b.each("ServiceCategory", lambda v: v.strip().casefold() in COMPUTING, False, bool)  # noqa: FBT003
    units = b.names.texts("unit")
    timed = np.array([parse.hours_of(u) is not None for u in units], dtype=bool)[keys["unit"]]
    ours = np.array([p == INTERNAL for p in b.names.texts("provider")], dtype=bool)[keys["provider"]]
    machine = ((keys["node"] != 0) | (computes & timed)) & ~network
    return np.select([ours, network, machine], [2, 1, 0], 3).astype(np.int32)


COMPUTING = ("compute", "ai and machine learning")


def _masks(
    b: _Batch, keys: dict[str, Array], times: dict[str, tuple[Array, Array]], costs: tuple[parse.Amounts, ...]
) -> dict[str, Array]:
    """What a reader should know of rows that count."""
    import pyarrow.compute as pc

    from .faults import decimal_of

    zero = decimal_of(0)
    below = [np.asarray(pc.less(c.values, zero).fill_null(False)) for c in costs]  # noqa: FBT003
    usual = (keys["category"] <= CATEGORIES.index("Tax")) & (keys["correction"] == 0)
    start, end, first, last = (times[name][0] for name in TIMES)
    within = (first != NO_TIME) & (last != NO_TIME) & (start != NO_TIME)
    outside = within & ((start < first) | ((end != NO_TIME) & (end > last) & (keys["category"] != 1)))
    none = np.zeros(b.rows, dtype=bool)
    floats = np.full(b.rows, any(c.floats for c in costs))
    return {
        "negative": (below[0] | below[1]) & usual,
        "outside billing period": outside & (keys["correction"] == 0),
        "ends before it begins": (start != NO_TIME) & (end != NO_TIME) & (end < start),
        "period missing": (start == NO_TIME) & (first != NO_TIME),
        "rounded": costs[0].rounded | costs[1].rounded,
        "float": floats if floats.any() else none,
    }


class Cells:
    """Sums of rows with the same labels; batches may come in any order."""

    def __init__(self, grain: str = "month") -> None:
        """Nothing yet."""
        self._grain = grain
        self._parts: list[pa.Table] = []
        self._rows = 0
        self._most = dict.fromkeys(AMOUNTS, 0)

    def add(self, rows: Labelled, sign: int = 1) -> None:
        """Add rows, or take them out again."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for name, values in rows.amounts.items():
            ends = [abs(int(v or 0)) + 1 for v in pc.min_max(values).as_py().values()]
            self._most[name] += max(ends) * len(values)
            if self._most[name] > MOST_SUM:  # Arrow would overflow without a word
                raise InputError(f"{name} amounts too large to add up", where="bill", mend="look at the largest ones")
        one = np.full(len(rows.unmeasured), sign, dtype=np.int64)
        amounts = {k: v if sign > 0 else pc.negate(v) for k, v in rows.amounts.items()}
        table = pa.table({**rows.keys, **amounts, "rows": one, "unmeasured": rows.unmeasured * one})
        self._put(_grouped(table))

    def _put(self, part: pa.Table) -> None:
        import pyarrow as pa

        self._parts.append(part)
        self._rows += part.num_rows
        if self._rows > COMPACT_ROWS and len(self._parts) > 1:
            self._parts = [_grouped(pa.concat_tables(self._parts))]
            self._rows = max(self._parts[0].num_rows, COMPACT_ROWS // 2)

    def table(self, names: Interners) -> Table:
        """The cells, in a fixed order; cells whose rows were all taken out again are gone."""
        import pyarrow as pa

        if not self._parts:
            return Table({k: np.zeros(0, dtype=object) for k in (*KEYS, *AMOUNTS, "rows", "unmeasured")})
        made = _grouped(pa.concat_tables(self._parts))
        made = made.filter(pa.array(np.asarray(made["rows"]) != 0))
        columns: dict[str, Array] = {k: self._texts(k, np.asarray(made[k]), names) for k in KEYS}
        for name in AMOUNTS:
            columns[name] = np.empty(made.num_rows, dtype=object)
            columns[name][:] = whole(made[name])
        columns |= {k: np.asarray(made[k]) for k in ("rows", "unmeasured")}
        order = sorted(range(made.num_rows), key=lambda i: tuple(columns[k][i] for k in KEYS))
        return Table(columns).take(np.array(order, dtype=np.int64))

    def _texts(self, key: str, codes: Array, names: Interners) -> Array:
        if key == "period":
            return np.datetime_as_string(codes.astype("datetime64[M]")).astype(object)
        if key == "time" and self._grain == "month":
            return np.full(len(codes), "", dtype=object)
        if key == "time":
            return np.datetime_as_string(codes.astype(f"datetime64[{UNITS[self._grain]}]")).astype(object)
        fixed = {"category": [c.casefold() for c in CATEGORIES], "what": list(WHATS)}
        texts = np.array(fixed[key], dtype=object) if key in fixed else names.texts(key)
        made: Array = texts[codes]
        return made


def _grouped(table: pa.Table) -> pa.Table:
    sums = [*AMOUNTS, "rows", "unmeasured"]
    made = table.group_by(list(KEYS), use_threads=False).aggregate([(name, "sum") for name in sums])
    return made.select([*KEYS, *(f"{name}_sum" for name in sums)]).rename_columns([*KEYS, *sums]).cast(_schema(table))


def _schema(table: pa.Table) -> pa.Schema:
    import pyarrow as pa

    kinds = {"rows": pa.int64(), "unmeasured": pa.int64()} | dict.fromkeys(AMOUNTS, parse.decimal_type())
    names = [*KEYS, *AMOUNTS, "rows", "unmeasured"]
    return pa.schema([(name, kinds.get(name, table.schema.field(name).type)) for name in names])


def whole(column: pa.ChunkedArray) -> list[int]:
    """Decimals of 18 places as whole units of the last place; 0 for null."""
    import pyarrow as pa

    flat = column.combine_chunks()
    flat = flat.chunk(0) if isinstance(flat, pa.ChunkedArray) else flat
    if not len(flat):
        return []
    data = memoryview(flat.buffers()[1])[16 * flat.offset :]
    valid = np.asarray(flat.is_valid())
    return [
        int.from_bytes(data[16 * i : 16 * i + 16], "little", signed=True) if ok else 0 for i, ok in enumerate(valid)
    ]
