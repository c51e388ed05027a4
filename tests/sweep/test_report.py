"""The table, the JSON and the page of a sweep: figures by hand, order, and no text that becomes code."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from solver.report.sweep_files import to_json
from solver.report.sweep_html import labels, page, settings
from solver.report.tables import to_csv
from solver.sweep import SweepReport, read_sweep
from solver.sweep.result import read_store
from solver.sweep.store import NAME, Store, StoreError
from tests.report.report_hostile import MARK, PAYLOADS


def result(usd: str, **more: Any) -> dict[str, Any]:
    """What a worker keeps of a plan."""
    return {
        "termination": "optimal", "certificate": "proved", "cost_usd": usd, "lower_usd": usd, "gap": 0.0,
        "months": 1, "seconds": 0.5, "workloads": {"chat": usd}, "conflicts": [], "warnings": [],
        "purchases": [{"provider": "aws", "region": "r", "node": "n", "option": "on_demand", "nodes": 2}], **more,
    }  # fmt: skip


def stored(folder: Path, *rows: tuple[dict[str, Any], dict[str, Any] | str | None], fields: tuple[str, ...]) -> Store:
    """A store with these scenarios: settings, and a result, an error of one set aside, or nothing yet."""
    store = Store(folder)
    about = {"fields": fields, "name": "fleet", "spec": "f.yaml", "version": "1", "search": {"gap": 0.01}, "code": "c"}
    with store.transaction():
        store.start(json.dumps(about), [(i, f"k{i}", json.dumps(settings)) for i, (settings, _) in enumerate(rows)])
        for i, (_, found) in enumerate(rows):
            if isinstance(found, str):
                for _ in range(3):
                    store.fail(store.begin(f"k{i}", 1), found)
            elif found is not None:
                store.finish(store.begin(f"k{i}", 1), f"k{i}", json.dumps(found))
    return store


INFEASIBLE: dict[str, Any] = {
    "termination": "infeasible", "certificate": "none", "cost_usd": None, "lower_usd": None, "gap": None,
    "workloads": {}, "conflicts": [{"limit": "quota[x]", "unit": "nodes", "relax_by": 20.0}],
}  # fmt: skip


@pytest.fixture
def report(tmp_path: Path) -> SweepReport:
    """Six scenarios: as written, cheaper, dearer over two months, none possible, set aside, not yet."""
    with stored(
        tmp_path,
        ({"a.b": 1}, result("200.000000")),
        ({"a.b": 2}, result("150.000000")),
        ({"a.b": 3}, result("600.000000", months=2)),
        ({"a.b": 4}, result("0", **INFEASIBLE)),
        ({"a.b": 5}, "line one\n=cmd()"),
        ({"a.b": 6}, None),
        fields=("a.b",),
    ) as store:
        return read_store(store)


def rows_of(report: SweepReport) -> list[dict[str, str]]:
    """The CSV, read back."""
    return list(csv.DictReader(io.StringIO(to_csv(report.table()))))


def test_figures_by_hand(report: SweepReport) -> None:
    """Compared by the month: 200, 150 and 300 dollars; against 150 and against 200."""
    rows = rows_of(report)
    assert [r["scenario"] for r in rows] == list("012345")
    assert [r["a.b"] for r in rows] == list("123456")
    assert [r["usd_per_month"] for r in rows] == ["200.000000", "150.000000", "300.000000", "", "", ""]
    assert [r["total_usd"] for r in rows] == ["200.000000", "150.000000", "600.000000", "", "", ""]
    assert [r["usd of chat"] for r in rows] == ["200.000000", "150.000000", "600.000000", "", "", ""]
    assert [float(r["above_cheapest_percent"]) for r in rows[:3]] == pytest.approx([100 / 3, 0, 100])
    assert [float(r["against_base_percent"]) for r in rows[:3]] == pytest.approx([0, -25, 50])
    assert [r["status"] for r in rows] == ["done", "done", "done", "infeasible", "set aside", "not yet"]
    assert rows[3]["in_the_way"] == "quota[x]: 20 nodes"
    assert rows[0]["purchases"] == "2 × aws/r/n on_demand"
    assert report.cheapest is report.rows[1]
    assert report.base is report.rows[0]


def test_a_frame_has_exact_dollars(report: SweepReport) -> None:
    """One row a scenario."""
    frame = report.to_frame()
    assert frame["usd_per_month"].tolist()[:3] == [200, 150, 300]
    assert frame["a.b"].tolist() == [1, 2, 3, 4, 5, 6]


def test_json_has_everything_in_order(report: SweepReport) -> None:
    """Counts, settings as they are, errors whole."""
    made = json.loads(to_json(report))
    assert (made["scenarios"], made["done"], made["infeasible"], made["set_aside"], made["not_yet"]) == (6, 3, 1, 1, 1)
    assert made["cheapest"] == 1
    assert [row["number"] for row in made["rows"]] == list(range(6))
    assert made["rows"][4]["error"] == "line one\n=cmd()"
    assert made["rows"][2]["settings"] == {"a.b": 3}
    assert made["rows"][2]["above_cheapest_percent"] == pytest.approx(100)


def test_the_page_says_it_in_words(report: SweepReport) -> None:
    """Costs, changes, what is missing, and what each value does."""
    made = page(report).replace("\u00a0", " ")
    for said in (
        "$150",
        "$200",
        "$300",
        "+100.0 %",
        "−25.0 %",
        "quota[x]",
        "Set aside after three attempts: 1",
        "Not planned yet: 1",
    ):
        assert said in made
    assert page(report) == page(report)


def test_fields_go_by_their_last_step_where_it_is_their_own(tmp_path: Path) -> None:
    """And a scenario by what differs from the spec as written."""
    rows = [({"a.x": 1, "b.x": 1, "c.y": 1}, result("1")), ({"a.x": 1, "b.x": 2, "c.y": 3}, result("2"))]
    with stored(tmp_path, *rows, fields=("a.x", "b.x", "c.y")) as store:
        report = read_store(store)
    assert labels(report) == {"a.x": "a.x", "b.x": "b.x", "c.y": "y"}
    assert [settings(row, report) for row in report.rows] == ["as written", "b.x 2, y 3"]


class Tags(HTMLParser):
    """Which elements and attributes a page has."""

    def __init__(self, text: str) -> None:
        """Read it all."""
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_stays_text(tmp_path: Path, payload: str) -> None:
    """In settings, names, limits, purchases and errors: no element, no attribute, no formula comes of it."""
    hostile = result("1", workloads={payload: "1"}, warnings=[payload])
    hostile["purchases"][0]["region"] = payload
    no_plan = result("0", **{**INFEASIBLE, "conflicts": [{"limit": payload, "unit": payload, "relax_by": 1.0}]})
    rows = (({payload: payload}, hostile), ({payload: [payload]}, no_plan), ({payload: "x"}, payload))
    with stored(tmp_path, *rows, fields=(payload,)) as store:
        report = read_store(store)
    plain = Tags(page(report))
    calm: list[Any] = [({"a": "b"}, result("1")), ({"a": ["b"]}, result("0", **INFEASIBLE)), ({"a": "x"}, "e")]
    other = tmp_path / "calm"
    other.mkdir()
    with stored(other, *calm, fields=("a",)) as store:
        expected = Tags(page(read_store(store)))
    assert plain.tags <= expected.tags
    assert plain.attributes <= expected.attributes
    assert "script" not in plain.tags
    assert f"<script>{MARK}" not in page(report)
    for cell in csv.reader(io.StringIO(to_csv(report.table()))):
        assert not any(text[:1] in "=+@\t\r" for text in cell if text)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        json.dumps(result("NaN")),
        json.dumps(result("1", months="x")),
        json.dumps(result("1", workloads=[])),
        json.dumps(result("1", purchases=[{}])),
        "[" * 100_000,
    ],
)
def test_a_store_with_something_else_in_it_is_a_typed_error(tmp_path: Path, text: str) -> None:
    """Whatever its cells hold."""
    stored(tmp_path, ({}, result("1")), fields=()).__exit__()
    with sqlite3.connect(tmp_path / NAME) as db:
        db.execute("UPDATE results SET content = ?", (text,))
    db.close()
    with pytest.raises(StoreError, match="damaged"):
        read_sweep(tmp_path).table()


def test_settings_of_many_kinds(tmp_path: Path) -> None:
    """Numbers stay numbers in the table; what is not set anywhere is empty."""
    rows: list[Any] = [
        ({"n": 1, "f": 0.5, "b": True, "l": ["x", "y"], "t": "=1"}, None),
        ({"n": None, "f": 2, "b": False}, None),
    ]
    with stored(tmp_path, *rows, fields=("n", "f", "b", "l", "t")) as store:
        one, two = rows_of(read_store(store))
    assert [one[k] for k in "nfblt"] == ["1.0", "0.5", "true", '["x", "y"]', "'=1"]
    assert [two[k] for k in "nfblt"] == ["", "2.0", "false", "", ""]
