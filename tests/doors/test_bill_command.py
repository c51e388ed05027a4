"""`autoparallel bill`: as a controller calls it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from solver.report.json import to_json
from tests.actuals.made_up import JANUARY, plan, row, write
from tests.doors.command import refused, run

FEBRUARY = "2027-02-01T00:00:00Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plan made in Python (so without unit prices), and a bill of January."""
    (tmp_path / "plan.json").write_text(to_json(plan()), encoding="utf-8")
    rows = [
        row("1000", PricingQuantity="100", ChargePeriodEnd=FEBRUARY),
        row("90", ChargeCategory="Tax", Tags=None, PricingQuantity=None, PricingUnit=None),
        row("-1"),
        row("1,0"),
    ]
    write(tmp_path, rows)
    return tmp_path


def test_read_tells_faults_and_who_pays(folder: Path) -> None:
    """Notes on stderr, the table on stdout; CSV is exact."""
    done = run("bill", "read", folder / "bill.csv")
    assert done.returncode == 0, done.stderr
    assert "4 rows read, 3 kept, 1 set aside; cash 1,089.00 USD; amortised 1,089.00 USD." in done.stdout.replace(
        "\n", " "
    )
    assert "note: set aside: 1 rows, cost unreadable (0.00 USD): bill.csv, row 5" in done.stderr
    assert "note: kept: 1 rows, negative (-1.00 USD): bill.csv, row 4" in done.stderr
    done = run("bill", "read", folder / "bill.csv", "--format", "csv", "--by", "workload", "--share", "tax=even")
    (found,) = csv.DictReader(io.StringIO(done.stdout))
    assert (found["owner"], found["usd"], found["direct_usd"], found["tax_usd"]) == (
        "chat", "1089.000000", "999.000000", "90.000000",
    )  # fmt: skip


def test_compare_says_why(folder: Path) -> None:
    """Of January only; the causes add up to the difference."""
    done = run("bill", "compare", folder, folder / "bill.csv", "--by", "workload", "--format", "json")
    assert done.returncode == 0, done.stderr
    made = {r["workload"]: r for r in json.loads(done.stdout)}
    assert (made["chat"]["planned_usd"], made["chat"]["actual_usd"]) == ("2308.000000", "999.000000")
    for r in made.values():
        amounts = {k: float(v) for k, v in r.items() if k not in ("workload", "planned_usd", "actual_usd")}
        assert sum(amounts.values()) == pytest.approx(float(r["actual_usd"]) - float(r["planned_usd"]))
    assert made[""]["tax_usd"] == "90.000000"
    shown = run("bill", "compare", folder, folder / "bill.csv").stdout.replace("\n", " ")
    assert "planned $2,868.00, billed $1,089.00, difference −$1,779.00" in shown
    assert "1 planned months have no bill yet." in shown


def test_unit_costs(folder: Path) -> None:
    """$999 for a million tokens in and a quarter of a million out: 2 shares of $499.50."""
    (folder / "use.csv").write_text("workload,period,input_tokens,output_tokens\nchat,2027-01,1000000,250000\n")
    done = run("bill", "compare", folder, folder / "bill.csv", "--use", folder / "use.csv", "--format", "json")
    (found,) = json.loads(done.stdout)
    assert (found["actual_usd_per_1m_input"], found["actual_usd_per_1m_output"]) == ("499.500000", "1998.000000")
    assert found["planned_usd_per_1m_input"] is None


def test_export_and_back(folder: Path) -> None:
    """Nothing differs."""
    done = run("bill", "export", folder, "--out", folder / "own.parquet")
    assert (done.returncode, done.stdout) == (0, "")
    assert "rows of FOCUS 1.2" in done.stderr
    shown = run("bill", "compare", folder, folder / "own.parquet").stdout
    assert "nothing differs" in shown.replace("\n", " ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("read", "none.csv"), "none.csv: no such file"),
        (("read", "euro.csv"), "no rate to USD"),
        (("read", "bill.csv", "--share", "tax"), "--share: 'tax' is no rule"),
        (("read", "euro.csv", "--rates", "rates.csv"), "rates.csv, row 2: is no rate"),
        (("compare", "plan.json", "bill.csv", "--nodes", "bill.csv"), "bill.csv, row 2"),
    ],
)
def test_what_is_refused(folder: Path, words: tuple[str, ...], said: str) -> None:
    """In a line, with the mend."""
    write(folder, [row(BillingCurrency="EUR", ChargePeriodStart=JANUARY)], "euro.csv")
    (folder / "rates.csv").write_text("day,currency,to,rate\n2027-01-31,EUR,USD,much\n")
    done = run("bill", *words, cwd=folder)
    assert said in refused(done)


def test_other_currencies(folder: Path) -> None:
    """At the rate of the month's last day."""
    write(folder, [row("10", BillingCurrency="EUR")], "euro.csv")
    (folder / "rates.csv").write_text("day,currency,to,rate\n2027-01-31,EUR,USD,1.25\n")
    done = run("bill", "read", folder / "euro.csv", "--rates", folder / "rates.csv", "--format", "json")
    assert [r["usd"] for r in json.loads(done.stdout)] == ["12.500000"]
