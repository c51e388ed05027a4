"""Bills of ten million rows, read, joined to a plan and explained: `python -m benchmarks bills [--sample BILL.csv]`.

The rows are made up, from a seed, with their exact totals known beside them: usage by the hour of a year, what is used
and unused of commitments, credits, tax, corrections, rows of other things and repeated ones. Each bill is read by a
process of its own, as `autoparallel bill compare` does, whose time and peak of memory are taken.

`--sample` also reads a bill given by you (such as the FOCUS project's own sample of 1,000 rows) and compares rows and
sums with those that Python's csv and decimal modules find.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from .cases import Case, grid, when, yes
from .process import peak_mib, run
from .results import FOLDER, save, stamp

NAME = "bills"
ROWS, CSV_ROWS, FILE_ROWS = 10_000_000, 2_000_000, 1_000_000
SEED = 0
REPEATED = 1_000
TIME = (
    "wall seconds of read, join to a plan, variance and showback, the machine mostly left alone; beside 1.6 cores kept "
    "busy by others, finding repeated rows took 113 s (41 CPU s)"
)
GOAL_S, GOAL_MIB = 60.0, 4096.0
NANO = 10**9
MONTHS = tuple(f"2027-{m:02d}" for m in range(1, 13))
WORKLOADS, TEAMS, REGIONS = 60, 12, ("us-east-1", "us-west-2", "eu-central-1", "ap-south-1")
NODES = ("p5.48xlarge", "p5en.48xlarge", "g6.12xlarge", "g6e.48xlarge", "p4d.24xlarge")
VIEWS = ("BilledCost", "EffectiveCost")
CATEGORIES = ("Usage", "Usage", "Usage", "Usage", "Credit", "Tax", "Adjustment")  # the first four: see `kinds`


def decimals(nano: np.ndarray[Any, Any], digits: int = 9) -> pa.Array:
    """Whole numbers as decimals of nine places, without a float between."""
    wide = np.stack([nano, nano >> 63], axis=1).astype(np.int64)
    return pa.Array.from_buffers(pa.decimal128(38, digits), len(nano), [None, pa.py_buffer(wide.tobytes())])


def rows_of(draw: np.random.Generator, rows: int) -> tuple[pa.Table, dict[str, int]]:
    """Rows of a bill, and what they come to in billionths of a dollar."""
    n = rows
    kind = draw.choice(7, n, p=[0.55, 0.25, 0.05, 0.12, 0.01, 0.01, 0.01])  # on demand, used, unused, other, …
    hour = draw.integers(0, 8760, n)
    start = np.datetime64("2027-01-01T00", "s") + hour.astype("timedelta64[h]")
    workload, node, region = draw.integers(0, WORKLOADS, n), draw.integers(0, 5, n), draw.integers(0, 4, n)
    cost = draw.integers(1, 98_000_000_000, n) * np.where(kind >= 4, -1, 1)
    cost = np.where(kind == 5, -cost, cost)  # tax
    billed = np.where((kind == 1) | (kind == 2), 0, cost)
    machine, paid = kind < 3, kind < 4
    hours = np.where(machine, NANO, draw.integers(1, NANO, n))
    month = start.astype("datetime64[M]")
    none = np.zeros(n, dtype=np.int32)

    def text(names: list[str], at: np.ndarray[Any, Any], there: np.ndarray[Any, Any]) -> pa.Array:
        places = pa.array(np.where(there, at, 0).astype(np.int32), mask=~there)
        return pa.DictionaryArray.from_arrays(places, pa.array(names))

    every = np.ones(n, dtype=bool)
    tags = [json.dumps({"workload": f"w{i}", "team": f"t{i % TEAMS}", "env": "prod"}) for i in range(WORKLOADS)]
    meters = [f"USE1-BoxUsage:{node}" for node in NODES]
    ids = [f"arn:aws:ec2:reserved/{i:06d}" for i in range(200)]
    columns = {
        "BilledCost": decimals(billed), "EffectiveCost": decimals(cost), "ListCost": decimals(np.abs(cost)),
        "ContractedCost": decimals(np.abs(cost)),
        "BillingAccountId": text(["123456789012"], none, every),
        "BillingAccountName": text(["Example"], none, every),
        "BillingCurrency": text(["USD"], none, every),
        "BillingPeriodStart": pa.array(month.astype("datetime64[s]")),
        "BillingPeriodEnd": pa.array((month + 1).astype("datetime64[s]")),
        "ChargePeriodStart": pa.array(start), "ChargePeriodEnd": pa.array(start + np.timedelta64(3600, "s")),
        "ChargeCategory": text(list(CATEGORIES), kind, every),
        "ChargeClass": text(["Correction"], none, kind == 6),
        "ChargeDescription": text(
            [f"${i}.{i % 97:02d} per On Demand Linux Instance Hour" for i in range(400)], node * 80 + region, every
        ),
        "ChargeFrequency": text(["Usage-Based", "One-Time"], (kind >= 4).astype(int), every),
        "CommitmentDiscountId": text(ids, node * 40 + region, (kind == 1) | (kind == 2)),
        "CommitmentDiscountStatus": text(["Used", "Unused"], kind - 1, (kind == 1) | (kind == 2)),
        "ConsumedQuantity": decimals(hours), "ConsumedUnit": text(["Hours", "GB-Months"], (kind == 3) * 1, paid),
        "InvoiceIssuerName": text(["Amazon Web Services, Inc."], none, every),
        "PricingCategory": text(["Standard", "Committed"], ((kind == 1) | (kind == 2)) * 1, paid),
        "PricingQuantity": decimals(hours), "PricingUnit": text(["Hours", "GB-Months"], (kind == 3) * 1, paid),
        "ProviderName": text(["AWS"], none, every), "PublisherName": text(["AWS"], none, every),
        "RegionId": text(list(REGIONS), region, every),
        "ResourceId": text([f"i-{i:012x}" for i in range(20_000)], draw.integers(0, 20_000, n), paid),
        "ServiceCategory": text(["Compute", "Storage", "Other"], (kind == 3) + 2 * (kind > 3), every),
        "ServiceName": text(["EC2", "S3", "Billing"], (kind == 3) + 2 * (kind > 3), every),
        "SkuId": text([f"SKU{i:08d}" for i in range(20)], node * 4 + region, paid),
        "SkuMeter": text(meters, node, machine),
        "SkuPriceId": text([f"SKU{i:08d}.JRTCKXETXF" for i in range(20)], node * 4 + region, paid),
        "SubAccountId": text([f"{i:012d}" for i in range(40)], workload % 40, every),
        "Tags": text(tags, workload, (kind != 2) & (draw.random(n) < 0.97)),
    }  # fmt: skip
    sums = {"BilledCost": int(billed.sum(dtype=object)), "EffectiveCost": int(cost.sum(dtype=object))}
    return pa.table(columns), sums


def make(folder: Path, rows: int, suffix: str) -> dict[str, Any]:
    """Files of a bill and what is in them; the first rows of the first file stand in the last one too."""
    draw, left, sums, first = np.random.default_rng(SEED), rows, Counter[str](), None
    for i in range(-(-rows // FILE_ROWS)):
        table, known = rows_of(draw, min(FILE_ROWS, left))
        left -= table.num_rows
        if first is None:
            first = table.slice(0, min(REPEATED, rows // 2))
        if not left:
            table = pa.concat_tables([table.slice(0, table.num_rows - first.num_rows), first])
            known = {view: nano_sum(table[view]) for view in VIEWS}
        sums.update(known)
        file = folder / f"bill-{i:03d}{suffix}"
        if suffix == ".parquet":
            pq.write_table(table, file, compression="zstd")
        else:
            plain = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns]
            arrow_csv.write_csv(pa.table(dict(zip(table.column_names, plain, strict=True))), file)
    size = sum(f.stat().st_size for f in folder.iterdir())
    return {"rows": rows, "repeated": min(REPEATED, rows // 2), "mib": round(size / 2**20), "sums": dict(sums)}


def nano_sum(column: pa.ChunkedArray) -> int:
    """The exact sum of decimals of nine places."""
    return int(Fraction(pa.compute.sum(column).as_py()) * NANO)


def plan() -> Any:
    """A plan of the same workloads, nodes and regions, in some of the places the bill has, and two workloads more."""
    from solver.plan import UNTOLD, Certificate, Plan
    from solver.table import Table

    names = ("kind", "provider", "region", "node", "option", "workload", "team", "period", "micro_usd")
    lines = [
        ("compute", "aws", REGIONS[(w + n) % 4], NODES[n], "on_demand", f"w{w}", f"t{w % TEAMS}", month, 10**9 + w)
        for w in range(WORKLOADS + 2) for n in range(5) for month in MONTHS
    ]  # fmt: skip
    total = sum(line[-1] for line in lines)
    return Plan(
        name="made up", termination="optimal", provenance=UNTOLD, periods=MONTHS, block_hours=(8760,),
        certificate=Certificate(kind="proved", lower_micro_usd=total, upper_micro_usd=total), accounting="amortised",
        purchases=Table({}), placements=Table({}), served=Table({}), unserved=Table({}),
        cost_lines=Table.from_records(names, lines),
    )  # fmt: skip


def line_keys(made: Any) -> list[tuple[str, ...]]:
    """Of the plan's lines."""
    lines = made.cost_lines
    return list(zip(*(lines[c].tolist() for c in lines.names[:-1]), strict=True))


def child(folder: str, repeated: str) -> None:
    """Read a bill, compare it and share it out; says what it took and what came of it."""
    from solver.actuals import Matching, compare, planned_bill, read_bill, showback
    from solver.actuals.variance import ATTO, whole_parts

    start, made = time.monotonic(), plan()
    matching = Matching(workload_tags=("workload",), team_tags=("team",)).for_plan(made)
    bill = read_bill(folder, matching=matching, repeated=repeated)  # type: ignore[arg-type]
    read_s = time.monotonic() - start
    account = compare(planned_bill(made, dict.fromkeys(line_keys(made), Fraction(10**7)).get), bill)
    causes = account.by()
    shares = showback(bill)
    shared = sum(sum(shares[n].tolist()) for n in shares.names[3:])
    exact = [Fraction(int(atto), ATTO) for atto in bill.cells["effective"]]
    seconds, book = time.monotonic() - start, bill.reconciliation
    change = account.actual_micro_usd - account.planned_micro_usd
    parts = sum(int(causes[n][0]) for n in causes.names if n not in ("planned_micro_usd", "actual_micro_usd"))
    sums = {view: str(bill.total(key)["USD"] * NANO) for view, key in zip(VIEWS, ("billed", "effective"), strict=True)}
    print(json.dumps({
        "seconds": seconds, "read_s": read_s, "cpu_s": time.process_time(), "mib": peak_mib(),
        "rows": book.kept.rows, "aside": {k: a.rows for k, a in book.set_aside.items()},
        "flagged": {k: a.rows for k, a in book.flagged.items()}, "sums": sums, "cells": len(bill.cells),
        "lines": len(account.lines), "adds_up": parts == change, "shared_up": shared == sum(whole_parts(exact)),
    }))  # fmt: skip


def measure(rows: int, suffix: str, repeated: str) -> dict[str, Any]:
    """A row of results."""
    taken = stamp()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "bill"
        folder.mkdir()
        known = make(folder, rows, suffix)
        code = f"from benchmarks.bills import child; child({str(folder)!r}, {repeated!r})"
        log = Path(name) / "log"
        cost = run((sys.executable, "-c", code), log)
        said = log.read_text(encoding="utf-8", errors="replace")
        if cost.code:
            raise RuntimeError(said[-2000:])
        found = json.loads(said.strip().rpartition("\n")[2])
    kept = known["rows"] - (known["repeated"] if repeated == "drop" else 0)
    exact = found["rows"] == kept and (
        repeated == "drop" or all(Decimal(found["sums"][v]) == known["sums"][v] for v in VIEWS)
    )
    title = {"ignore": "repeated rows not looked for", "keep": "repeated rows found", "drop": "repeated rows dropped"}
    return {
        "name": f"{rows:,} rows, {suffix[1:]}, {title[repeated]}", **taken, "rows": rows, "mib_on_disk": known["mib"],
        "elsewhere": round(cost.elsewhere, 1), "seconds": round(found["seconds"], 1),
        "cpu_s": round(found["cpu_s"], 1), "peak_mib": round(found["mib"]),
        "exact": exact, "adds_up": found["adds_up"] and found["shared_up"],
        "lines": found["lines"], "cells": found["cells"],
        "repeated": found["flagged"].get("repeated", 0) + found["aside"].get("repeated", 0),
        "met": found["seconds"] <= GOAL_S and found["mib"] <= GOAL_MIB,
    }  # fmt: skip


def sample(path: Path) -> dict[str, Any]:
    """A given bill: rows and sums as the standard library finds them, and as we do."""
    from solver.actuals import read_bill

    taken = stamp()
    with path.open(encoding="utf-8-sig", newline="") as file:
        theirs = list(csv.DictReader(file))
    sums = {v: sum((Decimal(r[v]) for r in theirs if r[v] not in ("", "NULL")), Decimal(0)) for v in VIEWS}
    start = time.monotonic()
    bill = read_bill(path)
    ours = {view: sum(bill.total(key).values()) for view, key in zip(VIEWS, ("billed", "effective"), strict=True)}
    return {
        "name": f"given: {path.name}", **taken, "rows": len(theirs), "mib_on_disk": round(path.stat().st_size / 2**20),
        "elsewhere": None, "seconds": round(time.monotonic() - start, 1), "cpu_s": None, "peak_mib": None,
        "exact": ours == sums and bill.reconciliation.kept.rows == len(theirs), "adds_up": None, "lines": 0,
        "cells": len(bill.cells), "repeated": 0, "met": None, "version": bill.version,
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The table of the page."""
    titles = ("bill", "MiB on disk", "s", "CPU s", "cores that others kept busy", "peak MiB",
              "rows and sums exact", "causes add up", "found repeated",
              f"within {GOAL_S:.0f} s and {GOAL_MIB / 1024:.0f} GiB", "measured, at revision")  # fmt: skip

    def cells(row: dict[str, Any]) -> tuple[str, ...]:
        some = (
            "–" if row[k] is None else f"{row[k]:,}"
            for k in ("mib_on_disk", "seconds", "cpu_s", "elsewhere", "peak_mib")
        )
        return (
            row["name"],
            *some,
            yes(row["exact"]),
            yes(row["adds_up"]),
            f"{row['repeated']:,}",
            yes(row["met"]),
            when(row),
        )

    return grid(titles, map(cells, rows))


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N")
    parser.add_argument("--csv-rows", type=int, default=CSV_ROWS, metavar="N", help="of the bill as CSV")
    parser.add_argument(
        "--sample", type=Path, metavar="CSV", help="a bill of yours, compared with the standard library"
    )
    parser.add_argument("--only", choices=("parquet", "csv"), help="one of the two forms")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where bills.json goes")
    options = parser.parse_args(arguments)
    protocol = {"seed": SEED, "columns": 34, "time": TIME}
    found = [sample(options.sample)] if options.sample else []
    ways = [("parquet", "ignore"), ("parquet", "keep"), ("parquet", "drop"), ("csv", "keep")]
    for suffix, repeated in ways:
        if options.only in (None, suffix):
            rows = options.csv_rows if suffix == "csv" else options.rows
            found.append(measure(rows, f".{suffix}", repeated))
            print(json.dumps(found[-1]), flush=True)
            save(options.results, NAME, protocol, found)
    print("\n".join(table(found)))


CASE = Case(
    name=NAME,
    measures="bills of ten million rows in FOCUS form, joined to a plan and explained; a quarter of an hour",
    goal=f"{GOAL_S:.0f} s, {GOAL_MIB / 1024:.0f} GiB, sums exact",
    main=main,
    table=table,
    alone=False,
)
