"""Bills and a plan made up for tests: small enough to add up by hand."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

from solver.plan import UNTOLD, Certificate, Plan
from solver.table import Table

USD = 10**6
JANUARY, FEBRUARY, MARCH = "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z"
NAMES = ("kind", "provider", "region", "node", "option", "workload", "team", "period", "micro_usd")
LINES = [
    ("compute", "aws", "us", "big", "on_demand", "chat", "web", "2027-01", 1000 * USD),
    ("compute", "aws", "us", "big", "on_demand", "chat", "web", "2027-02", 1100 * USD + 1),
    ("compute", "aws", "us", "big", "commit_1y_partial_upfront", "chat", "web", "2027-01", 300 * USD),
    ("compute", "aws", "us", "big", "commit_1y_partial_upfront", "(idle)", "", "2027-01", 72 * USD),
    ("compute", "aws", "us", "big", "commit_1y_partial_upfront", "chat", "web", "2027-02", 336 * USD),
    ("upfront", "aws", "us", "big", "commit_1y_partial_upfront", "chat", "web", "2027-01", 1000 * USD),
    ("upfront", "aws", "us", "big", "commit_1y_partial_upfront", "(idle)", "", "2027-01", 488 * USD),
    ("upfront", "aws", "us", "big", "commit_1y_partial_upfront", "chat", "web", "2027-02", 1344 * USD),
    ("compute", "gcp", "eu", "small", "spot", "train", "lab", "2027-02", 77 * USD + 777_777),
    ("transfer", "aws", "us", "big", "", "chat", "web", "2027-01", 5 * USD),
    ("carbon", "aws", "us", "big", "", "chat", "web", "2027-01", 3 * USD),
    ("unserved", "", "", "", "", "train", "lab", "2027-02", 2 * USD),
]
RATES = {("compute", "on_demand"): 10 * USD, ("compute", "spot"): 2 * USD, ("transfer", ""): 1000}


def rate(key: tuple[str, ...]) -> Any:
    """Micro-dollars of a unit of a line."""
    return RATES.get((key[0], key[4]))


def plan(accounting: str = "amortised", lines: list[Any] | None = None) -> Plan:
    """Two months, one commitment of one node for $17,520 at once (a year of 8,760 hours at $2) and by the hour."""
    rows = LINES if lines is None else lines
    if accounting == "cash" and lines is None:
        upfront = ("upfront", "aws", "us", "big", "commit_1y_partial_upfront", "chat", "web", "2027-01", 17_520 * USD)
        rows = [*(line for line in LINES if line[0] != "upfront"), upfront]
    total = sum(int(row[-1]) for row in rows)
    purchases = ("offer", "provider", "region", "node", "option", "kind", "block", "nodes", "starts", "term_hours")
    bought = [(3, "aws", "us", "big", "commit_1y_partial_upfront", "commitment", -1, 1, "2027-01-01", 8760)]
    return Plan(
        name="made up", termination="optimal", provenance=UNTOLD, periods=("2027-01", "2027-02"), block_hours=(1416,),
        certificate=Certificate(kind="proved", lower_micro_usd=total, upper_micro_usd=total), accounting=accounting,
        purchases=Table.from_records(purchases, bought), placements=Table({}), served=Table({}), unserved=Table({}),
        cost_lines=Table.from_records(NAMES, rows),
    )  # fmt: skip


def row(cost: str = "10", /, **changes: str | None) -> dict[str, str | None]:
    """A row of usage: a big node of aws in us for chat in January, ten dollars for an hour."""
    made: dict[str, str | None] = {
        "BilledCost": cost, "EffectiveCost": cost, "ListCost": cost, "ContractedCost": cost,
        "BillingAccountId": "1", "BillingAccountName": "one", "BillingCurrency": "USD",
        "BillingPeriodStart": JANUARY, "BillingPeriodEnd": FEBRUARY,
        "ChargePeriodStart": JANUARY, "ChargePeriodEnd": "2027-01-01T01:00:00Z",
        "ChargeCategory": "Usage", "ChargeClass": None, "ChargeDescription": "an hour",
        "CommitmentDiscountId": None, "CommitmentDiscountStatus": None,
        "ConsumedQuantity": "1", "ConsumedUnit": "Hours", "PricingQuantity": "1", "PricingUnit": "Hours",
        "PricingCategory": "Standard", "ProviderName": "AWS", "PublisherName": "AWS", "InvoiceIssuerName": "AWS",
        "RegionId": "us", "ServiceCategory": "Compute", "ServiceName": "EC2", "SkuId": "S", "SkuPriceId": "S.1",
        "Tags": '{"workload": "chat", "team": "web"}', "x_InstanceType": "big",
    }  # fmt: skip
    return made | changes


def text(rows: list[dict[str, str | None]], null: str = "", delimiter: str = ",") -> str:
    """Rows as CSV."""
    out = io.StringIO()
    names = list(dict.fromkeys(name for r in rows for name in r))
    writer = csv.writer(out, lineterminator="\n", delimiter=delimiter)
    writer.writerow(names)
    writer.writerows([null if r.get(n) is None else r[n] for n in names] for r in rows)
    return out.getvalue()


def write(folder: Path, rows: list[dict[str, str | None]], name: str = "bill.csv", null: str = "") -> Path:
    """Rows as a file."""
    path = folder / name
    path.write_text(text(rows, null), encoding="utf-8")
    return path


def total(rows: list[dict[str, str | None]], column: str = "BilledCost") -> Decimal:
    """The sum of a column, the plain way."""
    return sum((Decimal(str(r[column])) for r in rows), Decimal(0))
