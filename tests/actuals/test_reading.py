"""Bills of any form are read exactly, and every row is accounted for."""

from __future__ import annotations

import gzip
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.actuals import Bill, Matching, read_bill
from solver.actuals.parse import amounts, hours_of, moments, tags_of
from solver.actuals.repeats import Fingerprints
from solver.errors import InputError

from .made_up import FEBRUARY, JANUARY, row, text, total, write


def cells(bill: Bill) -> list[dict[str, Any]]:
    """Cells as rows."""
    return list(bill.cells.records())


def test_a_bill_by_hand(tmp_path: Path) -> None:
    """Two hours of one workload and one of another month: two cells, their hours and sums."""
    rows = [
        row("10.50"),
        row("0.25", ChargePeriodStart="2027-01-31T23:00:00Z", ChargePeriodEnd=FEBRUARY),
        row("1e-5", ChargePeriodStart=FEBRUARY, ChargePeriodEnd="2027-02-01T01:00:00Z", BillingPeriodStart=FEBRUARY,
            BillingPeriodEnd="2027-03-01T00:00:00Z"),
    ]  # fmt: skip
    bill = read_bill(write(tmp_path, rows))
    assert [(c["period"], c["rows"], Fraction(c["billed"], 10**18), c["quantity"]) for c in cells(bill)] == [
        ("2027-01", 2, Fraction("10.75"), 2 * 10**18),
        ("2027-02", 1, Fraction("0.00001"), 10**18),
    ]
    first = cells(bill)[0]
    assert [first[k] for k in ("category", "provider", "region", "node", "what", "bought", "workload", "team")] == [
        "usage", "aws", "us", "big", "compute", "on_demand", "chat", "web",
    ]  # fmt: skip
    assert bill.total() == {"USD": Decimal("10.75001")}
    assert bill.until == {"2027-01": "2027-02-01T00:00Z", "2027-02": "2027-02-01T01:00Z"}


number = st.decimals(min_value=-(10**14), max_value=10**14, allow_nan=False, places=11)
written = st.builds(lambda d, how: how(d), number, st.sampled_from([str, "{:f}".format, "{:E}".format]))


@given(costs=st.lists(written, min_size=1, max_size=30))
@settings(max_examples=30)
def test_sums_are_exact_whatever_way_numbers_are_written(costs: list[str]) -> None:
    """As Python's decimals add them up, read from CSV; no row is set aside."""
    rows = [row(cost, EffectiveCost="1") for cost in costs]
    with tempfile.TemporaryDirectory() as name:
        bill = read_bill(write(Path(name), rows))
    assert bill.total() == {"USD": sum(map(Decimal, costs), Decimal(0))}
    assert bill.total("effective") == {"USD": Decimal(len(costs))}
    assert bill.reconciliation.set_aside == {}


def test_numbers_that_are_none_and_numbers_too_large() -> None:
    """Arrow alone would take the fifth for 95513692080783205441.5 without a word."""
    given_ = ["1,000", "$3", "", "NULL", "12345678901234567890123", "1e30", "0x10", "١٢", "-.5", "+7", " 8 "]
    for column in (pa.array(given_), pa.array(given_).dictionary_encode()):
        found = amounts(column)
        assert found.bad.tolist() == [True, True, False, False, True, True, True, True, False, False, False]
        assert found.values.to_pylist() == [None] * 8 + [Decimal("-0.5"), Decimal(7), Decimal(8)]


@pytest.mark.parametrize("huge", ["340282366920938463464", "340282366920938463464.5", "34028236692093846346e1"])
def test_numbers_beyond_a_decimal_of_38_digits(huge: str) -> None:
    """2¹²⁸ units of 1e-18 and a little more, beside a number that is one."""
    assert amounts(pa.array([huge, "1"])).bad.tolist() == [True, False]
    assert amounts(pa.array([huge, "1"]).dictionary_encode()).bad.tolist() == [True, False]


def test_amounts_of_every_type() -> None:
    """Decimals, whole numbers, floats by their shortest form; more than 18 decimals are rounded, half to even."""
    third = amounts(pa.array([0.1, 1e-7, None]))
    assert third.values.to_pylist() == [Decimal("0.1"), Decimal("0.0000001"), None]
    assert third.floats
    assert amounts(pa.array([1, -2])).values.to_pylist() == [1, -2]
    wide = pa.array([Decimal("0.00000000000000000025"), Decimal("0.00000000000000000035")], pa.decimal128(38, 20))
    assert amounts(wide).values.to_pylist() == [Decimal(0), Decimal("4E-19").quantize(Decimal("1E-18"))]
    assert amounts(wide).rounded.all()
    fine = pa.array([Decimal("1.5"), None], pa.decimal128(38, 9))
    assert amounts(fine).values.to_pylist() == [Decimal("1.5"), None]
    huge = pa.array([Decimal(10) ** 16], pa.decimal128(38, 9))
    assert amounts(huge).bad.all()


def test_moments() -> None:
    """With and without a zone, with parts of a second, days; not the American way."""
    texts = ["2024-09-01 00:00:00", "2024-09-01T00:00Z", "2024-09-01T02:00:00+02:00", "2024-09-01", "9/1/2024", None]
    found, bad = moments(pa.array(texts))
    assert found[:4].tolist() == [1725148800] * 4
    assert bad.tolist() == [False] * 4 + [True, False]
    typed, _ = moments(pa.array(np.array(["2024-09-01T00:00:00.000001"], dtype="datetime64[us]")))
    assert typed.tolist() == [1725148800]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ('{"Workload": "a", "team": "b"}', {"workload": "a", "team": "b"}),
        ('"user:Workload": "a", "labels.team": "b"', {"workload": "a", "team": "b"}),
        ('[{"key": "user_workload", "value": "a"}, {"key": "team", "value": "b"}]', {"workload": "a", "team": "b"}),
        ("{'workload': 'a', 'team': 'b'}", {"workload": "a", "team": "b"}),
        ('{"workload": "a", "team": "b", "flag": true, "none": null}', {"workload": "a", "team": "b", "flag": "true"}),
        ("workload=a", None),
        ("[1, 2]", None),
        ("[" * 90_000, None),
    ],
)
def test_tags_of_every_vendor(said: str, meant: dict[str, str] | None) -> None:
    """JSON, lists of pairs, and JSON without its braces."""
    assert tags_of(said) == meant


def test_hours_of_units() -> None:
    """Only times are times."""
    said = ("Hours", "Hrs", "100 Hours", "Seconds", "Days", "GB-Months", "vCPU Hours", "")
    assert [hours_of(u) for u in said] == [1, 1, 100, Fraction(1, 3600), 24, None, None, None]


@pytest.mark.parametrize("null", ["NULL", "None", "N/A", ""])
def test_columns_in_any_order_and_case_and_every_null(tmp_path: Path, null: str) -> None:
    """And columns of others, with a prefix and without."""
    rows = [{k.lower() if i % 2 else k: v for i, (k, v) in enumerate(reversed(row("2.5").items()))} | {"Id": "7"}]
    bill = read_bill(write(tmp_path, rows, null=null))
    assert bill.total() == {"USD": Decimal("2.5")}
    assert cells(bill)[0]["commitment"] == cells(bill)[0]["correction"] == ""
    assert [n for n in bill.notes if "no " not in n] == []
    odd = read_bill(write(tmp_path, [row() | {"Strange": "1"}], "odd.csv"))
    assert any("'Strange' is not of FOCUS" in note for note in odd.notes)


def test_every_form_gives_the_same_cells(tmp_path: Path) -> None:
    """CSV, gzip, semicolons; Parquet of text, of decimals and times, of a map of tags."""
    rows = [row("10.5"), row("-0.0000008", ChargeClass="Correction"), row("3", Tags=None, CommitmentDiscountId="ri-1",
            CommitmentDiscountStatus="Unused", PricingCategory="Committed")]  # fmt: skip
    paths = [write(tmp_path, rows)]
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(text(rows).encode()))
    (tmp_path / "c.csv").write_text("\ufeff" + text(rows, delimiter=";"), encoding="utf-8")
    plain = pa.table({name: pa.array([r[name] for r in rows], pa.string()) for name in rows[0]})
    pq.write_table(plain, tmp_path / "d.parquet")
    typed = {n: plain[n] for n in plain.column_names}
    for name in ("BilledCost", "EffectiveCost", "PricingQuantity"):
        typed[name] = pa.array([Decimal(str(r[name])) for r in rows], pa.decimal128(20, 7))
    typed["ChargePeriodStart"] = pa.array([datetime(2027, 1, 1, tzinfo=UTC)] * 3, pa.timestamp("us", tz="UTC"))
    pairs = [[("workload", "chat"), ("team", "web")] if r["Tags"] else None for r in rows]
    typed["Tags"] = pa.array(pairs, pa.map_(pa.string(), pa.string()))
    pq.write_table(pa.table(typed), tmp_path / "e.parquet")
    paths += [tmp_path / n for n in ("b.csv.gz", "c.csv", "d.parquet", "e.parquet")]
    read = [cells(read_bill(path)) for path in paths]
    assert len(read[0]) == 3
    assert {c["status"] for c in read[0]} == {"", "unused"}
    assert all(other == read[0] for other in read[1:])


def test_versions_by_their_columns(tmp_path: Path) -> None:
    """1.0 as it stands, 1.1 with SkuMeter, 1.2 with InvoiceId; a column of a folder's second file counts."""
    assert read_bill(write(tmp_path, [row()])).version == "1.0"
    assert read_bill(write(tmp_path, [row(SkuMeter="m")])).version == "1.1"
    assert read_bill(write(tmp_path, [row(SkuMeter="m", InvoiceId="i")])).version == "1.2"
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder, [row()], "a.csv")
    write(folder, [row("4", InvoiceId="i")], "b.csv")
    both = read_bill(folder)
    assert (both.version, both.files, both.total()) == ("1.2", ("a.csv", "b.csv"), {"USD": Decimal(14)})


FAULTS: list[tuple[str, dict[str, str | None], bool]] = [
    ("cost unreadable", {"BilledCost": "1,000"}, True),
    ("cost unreadable", {"EffectiveCost": None}, True),
    ("period unreadable", {"ChargePeriodStart": "yesterday", "BillingPeriodStart": None}, True),
    ("currency missing", {"BillingCurrency": None}, True),
    ("negative", {"BilledCost": "-1"}, False),
    ("outside billing period", {"BillingPeriodStart": FEBRUARY, "BillingPeriodEnd": "2027-03-01T00:00:00Z"}, False),
    ("ends before it begins", {"ChargePeriodEnd": "2026-12-31T00:00:00Z"}, False),
    ("period missing", {"ChargePeriodStart": None}, False),
    ("category unknown", {"ChargeCategory": "Usances"}, False),
    ("tags unreadable", {"Tags": "team=web"}, False),
    ("quantity unreadable", {"PricingQuantity": "many"}, False),
    ("rounded", {"BilledCost": "0.1234567890123456789"}, False),
]


@pytest.mark.parametrize(("reason", "changes", "aside"), FAULTS)
def test_each_fault_is_named_and_counted(
    tmp_path: Path, reason: str, changes: dict[str, str | None], aside: bool
) -> None:
    """By file and row; and what is set aside is missing in the cells, and only there."""
    bill = read_bill(write(tmp_path, [row("10"), row("10") | changes, row("5")]), repeated="ignore")
    book = bill.reconciliation
    counted = book.set_aside if aside else book.flagged
    assert list(counted) == [reason]
    assert counted[reason].rows == 1
    (example,) = book.examples[reason]
    assert str(example).startswith(f"bill.csv, row 3: {reason}: ")
    assert (book.read.rows, book.kept.rows) == (3, 2 if aside else 3)
    assert sum(bill.cells["rows"].tolist()) == book.kept.rows
    if aside:
        assert bill.total() == {"USD": Decimal(15)}
        left = {c: book.read.billed[c] - counted[reason].billed.get(c, 0) for c in book.read.billed}
        assert {c: v for c, v in left.items() if v} == book.kept.billed


def test_corrections_and_credits_may_be_negative(tmp_path: Path) -> None:
    """They are what they are, and outside their billing period."""
    before = {"BillingPeriodStart": FEBRUARY, "BillingPeriodEnd": "2027-03-01T00:00:00Z"}
    rows = [row("-1", ChargeClass="Correction", **before), row("-2", ChargeCategory="Credit")]
    assert read_bill(write(tmp_path, rows)).reconciliation.flagged == {}


def test_rows_cut_short(tmp_path: Path) -> None:
    """Too few or too many cells: set aside with what they begin with."""
    path = write(tmp_path, [row(), row("2")])
    path.write_text(path.read_text() + "1,2,3\n" + ",".join("x" * 60) + "\n", encoding="utf-8")
    book = read_bill(path).reconciliation
    assert (book.read.rows, book.kept.rows, book.set_aside["cut short"].rows) == (4, 2, 2)
    assert "'1,2,3'" in str(book.examples["cut short"][0])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_repeated_rows(tmp_path: Path, suffix: str) -> None:
    """Kept and told, dropped and counted, or refused; a row that differs in its cost only is no repetition."""
    rows = [row("10"), row("7"), row("10"), row("10"), row("3", Tags='{"workload": "b"}')]
    path = write(tmp_path, rows)
    if suffix == ".parquet":
        table = pa.table({name: pa.array([r[name] for r in rows], pa.string()) for name in rows[0]})
        path = tmp_path / "bill.parquet"
        pq.write_table(table, path, row_group_size=2)
    kept = read_bill(path)
    assert kept.total() == {"USD": total(rows)} == {"USD": Decimal(40)}
    assert (kept.reconciliation.flagged["repeated"].rows, kept.reconciliation.flagged["repeated key"].rows) == (2, 1)
    assert kept.reconciliation.flagged["repeated"].total() == {"USD": Decimal(20)}
    assert [f.row for f in kept.reconciliation.examples["repeated"]] == [4, 5]
    dropped = read_bill(path, repeated="drop")
    assert dropped.total() == {"USD": Decimal(20)}
    assert dropped.reconciliation.set_aside["repeated"].rows == 2
    assert sum(dropped.cells["rows"].tolist()) == 3
    with pytest.raises(InputError, match=r"row 4: 2 rows stand twice"):
        read_bill(path, repeated="refuse")
    assert read_bill(path, repeated="ignore").reconciliation.flagged == {}


def test_repeated_rows_across_files_and_column_orders(tmp_path: Path) -> None:
    """A row is the same row wherever its columns stand."""
    backwards = [dict(reversed(row("10").items())), row("1")]
    paths = [write(tmp_path, [row("10")], "a.csv"), write(tmp_path, backwards, "b.csv")]
    book = read_bill(paths, repeated="drop").reconciliation
    assert book.set_aside["repeated"].rows == 1
    assert str(book.examples["repeated"][0]).startswith("b.csv, row 2")


def test_repeated_rows_beside_faulty_ones(tmp_path: Path) -> None:
    """An amount is the same however it is written, and in whatever company."""
    rows = [row("10"), row("10.0"), row("1e1"), row("1,000"), row("1,000")]
    book = read_bill(write(tmp_path, rows)).reconciliation
    assert [f.row for f in book.examples["repeated"]] == [3, 4, 6]
    plain = read_bill(write(tmp_path, rows[:2], "plain.csv")).reconciliation
    assert plain.flagged["repeated"].rows == 1


def test_fingerprints_tell_nothing_from_text() -> None:
    """Null, empty and zero differ."""
    prints = Fingerprints()
    prints.add(pa.table({"A": pa.array(["", None, "0"])}))
    prints.add(pa.table({"A": pa.array([0, None], pa.int64())}))
    assert prints.repeated()[0].tolist() == [4]


@pytest.mark.parametrize("content", [b"x", b""])
def test_files_that_are_no_bills(tmp_path: Path, content: bytes) -> None:
    """Each is refused with what to do."""
    for name in ("a.csv", "a.csv.gz", "a.parquet", "a.txt"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError) as told:
            read_bill(tmp_path / name)
        assert told.value.mend
    with pytest.raises(InputError, match="no such file"):
        read_bill(tmp_path / "none.csv")


def test_files_that_end_in_the_middle(tmp_path: Path) -> None:
    """Of a gzip stream, of a quoted cell, of a Parquet file; or that are not UTF-8."""
    whole = text([row() for _ in range(3000)])
    packed = gzip.compress(whole.encode())
    (tmp_path / "a.csv.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "b.csv").write_text(whole[: whole.rindex("workload") + 3])
    pq.write_table(pa.table({"BilledCost": ["1"] * 9, "ChargePeriodStart": ["2027-01-01"] * 9}), tmp_path / "c.parquet")
    (tmp_path / "c.parquet").write_bytes((tmp_path / "c.parquet").read_bytes()[:-20])
    (tmp_path / "d.csv").write_bytes(text([row(ChargeDescription="Zürich")]).encode("latin-1"))
    for name in ("a.csv.gz", "b.csv", "c.parquet", "d.csv"):
        with pytest.raises(InputError, match=r"to its end|quoted cell|UTF-8"):
            read_bill(tmp_path / name, currency="USD")


def test_the_same_file_twice(tmp_path: Path) -> None:
    """Under two names."""
    paths = [write(tmp_path, [row()], "a.csv"), write(tmp_path, [row()], "b.csv")]
    with pytest.raises(InputError, match=r"b\.csv: is a\.csv once more"):
        read_bill(paths)


def test_columns_that_cannot_be_missed_and_those_that_can(tmp_path: Path) -> None:
    """Without EffectiveCost the amortised view is the cash view; without any cost, period or currency there is none."""

    def less(*names: str) -> Path:
        return write(tmp_path, [{k: v for k, v in row().items() if k not in names}])

    bill = read_bill(less("EffectiveCost"))
    assert bill.total("effective") == {"USD": Decimal(10)}
    assert any("no EffectiveCost; without it no the amortised view" in n or "EffectiveCost" in n for n in bill.notes)
    assert read_bill(less("BillingCurrency"), currency="EUR").total() == {"EUR": Decimal(10)}
    assert read_bill(less("ChargePeriodStart")).months == ("2027-01",)
    for names in (
        ("BilledCost", "EffectiveCost"), ("ChargePeriodStart", "BillingPeriodStart"), ("BillingCurrency",),
    ):  # fmt: skip
        with pytest.raises(InputError, match="no"):
            read_bill(less(*names))
    with pytest.raises(InputError, match="twice"):
        read_bill(write(tmp_path, [row() | {"billed_cost": "1"}]))


def test_what_names_the_node(tmp_path: Path) -> None:
    """The user's table, then columns of machine types, details, meters and descriptions; "" when nothing does."""
    bare: dict[str, str | None] = {"x_InstanceType": None}
    matching = Matching(
        nodes={"S.9": "mapped"}, commitments={"ri": "held"}, known_nodes=("p5.48xlarge", "Standard_X_v5")
    )
    rows = [
        row(SkuPriceId="S.9"),
        row(**bare, CommitmentDiscountId="ri"),
        row(**bare, SkuMeter="USE1-BoxUsage:P5.48xlarge"),
        row(**bare, SkuPriceDetails='{"InstanceType": "standard x v5"}'),
        row(**bare, ChargeDescription="$98 per On Demand Linux p5.48xlarge Instance Hour"),
        row(**bare, x_SkuMeterName="X v5"),
        row(**bare, x_SkuOrderId="5f1d"),
    ]
    bill = read_bill(write(tmp_path, rows), matching=matching, repeated="ignore")
    assert {c["node"]: c["rows"] for c in cells(bill)} == {
        "mapped": 1, "held": 1, "p5.48xlarge": 2, "Standard_X_v5": 2, "": 1,
    }  # fmt: skip


def test_what_a_row_is_for(tmp_path: Path) -> None:
    """Machines, transfer, or something else."""
    none: dict[str, str | None] = {"x_InstanceType": None}
    rows = [
        row(),
        row(**none, ServiceCategory="Networking", PricingUnit="GB", ConsumedUnit="GB"),
        row(**none, ChargeDescription="$0.09 per GB - data transfer out", PricingUnit="GB", ConsumedUnit="GB"),
        row(**none, ServiceCategory="Storage", PricingUnit="GB-Months", ConsumedUnit="GB-Months"),
        row(**none),
        row(PricingUnit="Units", ConsumedUnit="100 Hours"),
    ]
    bill = read_bill(write(tmp_path, rows), repeated="ignore")
    found = {(c["what"], c["node"], c["unit"]): c["rows"] for c in cells(bill)}
    assert found == {
        ("compute", "big", "Hours"): 1, ("compute", "", "Hours"): 1, ("compute", "big", "100 Hours"): 1,
        ("transfer", "", "GB"): 2, ("other", "", "GB-Months"): 1,
    }  # fmt: skip


def test_time_as_fine_as_asked(tmp_path: Path) -> None:
    """Days and hours."""
    rows = [row(), row(ChargePeriodStart="2027-01-02T05:00:00Z", ChargePeriodEnd="2027-01-02T06:00:00Z")]
    path = write(tmp_path, rows)
    assert [c["time"] for c in cells(read_bill(path, grain="day"))] == ["2027-01-01", "2027-01-02"]
    assert [c["time"] for c in cells(read_bill(path, grain="hour"))] == ["2027-01-01T00", "2027-01-02T05"]
    assert [c["time"] for c in cells(read_bill(path))] == [""]
    assert JANUARY.startswith(cells(read_bill(path))[0]["period"])
