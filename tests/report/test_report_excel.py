"""plan.xlsx: formulas that recompute the bill to the cent, and names that stay text."""

from __future__ import annotations

import dataclasses
import io
import re
import shutil
import subprocess
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from solver.plan import Plan
from solver.report.cells import clean
from solver.report.excel import workbook
from tests.report.report_hostile import PAYLOADS, poisoned, text
from tests.report.report_samples import make_plan

SHEETS = ["Summary", "Fleet", "Purchases", "Bill", "Totals", "Ways", "Excuses"]
CENT = Decimal("0.01")


class Sheetwork:
    """An evaluator of the few functions the workbook uses, written from their definition."""

    def __init__(self, content: bytes) -> None:
        """Open the workbook with its formulas."""
        self.book = openpyxl.load_workbook(io.BytesIO(content))
        self.known: dict[tuple[str, str], list[Any]] = {}

    def value(self, sheet: str, cell: str) -> Any:
        """Value of a cell, its formula worked out from other cells' values."""
        found = self.book[sheet][cell.replace("$", "")]
        return self.formula(found.value[1:], sheet) if found.data_type == "f" else found.value

    def area(self, ref: str, sheet: str) -> list[Any]:
        """Values of a range, "Bill!$A$2:$A$9"."""
        if (sheet, ref) in self.known:
            return self.known[sheet, ref]
        key = (sheet, ref)
        if "!" in ref:
            sheet, ref = ref.split("!")
        first, last = ref.replace("$", "").split(":")
        column = re.sub(r"\d", "", first)
        rows = range(int(first[len(column) :]), int(last[len(column) :]) + 1)
        self.known[key] = [self.value(sheet, f"{column}{row}") for row in rows]
        return self.known[key]

    def formula(self, body: str, sheet: str) -> Decimal:
        """SUM, SUMIFS, SUMPRODUCT of EXACT, ROUND of a difference, and a reference."""
        if body == "0":
            return Decimal(0)
        if found := re.fullmatch(r"SUM\(([^()]+)\)", body):
            return Decimal(sum(Decimal(str(v)) for v in self.area(found[1], sheet)))
        if found := re.fullmatch(r"SUMIFS\(([^()]+)\)", body):
            amounts, *pairs = found[1].split(",")
            return self.matching(amounts, list(zip(pairs[::2], pairs[1::2], strict=True)), sheet)
        if found := re.fullmatch(r"SUMPRODUCT\((EXACT.+)\*([^*]+)\)", body):
            return self.matching(found[2], re.findall(r"EXACT\(([^,]+),([^)]+)\)", found[1]), sheet)
        if found := re.fullmatch(r"ROUND\((\w+)-(.+),2\)", body):
            other_sheet, cell = found[2].split("!")
            return round(Decimal(self.value(sheet, found[1]) - self.value(other_sheet, cell)), 2)
        if found := re.fullmatch(r"(\w+)!([$A-Z0-9]+)", body):
            return Decimal(self.value(found[1], found[2]))
        raise AssertionError(f"a formula this test does not know: {body}")

    def matching(self, amounts: str, pairs: list[tuple[str, str]], sheet: str) -> Decimal:
        """Sum of the amounts whose every criterion column equals its cell."""
        wanted = [self.value(sheet, cell) for _, cell in pairs]
        columns = [self.area(area, sheet) for area, _ in pairs]
        rows = zip(self.area(amounts, sheet), *columns, strict=True)
        return sum((Decimal(str(a)) for a, *found in rows if found == wanted), Decimal(0))


def totals(work: Sheetwork) -> dict[str, dict[tuple[Any, ...], tuple[Decimal, Any]]]:
    """Blocks of the sheet Totals: label → (recomputed, cached value)."""
    made: dict[str, dict[tuple[Any, ...], tuple[Decimal, Any]]] = {}
    block = ""
    for a, b, c in work.book["Totals"].iter_rows(max_col=3):
        if isinstance(a.value, str) and a.value.startswith("By ") and c.value == "USD":
            block = a.value
            made[block] = {}
        elif c.value is not None:
            made[block][(a.value, b.value)] = (work.value("Totals", c.coordinate), c.value)
    return made


def by(plan: Plan, *keys: str) -> dict[tuple[str, ...], Decimal]:
    """The plan's own sums, exact."""
    sums: dict[tuple[str, ...], Decimal] = {}
    for line in plan.cost_lines.records():
        label = tuple(clean(line[k]) or "(none)" for k in keys)
        sums[label] = sums.get(label, Decimal(0)) + Decimal(line["micro_usd"]) / 10**6
    return sums


def check_totals(work: Sheetwork, plan: Plan) -> None:
    """Every block has the labels of the bill and its exact sums, to the cent."""
    blocks = totals(work)
    assert list(blocks) == ["By month", "By region", "By workload", "By option"]
    for block, keys in zip(blocks, (["period"], ["provider", "region"], ["workload"], ["option"]), strict=True):
        expected = by(plan, *keys)
        rows = {k: v for k, v in blocks[block].items() if k[0] not in {"Sum", "Difference from the bill"}}
        assert len(rows) == len(expected)
        for label, (value, formula) in rows.items():
            assert formula.startswith(("=SUMIFS(", "=SUMPRODUCT("))
            name = (label[0].strftime("%Y-%m"),) if block == "By month" else tuple(v for v in label if v is not None)
            assert abs(value - expected[name]) < CENT
        assert abs(blocks[block][("Sum", None)][0] - plan.total_usd) < CENT
        assert blocks[block][("Difference from the bill", None)][0] == 0


def test_sheets_and_summary(plan: Plan) -> None:
    """The sheets finance expects; the total is a formula over the bill."""
    work = Sheetwork(workbook(plan))
    assert work.book.sheetnames == SHEETS
    labels = {row[0].value: row[1] for row in work.book["Summary"].iter_rows(max_col=2)}
    assert labels["Total cost"].value == f"=Bill!I{len(plan.cost_lines) + 2}"
    assert abs(work.value("Summary", labels["Total cost"].coordinate) - plan.total_usd) < CENT
    assert "Proved: no plan over these offers costs less than" in labels["What is proved"].value
    assert labels["Accounting"].value == "amortised"


def test_totals_recompute_to_the_cent(plan: Plan) -> None:
    """SUMIFS by month, region, workload and option, worked out again here."""
    content = workbook(plan)
    work = Sheetwork(content)
    check_totals(work, plan)
    assert all(
        f.startswith("=SUMIFS") for (k, _), (_, f) in totals(work)["By workload"].items() if k in {"chat", "(idle)"}
    )
    cached = openpyxl.load_workbook(io.BytesIO(content), data_only=True)["Totals"]
    for row in cached.iter_rows(max_col=3):
        if isinstance(row[2].value, int | float):
            assert abs(Decimal(str(row[2].value)) - work.value("Totals", row[2].coordinate)) < CENT


def test_names_that_a_criterion_would_misread() -> None:
    """Wildcards, operators, dates and names that differ by case only are summed apart."""
    plan = make_plan()
    names = ["*", "a*", ">0", "=x", "A", "a", "1", "Jan 2027", "~?", "true"]
    lines = plan.cost_lines.with_columns(workload=text([names[i % len(names)] for i in range(len(plan.cost_lines))]))
    plan = dataclasses.replace(plan, cost_lines=lines)
    work = Sheetwork(workbook(plan))
    check_totals(work, plan)
    assert all("EXACT" in f for (k, _), (_, f) in totals(work)["By workload"].items() if k in names)


def test_same_plan_same_bytes(plan: Plan) -> None:
    """No clock and no machine in the file."""
    assert workbook(plan) == workbook(make_plan())


def test_infeasible_and_empty(infeasible: Plan) -> None:
    """A plan without a bill still gives a workbook whose sum is zero."""
    work = Sheetwork(workbook(infeasible))
    assert work.formula("Bill!I2", "Summary") == 0


def test_hostile_names_stay_text() -> None:
    """All formulas are ours, no cell is a link, and payloads stand as strings."""
    _, plan = poisoned()
    book = openpyxl.load_workbook(io.BytesIO(workbook(plan)))
    ours = re.compile(r"=(SUM|SUMIFS|SUMPRODUCT|ROUND|IF)\(|=Bill!I\d+$|=B\d+/MAX\(")
    for sheet in book.worksheets:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.hyperlink is None
                if cell.data_type == "f":
                    assert ours.match(cell.value), (sheet.title, cell.coordinate, cell.value)
                    assert sheet.title in {"Summary", "Bill", "Totals"}
                if isinstance(cell.value, str):
                    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in cell.value)
    names = [row[0].value for row in book["Fleet"].iter_rows(min_row=2, max_col=1)]
    assert names == [clean(p) for p in PAYLOADS]
    strings = [row[0].data_type for row in book["Fleet"].iter_rows(min_row=2, max_col=1)]
    assert set(strings) == {"s"}
    check_totals(Sheetwork(workbook(plan)), plan)


def without_cached_values(content: bytes) -> bytes:
    """The same workbook with formulas only: a program that opens it has to work them out."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, re.sub(rb"</f><v>[^<]*</v>", b"</f>", old.read(name)))
    return made.getvalue()


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.parametrize("kind", ["plain", "hostile"])
def test_libreoffice_recomputes(kind: str, tmp_path: Path) -> None:
    """A real spreadsheet program works the formulas out for itself and agrees."""
    plan = make_plan() if kind == "plain" else poisoned()[1]
    (tmp_path / "plan.xlsx").write_bytes(without_cached_values(workbook(plan)))
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    command = ["soffice", profile, "--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", "again"]
    subprocess.run([*command, "plan.xlsx"], cwd=tmp_path, check=True, timeout=120, capture_output=True)
    sheet = openpyxl.load_workbook(tmp_path / "again" / "plan.xlsx", data_only=True)["Totals"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(max_col=3)]
    sums = [c for a, _, c in rows if a == "Sum"]
    assert len(sums) == 4
    assert all(abs(Decimal(str(s)) - plan.total_usd) < CENT for s in sums)
    assert [c for a, _, c in rows if a == "Difference from the bill"] == [0, 0, 0, 0]
