"""What the FOCUS specification says of each column: FinOps Open Cost and Usage Specification 1.2 (CC-BY-4.0).

`focus_columns.csv` holds the facts of its section "Columns" (kind, feature level, nullability, data type, version that
introduced it, allowed values), compiled by us; the specification is at focus.finops.org.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

VERSIONS = ("1.0", "1.1", "1.2")
CUSTOM = "x_"  # prefix of columns that the specification does not know
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)
NUMBER = re.compile(r"-?\d+(\.\d+)?(E-?\d+)?", re.ASCII)
CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
PRICED = ("Usage", "Purchase")
PRODUCTS = (("ListUnitPrice", "ListCost"), ("ContractedUnitPrice", "ContractedCost"))
NEAR = Decimal("1e-9")  # of a cost, by which a product of quantity and price may differ: it has finitely many digits


@dataclass(frozen=True, slots=True)
class FocusColumn:
    """One column of the specification."""

    name: str
    kind: str  # dimension or metric
    level: str  # mandatory, conditional, recommended
    nullable: bool
    type: str  # text, decimal, time, json
    since: str  # version that introduced it
    allowed: tuple[str, ...]  # values, () for any


@cache
def focus_columns() -> Mapping[str, FocusColumn]:
    """The columns of FOCUS 1.2 by name."""
    text = resources.files(__package__).joinpath("focus_columns.csv").read_text(encoding="utf-8")
    made = {}
    for row in csv.DictReader(text.splitlines()):
        allowed = tuple(filter(None, row["allowed"].split("|")))
        made[row["column"]] = FocusColumn(
            row["column"], row["kind"], row["level"], row["nullable"] == "yes", row["type"], row["since"], allowed
        )
    return made


def version_of(columns: Iterable[str]) -> str:
    """The version that a bill with these columns is of: the one that introduced the newest of them."""
    known = focus_columns()
    return max((known[name].since for name in columns if name in known), default=VERSIONS[0])


def faults_of(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """What a bill breaks of FOCUS 1.2, in words; [] when nothing. For bills of our own making, row by row.

    Args:
        columns: names in their order.
        rows: text, Decimal or None by column; times as text.
    """
    known = focus_columns()
    found = [f"no column {c.name}" for c in known.values() if c.level == "mandatory" and c.name not in columns]
    found += [f"column {c} is neither of FOCUS nor begins with x_" for c in columns if c not in known and c[:2] != "x_"]
    for i, row in enumerate(rows):
        bad = [fault for c in columns if c in known for fault in _cell(known[c], row[c])]
        found += [f"row {i + 1}: {fault}" for fault in (*bad, *_row(row))]
    return found


def _cell(column: FocusColumn, value: Any) -> list[str]:
    """What is wrong with one cell."""
    if value is None:
        return [] if column.nullable else [f"{column.name} is null"]
    text = str(value)
    fine = {
        "decimal": lambda: isinstance(value, Decimal) and value.is_finite() and bool(NUMBER.fullmatch(text)),
        "time": lambda: bool(TIME.fullmatch(text)),
        "json": lambda: _flat(text),
        "text": lambda: isinstance(value, str) and bool(text.strip()),
    }[column.type]()
    if not fine:
        return [f"{column.name} is no {column.type}: {text!r:.60}"]
    if column.allowed and text not in column.allowed:
        return [f"{column.name} is {text!r:.60}, none of {', '.join(column.allowed)}"]
    if column.name.endswith("Currency") and not CURRENCY.fullmatch(text):
        return [f"{column.name} is no currency: {text!r:.60}"]
    return []


def _flat(text: str) -> bool:
    """Whether a text is a JSON object of plain values, each key once."""
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return False
    plain = isinstance(pairs, list) and all(isinstance(p, tuple) and not isinstance(p[1], list) for p in pairs)
    return plain and len({key for key, _ in pairs}) == len(pairs)


def _row(row: Mapping[str, Any]) -> list[str]:  # a rule a line
    """What is wrong between the cells of a row."""
    get = row.get
    category, correction, status = get("ChargeCategory"), get("ChargeClass") == "Correction", "CommitmentDiscountStatus"
    priced = category in PRICED and not correction
    used = category == "Usage" and get(status) != "Unused"
    committed = get("CommitmentDiscountId") is not None
    needs = ("PricingQuantity", "PricingUnit", "PricingCategory", "SkuId", "SkuPriceId", "ListUnitPrice")
    found = [f"{name} is null in a row of {category}" for name in needs if priced and name in row and row[name] is None]
    found += [f"{name} is set in a row of tax" for name in needs if category == "Tax" and get(name) is not None]
    rules = (
        (category == "Purchase" and get("ChargeFrequency") == "Usage-Based", "a purchase is not usage-based"),
        (category == "Purchase" and bool(get("EffectiveCost")), "a purchase has no effective cost"),
        ((get("ConsumedQuantity") is None) == (used and not correction), "ConsumedQuantity belongs to what is used"),
        ((get("ConsumedQuantity") is None) != (get("ConsumedUnit") is None), "ConsumedUnit without its quantity"),
        ((get("PricingQuantity") is None) != (get("PricingUnit") is None), "PricingUnit without its quantity"),
        (committed and category == "Usage" and get(status) is None, f"{status} is null though a commitment is named"),
        (not committed and get(status) is not None, f"{status} is set though no commitment is named"),
        (committed and get("CommitmentDiscountType") is None, "CommitmentDiscountType is null"),
        (committed != (get("CommitmentDiscountCategory") is not None), "CommitmentDiscountCategory goes with the id"),
        ((committed and priced) != (get("CommitmentDiscountQuantity") is not None), "CommitmentDiscountQuantity"),
        ((get("RegionId") is None) != (get("RegionName") is None), "RegionName goes with RegionId"),
        ((get("ResourceId") is None) != (get("ResourceType") is None), "ResourceType goes with ResourceId"),
        (str(get("ChargePeriodStart")) >= str(get("ChargePeriodEnd")), "the charge period ends before it begins"),
        (str(get("BillingPeriodStart")) >= str(get("BillingPeriodEnd")), "the billing period ends before it begins"),
    )
    found += [text for broken, text in rules if broken]
    for price, cost in PRODUCTS:
        each, quantity, whole = get(price), get("PricingQuantity"), get(cost)
        if correction or each is None or quantity is None or whole is None:
            continue
        if abs(each * quantity - whole) > NEAR * max(1, abs(whole)):
            found.append(f"{cost} is not PricingQuantity times {price}")
    return found
