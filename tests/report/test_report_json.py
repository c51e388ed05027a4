"""plan.json: an exact round trip, and every trap of JSON refused by name."""

from __future__ import annotations

import dataclasses
import json
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.errors import InputError, PlannerError
from solver.plan import TABLES, Plan
from solver.report.json import SCHEMA, from_json, to_json
from solver.table import Table
from tests.report.report_samples import make_plan

FIELDS = ("name", "termination", "certificate", "provenance", "periods", "block_hours", "accounting")


def same(a: Plan, b: Plan) -> None:
    """Assert that two plans are equal in every field, column, dtype and bit."""
    for field in FIELDS:
        assert getattr(a, field) == getattr(b, field), field
    for name in ("fleet", *TABLES):
        left, right = getattr(a, name), getattr(b, name)
        assert left.names == right.names, name
        for column in left.names:
            assert left[column].dtype == right[column].dtype, (name, column)
            np.testing.assert_array_equal(left[column], right[column])


def test_round_trip_is_exact(plan: Plan, infeasible: Plan) -> None:
    """Everything comes back as it was, and is written the same again."""
    for each in (plan, infeasible):
        back = from_json(to_json(each))
        same(each, back)
        assert to_json(back) == to_json(each)


def test_document(plan: Plan) -> None:
    """Schema, money as decimal strings of dollars, tables as columns and rows."""
    document = json.loads(to_json(plan))
    assert document["schema"] == SCHEMA == "autoparallel.plan/1"
    assert Decimal(document["total_usd"]) * 10**6 == plan.total_micro_usd
    bill = document["tables"]["cost_lines"]
    at = bill["columns"].index("usd")
    assert sum(Decimal(row[at]) for row in bill["rows"]) == plan.total_usd
    fleet = document["tables"]["fleet"]
    row = dict(zip(fleet["columns"], fleet["rows"][-1], strict=True))
    assert row["workload"] == "finetune"
    assert row["usd_per_1m_input"] is None
    assert row["ttft_ms"] is None
    assert isinstance(row["nodes_peak"], int)


def test_special_values() -> None:
    """Fractions as text, infinities, the largest amounts and odd text keep their value."""
    odd = Table(
        {
            "f": np.array([Fraction(1, 3), Fraction(-7, 2), 4], dtype=object),
            "x": np.array([math.inf, math.nan, 0.1]),
            "micro_usd_per_hour": np.array([-1, 2**62, -5]),
            "t": np.array(["\x00", "é\u2028", "\ud800"], dtype=object),
            "b": np.array([True, False, True]),
            "n": np.array([2**80, 1, 0], dtype=object),
        }
    )
    plan = dataclasses.replace(make_plan(), excuses=odd)
    assert '"1/3"' in to_json(plan)
    back = from_json(to_json(plan)).excuses
    for name in odd.names:
        np.testing.assert_array_equal(odd[name], back[name])


def test_mixed_column_is_refused() -> None:
    """A column of several types is named, not guessed."""
    plan = dataclasses.replace(make_plan(), excuses=Table({"odd": np.array(["a", 1], dtype=object)}))
    with pytest.raises(PlannerError, match="odd"):
        to_json(plan)


def edit(path: str, value: object) -> str:
    """The plan as JSON with one value replaced by `value`."""
    document = json.loads(to_json(make_plan()))
    *parents, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    place = document
    for step in parents:
        place = place[step]
    place[last] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("schema", "autoparallel.plan/2", "schema"),
        ("schema", None, "schema"),
        ("block_hours.3", math.nan, r"block_hours\[3\]"),
        ("block_hours.3", True, r"block_hours\[3\]"),
        ("block_hours.3", 1.5, r"block_hours\[3\]"),
        ("periods", "2027-01", "periods"),
        ("tables.fleet.rows.0.7", math.inf, r"tables\.fleet\.rows\[0\]\[7\]"),
        ("tables.fleet.rows.0.8", "9", r"tables\.fleet\.rows\[0\]\[8\]"),
        ("tables.fleet.rows.0.0", 5, r"tables\.fleet\.rows\[0\]\[0\]"),
        ("tables.fleet.rows.0.10", 208944.5, r"tables\.fleet\.rows\[0\]\[10\]"),
        ("tables.fleet.rows.0.10", "1.2345678", "six decimals"),
        ("tables.fleet.rows.0.10", "1e9", "no amount"),
        ("tables.fleet.rows.0.10", "٣", "no amount"),
        ("tables.fleet.rows.0.10", "9223372036855", "no amount"),
        ("tables.fleet.rows.0", ["chat"], r"tables\.fleet\.rows\[0\]"),
        ("tables.fleet.types.0", "date", r"tables\.fleet\.types\[0\]"),
        ("tables.fleet.columns.1", "workload", r"tables\.fleet"),
        ("tables.cost_lines.rows.0.8", None, r"tables\.cost_lines\.rows\[0\]\[8\]"),
        ("tables.more", {}, "'more' is unknown"),
        ("extra", 1, "'extra' is unknown"),
        ("termination", "maybe", "termination"),
        ("certificate.kind", "hoped", r"certificate\.kind"),
        ("certificate.lower_usd", 12.5, r"certificate\.lower_usd"),
        ("provenance.seed", "7", r"provenance\.seed"),
        ("provenance.deterministic", 1, r"provenance\.deterministic"),
        ("provenance.warnings.0", None, r"provenance\.warnings\[0\]"),
        ("total_usd", "1.00", "sum of the bill"),
        ("accounting", "free", "accounting"),
    ],
)
def test_bad_field_is_named(path: str, value: object, named: str) -> None:
    """A typed error that names the field and the mend."""
    with pytest.raises(InputError, match=named) as caught:
        from_json(edit(path, value))
    assert caught.value.mend


@pytest.mark.parametrize("key", ["name", "tables", "certificate", "total_usd"])
def test_missing_field_is_named(key: str) -> None:
    """No default stands in for what is missing."""
    document = json.loads(to_json(make_plan()))
    del document[key]
    with pytest.raises(InputError, match=f"'{key}' is missing"):
        from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "not JSON"),
        ("[]", "schema"),
        ('{"a": 1, "a": 2}', "a: the key stands twice"),
        ('{"a": {"b": [1, 1e999]}}', r"a\.b\[1\]: 1e999"),
        ('{"a": NaN}', "a: NaN"),
        ('{"a": -Infinity}', "a: -Infinity"),
        ('{"a": ' + "9" * 5000 + "}", "a: 9999"),
        ("[" * 65 + "]" * 65, "64 deep"),
        ("[" * 100_000, "64 deep"),
        ('{"a":' * 100_000, "64 deep"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        ('{"schema": "autoparallel.plan/1",}', "line 1"),
    ],
)
def test_traps_of_json(text: str | bytes, named: str) -> None:
    """What Python's reader lets pass or dies of is refused."""
    with pytest.raises(InputError, match=named):
        from_json(text)


def test_size_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too large a file is refused before it is parsed."""
    monkeypatch.setattr("solver.report.json.MAX_BYTES", 2**20)
    with pytest.raises(InputError, match="larger than 1 MiB"):
        from_json("[" * (2**20 + 1))


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False))
def test_any_text_and_number_survives(name: str, micro_usd: int, seconds: float) -> None:
    """Names, amounts and floats come back bit for bit."""
    plan = make_plan()
    lines = plan.cost_lines.take(np.array([0])).with_columns(micro_usd=[micro_usd], workload=[name + "x"])
    provenance = dataclasses.replace(plan.provenance, seconds=seconds)
    odd = dataclasses.replace(plan, name=name, cost_lines=lines, provenance=provenance)
    back = from_json(to_json(odd))
    same(odd, back)
    assert (back.name, back.total_micro_usd, back.provenance.seconds) == (name, micro_usd, seconds)
