"""finance.xlsx: formulas that make the bill out of its inputs to the cent, worked out here and by LibreOffice."""

from __future__ import annotations

import dataclasses
import io
import math
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from solver.assemble import tables
from solver.bill import Decision, make_bill
from solver.plan import UNTOLD, Certificate, Plan
from solver.problem import COMMITMENT, ON_DEMAND, Problem
from solver.report.cells import clean
from solver.report.workbook import SHEETS, workbook
from solver.report.workbook_rows import AS_BILLED, Amount, Entry, derive
from solver.rules import RULES, Books
from solver.rules.commitment import Commitment
from tests.core.instances import random_problem
from tests.report.report_hostile import poisoned
from tests.report.report_samples import make_plan, make_problem

HALF_A_CENT = 0.005
TOKEN = re.compile(
    r'\s*(?:(?P<number>\d+\.?\d*)|"(?P<text>[^"]*)"|(?P<name>[A-Z]+)\(|'
    r"(?P<ref>(?:[A-Za-z]+!)?\$?[A-Z]{1,3}\$?\d+(?::\$?[A-Z]{1,3}\$?\d+)?)|(?P<sign>[-+*/>=(),]))"
)


class Sheets:
    """A spreadsheet program for the few functions that the workbook uses, written from their definitions."""

    def __init__(self, content: bytes) -> None:
        """Open the workbook with its formulas."""
        self.book = openpyxl.load_workbook(io.BytesIO(content))
        self.known: dict[tuple[str, str], Any] = {}

    def value(self, sheet: str, cell: str) -> Any:
        """Value of a cell, worked out when it is a formula; an empty one is 0."""
        at = (sheet, cell.replace("$", ""))
        if at not in self.known:
            found = self.book[sheet][at[1]]
            self.known[at] = Formula(self, sheet, found.value[1:]).whole() if found.data_type == "f" else found.value
        return 0 if self.known[at] is None else self.known[at]

    def area(self, sheet: str, ref: str) -> list[Any]:
        """Values of an area, row by row."""
        return [self.value(sheet, cell.coordinate) for row in self.book[sheet][ref.replace("$", "")] for cell in row]

    def formulas(self) -> list[tuple[str, str]]:
        """Every cell with a formula."""
        cells = ((sheet, cell) for sheet in self.book for row in sheet.iter_rows() for cell in row)
        return [(sheet.title, cell.coordinate) for sheet, cell in cells if cell.data_type == "f"]


class Formula:
    """One formula, read from left to right."""

    def __init__(self, sheets: Sheets, sheet: str, body: str) -> None:
        """Cut it into tokens; none may be left over."""
        self.sheets, self.sheet, self.at = sheets, sheet, 0
        self.tokens = [(m.lastgroup, m[m.lastgroup]) for m in TOKEN.finditer(body) if m.lastgroup]
        assert "".join(m[0] for m in TOKEN.finditer(body)) == body, body

    def whole(self) -> Any:
        """The value."""
        value = self.compared()
        assert self.at == len(self.tokens)
        return value

    def compared(self) -> Any:
        """Sums, and whether one is greater than or equal to another."""
        left = self.sum()
        if self.takes(">"):
            return left > self.sum()
        return left == self.sum() if self.takes("=") else left

    def sum(self) -> Any:
        """Products, added and subtracted."""
        value = self.product()
        while self.at < len(self.tokens) and self.tokens[self.at] in {("sign", "+"), ("sign", "-")}:
            sign = self.next()[1]
            value = value + self.product() if sign == "+" else value - self.product()
        return value

    def product(self) -> Any:
        """Cells and calls, multiplied and divided."""
        value = self.one()
        while self.at < len(self.tokens) and self.tokens[self.at] in {("sign", "*"), ("sign", "/")}:
            sign = self.next()[1]
            other = self.one()
            value = value * other if sign == "*" else value / other if other else math.nan  # an IF may not take it
        return value

    def one(self) -> Any:
        """A number, a text, a cell, an area, a call or a bracket."""
        kind, text = self.next()
        if kind == "number":
            return float(text)
        if kind == "text":
            return text
        if kind == "ref":
            sheet, _, ref = text.rpartition("!")
            return (self.sheets.area if ":" in ref else self.sheets.value)(sheet or self.sheet, ref)
        value = self.call(text) if kind == "name" else self.compared()
        assert self.takes(")")
        return value

    def call(self, name: str) -> Any:
        """A function of arguments."""
        given = [self.compared()]
        while self.takes(","):
            given.append(self.compared())
        known: dict[str, Callable[..., Any]] = {
            "SUM": lambda area: sum(v for v in area if isinstance(v, int | float)),
            "SUMPRODUCT": lambda a, *b: sum(x * y for x, y in zip(a, *b, strict=True)) if b else sum(a),
            "ROUND": lambda x, places: float(
                Decimal(repr(float(x))).quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP)
            ),
            "ABS": lambda area: [abs(v) for v in area],
            "IF": lambda test, yes, no: yes if test else no,
            "AND": lambda *tests: all(tests),
            "MAX": max,
        }
        return known[name](*given)

    def next(self) -> tuple[str | None, str]:
        """The next token."""
        self.at += 1
        return self.tokens[self.at - 1]

    def takes(self, sign: str) -> bool:
        """Whether the next token is a sign; then it is taken."""
        found = self.at < len(self.tokens) and self.tokens[self.at] == ("sign", sign)
        self.at += found
        return found


def bill(plan: Plan) -> dict[tuple[str, ...], dict[str, Decimal]]:
    """Dollars by line and month: pools for compute and upfront, with their workload else."""
    made: dict[tuple[str, ...], dict[str, Decimal]] = {}
    for line in plan.cost_lines.records():
        whose = "(all)" if line["kind"] in {"compute", "upfront"} else line["workload"]
        key = (*(clean(line[k]) for k in ("kind", "provider", "region", "node", "option")), clean(whose))
        months = made.setdefault(key, {})
        months[line["period"]] = months.get(line["period"], Decimal(0)) + Decimal(line["micro_usd"]) / 10**6
    return made


def monthly(sheets: Sheets, plan: Plan) -> dict[tuple[str, ...], dict[str, float]]:
    """What the sheet Monthly works out, by line and month."""
    made: dict[tuple[str, ...], dict[str, float]] = {}
    for row in sheets.book["Monthly"].iter_rows(min_row=4, max_col=7 + len(plan.periods)):
        if row[0].value == "Sum":
            return made
        values = [sheets.value("Monthly", cell.coordinate) for cell in row[7:]]
        assert all(cell.data_type == "f" for cell in row[7:])
        made[tuple(cell.value or "" for cell in row[1:7])] = dict(zip(plan.periods, values, strict=True))
    raise AssertionError("no sum")


def checks(sheets: Sheets) -> dict[str, tuple[float, str]]:
    """The checks of the sheet Totals: what should be 0.00, and the word beside it."""
    rows = list(sheets.book["Totals"].iter_rows(max_col=3))
    top = next(k for k, row in enumerate(rows) if row[0].value == "Check")
    named = [row for row in rows[top + 1 :] if row[2].value]
    return {
        row[0].value: (sheets.value("Totals", row[1].coordinate), sheets.value("Totals", row[2].coordinate))
        for row in named
    }


def check_against(sheets: Sheets, plan: Plan, content: bytes) -> None:
    """Lines and months are those of the bill, checks are nought, and values stand beside the formulas."""
    worked, asked = monthly(sheets, plan), bill(plan)
    assert {key for key, months in worked.items() if any(months.values())} <= set(asked)
    for key, months in asked.items():
        for period in plan.periods:
            assert worked[key][period] == pytest.approx(float(months.get(period, 0)), abs=HALF_A_CENT)
    assert all(value == (0.0, "ok") for value in checks(sheets).values())
    cached = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
    for sheet, cell in sheets.formulas():
        mine, shown = sheets.value(sheet, cell), cached[sheet][cell].value
        assert mine == pytest.approx(shown, abs=2e-6) if isinstance(shown, int | float) else mine == shown, (
            sheet,
            cell,
        )


DRAWN: dict[str, dict[str, Any]] = {
    "amortised": {"flows": 2, "runs": 1, "months": 3, "origins": 2, "sites": 3},
    "cash": {"flows": 2, "batches": 1, "months": 3, "limits": {"accounting": "cash"}},
    "carbon has a price": {"flows": 2, "months": 2, "limits": {"carbon_micro_usd_per_kg": 123_457}},
    "scenarios of a third": {"flows": 2, "batches": 1, "scenarios": 3, "blocks": 2, "months": 2, "origins": 2},
}


def drawn(name: str, seed: int) -> tuple[Problem, Plan]:
    """A problem with upfront payments on every commitment, owned ones too, and whatever plan a die gives: no good one.

    The bill is what the rules say that it costs; they know nothing of workbooks.
    """
    problem, rng = random_problem(seed, **DRAWN[name]), np.random.default_rng(seed)
    o, c, s = problem.offers, problem.candidates, problem.sources
    upfront = np.where(o.term_hours > 0, 7_777_777 + o.micro_usd_per_hour * 30, 0)
    on_demand, lasting = np.flatnonzero(o.kind == ON_DEMAND), np.flatnonzero(o.kind == COMMITMENT)
    owned = np.where(np.isin(np.arange(len(o.pool)), lasting[::2]), 2, 0)
    o = dataclasses.replace(o, upfront_micro_usd=upfront, owned_nodes=owned)
    problem = dataclasses.replace(problem, offers=o)
    blocks, count = problem.blocks.count, len(c.pool)
    pairs = np.array([(d, k) for d in range(len(s.workload)) for k in range(count) if s.workload[d] == c.workload[k]]).T
    jobs = (s.total_units > 0)[:, None]
    decision = Decision(
        candidates=np.arange(count),
        replicas=rng.integers(0, 4, (count, blocks)),
        pairs=pairs,
        served=rng.integers(0, 500, (pairs.shape[1], blocks)),
        unserved=np.where(jobs, 0, rng.integers(0, 50, (len(s.workload), blocks))),
        undone=np.where(jobs, rng.integers(0, 50, (len(s.workload), len(problem.blocks.probability))), 0),
        on_demand_offers=on_demand,
        on_demand=rng.integers(0, 5, (len(on_demand), blocks)),
        commitments=lasting,
        committed=rng.integers(1, 4, len(lasting)),
    )
    bill = make_bill(problem, decision, RULES)
    whole = sum(bill["micro_usd"].tolist())
    known = Certificate(kind="proved", lower_micro_usd=whole, upper_micro_usd=whole)
    made = {**tables(problem, decision), "cost_lines": bill}
    return problem, Plan.of(problem, termination="optimal", certificate=known, provenance=UNTOLD, **made)


@pytest.mark.parametrize("name", DRAWN)
def test_all_of_a_bill_comes_from_its_inputs(name: str) -> None:
    """Nothing is taken over as billed, whatever there is to pay; formulas make every line and month."""
    seen = set()
    for seed in range(3):
        problem, plan = drawn(name, seed)
        entries = derive(problem, plan).entries
        assert AS_BILLED not in {entry.unit for entry in entries}
        content = workbook(problem, plan)
        check_against(Sheets(content), plan, content)
        seen |= {line["kind"] for line in plan.cost_lines.records()}
    assert seen == {"compute", "upfront", "transfer", "unserved"} | ({"carbon"} if "carbon" in name else set())


@pytest.mark.parametrize("seed", range(3))
def test_the_other_view(seed: int) -> None:
    """The cash of a plan that is billed amortised is the bill of the same purchases in cash; commitments alone."""
    problem, plan = drawn("amortised", seed)
    paid = dataclasses.replace(problem, limits=dataclasses.replace(problem.limits, accounting="cash"))
    made = derive(problem, plan)
    entries, amounts = made.entries, made.amounts
    assert {entry.owned for entry in entries if entry.lasting} == {True, False}
    for of, view in ((problem, "amortised"), (paid, "cash")):
        owed = [0] * len(plan.periods)
        for line in Commitment().owed(of, Books(of, plan)):
            owed[line.period] += line.micro_usd
        mine = [a.micro_usd(entries, view) for a in amounts if entries[a.first].lasting]  # type: ignore[arg-type]
        assert [sum(months) for months in zip(*mine, strict=True)] == owed


def entry(**changes: Any) -> Entry:
    """Four nodes from February on at $2.50 an hour and $8,760 upfront for a year: a dollar an hour."""
    base: dict[str, Any] = {
        "key": ("compute", "aws", "east", "p5", "commit_1y", ""), "unit": "hours a node", "nodes": 4,
        "usd_per_unit": Fraction(5, 2), "quantity": (0, 672, 744), "upfront_usd": Fraction(8760), "term_hours": 8760,
    }  # fmt: skip
    return Entry(**{**base, **changes})


# part, changes, view, dollars in January, February and March
BY_HAND: list[tuple[Any, dict[str, Any], Any, list[str]]] = [
    ("hourly", {}, "amortised", ["0", "6720", "7440"]),  # 4 × 672 × 2.50, 4 × 744 × 2.50
    ("hourly", {}, "cash", ["0", "6720", "7440"]),
    ("upfront", {}, "amortised", ["0", "2688", "2976"]),  # 4 × 672, 4 × 744
    ("upfront", {}, "cash", ["0", "35040", "0"]),  # 4 × 8,760 in February
    ("upfront", {"owned": True}, "cash", ["0", "0", "0"]),  # paid before
    ("upfront", {"owned": True}, "amortised", ["0", "2688", "2976"]),
    ("upfront", {"upfront_usd": Fraction(1), "nodes": 1}, "amortised", ["0", "0.076712", "0.084932"]),  # 672 / 8,760
    ("used", {"nodes": 0, "usd_per_unit": Fraction(1, 3)}, "cash", ["0", "224", "248"]),
    ("used", {"nodes": 0, "quantity": (Fraction(1, 3), 0, 0)}, "cash", ["0.833333", "0", "0"]),  # 2.50 / 3
]


@pytest.mark.parametrize(("part", "changes", "view", "usd"), BY_HAND)
def test_amounts_by_hand(part: Any, changes: dict[str, Any], view: Any, usd: list[str]) -> None:
    """Months in both views, to the micro-dollar."""
    mine = entry(**changes)
    amount = Amount(key=mine.key, part=part, first=0, last=0)
    assert [Decimal(micro) / 10**6 for micro in amount.micro_usd([mine], view)] == [Decimal(x) for x in usd]


def test_rows_together_are_rounded_once() -> None:
    """Three units of $0.0000004 are $0.000001 together and nothing one by one."""
    rows = [entry(nodes=0, usd_per_unit=Fraction(4, 10**7), quantity=(1,)) for _ in range(3)]
    assert Amount(key=rows[0].key, part="used", first=0, last=2).micro_usd(rows, "cash") == [1]
    assert Amount(key=rows[0].key, part="used", first=0, last=0).micro_usd(rows, "cash") == [0]


def test_what_cannot_be_derived_is_told() -> None:
    """The sample's transfer has no price a unit: it is taken over as billed, and the sums still meet."""
    problem, plan = make_problem(), make_plan()
    content = workbook(problem, plan)
    sheets = Sheets(content)
    check_against(sheets, plan, content)
    rows = list(sheets.book["Totals"].iter_rows(max_col=2))
    taken = next(b for a, b in rows if str(a.value).startswith("Of the bill, taken over"))
    spot = [line for line in plan.cost_lines.records() if line["option"] == "spot" or line["kind"] == "transfer"]
    assert sheets.value("Totals", taken.coordinate) == pytest.approx(sum(line["micro_usd"] for line in spot) / 1e6)
    assert {entry.unit for entry in derive(problem, plan).entries} == {"hours a node", "node-hours", AS_BILLED}


def test_an_input_that_is_changed_moves_the_bill() -> None:
    """A dollar more an hour for the first commitment: so many dollars as node-hours, and a check that says so."""
    problem, plan = make_problem(), make_plan()
    book = openpyxl.load_workbook(io.BytesIO(workbook(problem, plan)))
    row = next(r for r in book["Inputs"].iter_rows() if r[10].value == "hours a node")
    nodes, hours = row[8].value, sum(cell.value for cell in row[17:] if cell.value)
    row[9].value += 1
    saved = io.BytesIO()
    book.save(saved)
    sheets = Sheets(saved.getvalue())
    worked = sum(sum(months.values()) for months in monthly(sheets, plan).values())
    assert worked == pytest.approx(float(plan.total_usd) + nodes * hours, abs=HALF_A_CENT)
    found = checks(sheets)
    assert found["Worked out (amortised) less the bill"] == (float(nodes * hours), "look here")
    assert found["Lines and months that differ from the bill, summed"] == (float(nodes * hours), "look here")
    assert found["Amortised: rows less months"] == found["Cash: rows less months"] == (0.0, "ok")


def test_a_certificate_of_another_cost_is_seen() -> None:
    """The check that compares with it is not nought by construction."""
    plan = make_plan()
    other = dataclasses.replace(plan.certificate, upper_micro_usd=plan.total_micro_usd - 10**6)
    sheets = Sheets(workbook(make_problem(), dataclasses.replace(plan, certificate=other)))
    assert checks(sheets)["Worked out less the cost that is certified"] == (1.0, "look here")


def test_discounts_and_dates_of_purchases() -> None:
    """A commitment at 70 % of the price on demand is 30 % off; inputs carry their start and term."""
    sheets = Sheets(workbook(make_problem(), make_plan()))
    rows = [r for r in sheets.book["Inputs"].iter_rows() if r[10].value == "hours a node"]
    assert len(rows) == 5
    for row in rows:
        assert row[7].value == "2027-01-01"
        assert row[12].value == 8760
        assert sheets.value("Inputs", row[15].coordinate) == pytest.approx(0.30)


def test_no_discount_without_a_price_to_compare_with() -> None:
    """What is not offered on demand is empty, never 0."""
    problem = make_problem()
    none = dataclasses.replace(problem.offers, kind=np.where(problem.offers.kind == 0, 1, problem.offers.kind))
    sheets = Sheets(workbook(dataclasses.replace(problem, offers=none), make_plan()))
    rows = [r for r in sheets.book["Inputs"].iter_rows() if r[10].value == "hours a node"]
    assert {(row[14].value, row[15].value) for row in rows} == {(None, None)}


def test_sheets_and_same_bytes(problem: Problem, plan: Plan) -> None:
    """In this order, and without a clock."""
    content = workbook(problem, plan)
    assert tuple(Sheets(content).book.sheetnames) == SHEETS
    assert workbook(make_problem(), make_plan()) == content


def test_no_plan_and_an_empty_bill(problem: Problem, infeasible: Plan) -> None:
    """Still a workbook, with sums of nothing."""
    content = workbook(problem, infeasible)
    sheets = Sheets(content)
    assert all(value == (0.0, "ok") for value in checks(sheets).values())
    assert {sheets.value(sheet, cell) for sheet, cell in sheets.formulas()} == {0, "ok"}


def test_hostile_names_stay_text() -> None:
    """All formulas are ours, no cell is a link, no control character is left."""
    problem, plan = poisoned()
    content = workbook(problem, plan)
    sheets = Sheets(content)
    ours = re.compile(r"=(SUM|ROUND|IF)\([A-Z$0-9:!+*/,>=()\-.\" a-z]*\)$|=0$|=[A-Z]\w*![A-Z]+\d+$|=D\d+-E\d+$|=1-\(")
    for sheet in sheets.book.worksheets:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.hyperlink is None
                assert cell.data_type != "f" or ours.match(cell.value), (sheet.title, cell.coordinate, cell.value)
                if isinstance(cell.value, str):
                    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in cell.value)
    check_against(sheets, plan, content)


def without_cached_values(content: bytes) -> bytes:
    """The same workbook with formulas only: a program that opens it has to work them out."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, re.sub(rb"</f><v>[^<]*</v>", b"</f>", old.read(name)))
    return made.getvalue()


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_libreoffice_recomputes(tmp_path: Path) -> None:
    """A real spreadsheet program works formulas out to the values beside them, and months to those of the bill."""
    cases = {"cash": drawn("cash", 1), "thirds": drawn("scenarios of a third", 0), "hostile": poisoned()}
    books = {name: workbook(*case) for name, case in cases.items()}
    for name, content in books.items():
        (tmp_path / f"{name}.xlsx").write_bytes(without_cached_values(content))
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    command = ["soffice", profile, "--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", "again"]
    subprocess.run(
        [*command, *(f"{name}.xlsx" for name in books)], cwd=tmp_path, check=True, timeout=180, capture_output=True
    )
    for name, content in books.items():
        again = openpyxl.load_workbook(tmp_path / "again" / f"{name}.xlsx", data_only=True)
        shown = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
        for sheet, cell in Sheets(content).formulas():
            there, here = again[sheet][cell].value, shown[sheet][cell].value
            fine = abs(there - here) < HALF_A_CENT if isinstance(here, int | float) else there == here
            assert fine, (name, sheet, cell, there, here)
        check_months(again, cases[name][1])


def check_months(book: Any, plan: Plan) -> None:
    """Sums by month on the sheet Totals, as another program has worked them out, against the bill."""
    months: dict[str, Decimal] = {}
    for line in plan.cost_lines.records():
        months[line["period"]] = months.get(line["period"], Decimal(0)) + Decimal(line["micro_usd"]) / 10**6
    column = 2 if plan.accounting == "cash" else 3
    for row, period in enumerate(plan.periods, 4):
        worked = book["Totals"].cell(row, column).value
        assert worked == pytest.approx(float(months.get(period, 0)), abs=HALF_A_CENT)
