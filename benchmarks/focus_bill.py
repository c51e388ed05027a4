"""Plans as bills in FOCUS 1.2, judged by the official validator: `python -m benchmarks focus_bill`.

Needs the peer `focus` (`python -m benchmarks.peers focus --python python3.12`). Some rules of the validator's model
contradict others, so that every file fails one of each pair; that this is so is shown on the same bill, filled in the
other way: the one passes then, and the other fails. A bill is accepted when it fails nothing else.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .cases import Case, grid, when, yes
from .peers import ask
from .results import FOLDER, save, stamp

NAME = "focus_bill"
EXAMPLES = ("scenarios", "batch")  # with commitments, transfer and what is not served; with spot and carbon
CRITERIA = (
    *("COMMITMENT_DISCOUNT_SUPPORTED", "PUBLIC_PRICE_LIST_SUPPORTED", "NEGOTIATED_PRICING_SUPPORTED"),
    *("USAGE_MEASUREMENT_SUPPORTED", "UNIT_PRICING_SUPPORTED", "REGION_SUPPORTED", "TAGGING_SUPPORTED"),
    *("MULTIPLE_PRICING_CATEGORIES_SUPPORTED", "BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED"),
    *("RESOURCE_TYPE_ASSIGNMENT_SUPPORTED", "ACCOUNT_NAMING_SUPPORTED"),
)
Row = dict[str, str]


def invoiced(row: Row) -> Row:
    """A row of an invoice."""
    return row | {"InvoiceId": "invoice-1"}


def of_status(row: Row) -> Row:
    """A row whose commitment has a status, even where there is no commitment."""
    return row | {"CommitmentDiscountStatus": row["CommitmentDiscountStatus"] or "Used"}


OTHER_WAYS: Mapping[str, tuple[str, str, Callable[[Row], Row]]] = {  # rule failed: rule failed instead, how
    "InvoiceId-C-005-C": ("InvoiceId-C-004-C", "never null, and always null", invoiced),
    "CommitmentDiscountStatus-C-004-C": (
        "CommitmentDiscountStatus-C-003-C", "never null where there is no commitment, and null there", of_status,
    ),
}  # fmt: skip
ABOVE = {  # rules that only say that those below them hold
    "CommitmentDiscountStatus-C-000-C": "CommitmentDiscountStatus-C-004-C",
    "CommitmentDiscountStatus-C-002-C": "CommitmentDiscountStatus-C-004-C",
}


def bills(folder: Path, example: str) -> tuple[list[Path], bool]:
    """The bill of a packaged example in both forms, and its other ways; whether it adds up to the plan."""
    from solver import solve
    from solver.actuals import compare, export_plan, planned_bill, read_bill
    from solver.actuals.export import OWN_TAGS
    from solver.diff.rates import Rates
    from solver.doors.planning import load

    problem = load(f"@{example}")
    plan = solve(problem, gap=0.05, time_limit_s=120)
    rate = Rates(problem, plan).of
    files = [folder / f"{example}.csv", folder / f"{example}.parquet"]
    same = True
    for file in files:
        export_plan(plan, file, rate)
        for view in ("amortised", "cash"):
            found = compare(
                planned_bill(plan, rate),
                read_bill(file, matching=OWN_TAGS.for_plan(plan)),
                view=view,
            )
            same &= not any(found.lines[name].any() for name in found.lines.names[10:])
            same &= view != plan.accounting or found.actual_micro_usd == plan.total_micro_usd
    for rule, (_, _, change) in OTHER_WAYS.items():
        files.append(folder / f"{example}-{rule}.csv")
        _rewrite(files[0], files[-1], change)
    return files, same


def _rewrite(source: Path, target: Path, change: Callable[[Row], Row]) -> None:
    with source.open(encoding="utf-8", newline="") as read, target.open("w", encoding="utf-8", newline="") as write:
        rows = csv.DictReader(read)
        writer = csv.DictWriter(write, rows.fieldnames or (), lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(change, rows))


def measure(example: str) -> list[dict[str, Any]]:
    """A row for each form of an example's bill."""
    taken = stamp()
    with tempfile.TemporaryDirectory() as name:
        files, same = bills(Path(name), example)
        said = ask("focus", "bill_focus.py", {}, ",".join(CRITERIA), *map(str, files))
    if said is None:
        return [taken | {"name": example, "peer": None, "same": same}]
    other = {rule: said["files"][f"{example}-{rule}.csv"]["failed"] for rule in OTHER_WAYS}
    shown = {rule for rule, way in OTHER_WAYS.items() if rule not in other[rule] and way[0] in other[rule]}
    made = []
    for file in files[:2]:
        found = said["files"][file.name]
        rest = [r for r in found["failed"] if r not in shown and ABOVE.get(r) not in shown]
        counts = {k: len(found[k]) for k in ("passed", "failed", "skipped")}
        row = {"name": file.name, "peer": said["version"], "model": said["rules"], "rows": found["rows"], **counts}
        made.append(taken | row | {"same": same, "contradicted": sorted(shown), "faults": rest, "accepted": not rest})
    return made


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The table of the page, and what stands in contradiction."""
    titles = ("bill", "rows", "validator, its model", "rules passed", "failed", "of these contradicted by another",
              "not applicable", "accepted", "round trip without difference", "measured, at revision")  # fmt: skip

    def cells(row: dict[str, Any]) -> tuple[str, ...]:
        if row["peer"] is None:
            return row["name"], "–", "absent", *("–",) * 5, yes(row["same"]), when(row)
        counts = (f"{row['passed']:,}", f"{row['failed']:,}", f"{row['failed'] - len(row['faults']):,}")
        judged = (*counts, f"{row['skipped']:,}", yes(row["accepted"]), yes(row["same"]))
        return row["name"], f"{row['rows']:,}", f"{row['peer']}, {row['model']}", *judged, when(row)

    known = sorted({rule for row in rows for rule in row.get("contradicted", ())})
    said = [f"- `{r}` and `{OTHER_WAYS[r][0]}` of the validator's model: {OTHER_WAYS[r][1]}." for r in known]
    return [*grid(titles, map(cells, rows)), *([""] if said else []), *said]


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where focus_bill.json goes")
    options = parser.parse_args(arguments)
    rows = [row for example in EXAMPLES for row in measure(example)]
    print("\n".join(table(rows)))
    protocol = {"plans": "packaged examples", "applicability": f"{len(CRITERIA)} criteria of the validator, offline"}
    save(options.results, NAME, protocol, rows)


CASE = Case(
    name=NAME,
    measures="plans as bills in FOCUS 1.2, judged by the FinOps Foundation's validator",
    goal="accepted; round trip without difference",
    main=main,
    table=table,
)
