"""comparison.html and what notebooks show: offline, without scripts, and no name becomes markup."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from solver.compare import ComparisonReport
from solver.errors import InputError
from solver.report import words as report_words
from solver.report.cells import clean
from solver.report.comparison_html import fragment, page
from solver.report.comparison_terminal import show
from solver.table import Table
from tests.report.report_hostile import PAYLOADS
from tests.report.test_report_browser import BROWSER, Listener, browse, internet, theirs
from tests.report.test_report_html import check_harmless, words

__all__ = ["internet"]  # a fixture
NAMES = frozenset(
    {"model", "provider", "region", "node", "accelerator", "reason", "layout", "evidence", "price_source", "role"}
    | {"precision", "option", "small", "large", "small_model", "large_model", "cheaper_at_demand", "verdict"}
)


def poisoned(report: ComparisonReport) -> ComparisonReport:
    """A payload before every name, in turn."""
    used = iter(range(10**6))

    def table(given: Table) -> Table:
        made = {}
        for name in given.names:
            if name in NAMES:
                values = [PAYLOADS[next(used) % len(PAYLOADS)] + str(v) for v in given[name].tolist()]
                column = np.empty(len(values), dtype=object)
                column[:] = values
                made[name] = column
        return given.with_columns(**made)

    return dataclasses.replace(
        report,
        cluster=PAYLOADS[0],
        notes=PAYLOADS,
        models=table(report.models),
        break_even=table(report.break_even),
        commitments=table(report.commitments),
    )


def test_the_page_says_what_was_found(report: ComparisonReport) -> None:
    """Prices, intervals, assumptions and break-evens stand there."""
    text = words(page(report)).replace("\u00a0", " ")
    for r in report.models.records():
        assert report_words.usd(r["micro_usd_per_1m_output"], 3) in text
        assert report_words.usd(r["micro_usd_per_month"], 0) in text
        assert r["node"] in text
    for fact in (
        "by the time that prompts (prefill) and answers",
        "90 % interval",
        "Break-even by demand",
        "730 hours",
    ):
        assert fact in text
    assert f"prices as of {report.as_of}" in text


def test_the_page_is_offline_and_without_script(report: ComparisonReport, own: ComparisonReport) -> None:
    """A strict policy, the page's own tags alone, every picture named; the same report gives the same bytes."""
    for found in (report, own):
        source = page(found)
        read = check_harmless(source)
        assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in source
        assert not re.search(r"https?://|@import|url\(|<script|javascript:", source)
        assert sum(tag == "svg" for tag, _ in read.tags) == 4
        assert source == page(found)


def test_hostile_names_are_only_text(report: ComparisonReport) -> None:
    """On the page, in the fragment and on the terminal."""
    bad = poisoned(report)
    text = "".join(check_harmless(page(bad)).text)
    for payload in PAYLOADS:
        assert clean(payload) in text, payload
    check_harmless(fragment(bad))
    out = io.StringIO()
    show(bad, Console(file=out, width=200, force_terminal=True))
    printed = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert not any(ord(c) < 32 and c != "\n" for c in printed)
    assert "\u202e" not in printed
    json.loads(bad.to_json())


def test_files_are_written_whole(own: ComparisonReport, tmp_path: Path) -> None:
    """Page, JSON and CSV; a link in the way is refused and nothing is written."""
    paths = own.write(tmp_path / "out")
    assert [p.relative_to(tmp_path / "out").as_posix() for p in paths] == [
        *("comparison.json", "comparison.html"),
        *("tables/models.csv", "tables/break_even.csv", "tables/commitments.csv"),
    ]
    assert json.loads(paths[0].read_text())["complete"] is True
    rows = list(csv.DictReader(io.StringIO(paths[2].read_text())))
    assert len(rows) == len(own.models)
    other = tmp_path / "other"
    other.mkdir()
    (other / "comparison.html").symlink_to(paths[1])
    with pytest.raises(InputError, match="is a link"):
        own.write(other)
    assert [p.name for p in other.iterdir() if p.is_file() and not p.is_symlink()] == []


def test_csv_holds_no_formula(own: ComparisonReport, tmp_path: Path) -> None:
    """Payloads of spreadsheets stay text."""
    paths = poisoned(own).write(tmp_path)
    for row in csv.reader(io.StringIO(paths[2].read_text())):
        for cell in row:
            assert cell[:1] not in set("=+@＝＋－＠"), cell


def test_a_notebook_shows_a_table(own: ComparisonReport) -> None:
    """One fragment with every way, without style sheets."""
    html = own._repr_html_()
    read = check_harmless(html)
    assert sum(tag == "tr" for tag, _ in read.tags) == 1 + len(own.models)
    assert "<style" not in html


def test_frames(own: ComparisonReport) -> None:
    """Each table by name."""
    for name in ("models", "break_even", "commitments"):
        assert len(own.to_frame(name)) == len(getattr(own, name))
    with pytest.raises(InputError, match="unknown table 'x'"):
        own.to_frame("x")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH: install the package chromium")
def test_a_browser_runs_and_fetches_nothing(report: ComparisonReport, internet: Listener, tmp_path: Path) -> None:
    """Hostile names in every cell: the title stays, no policy had to step in, nothing was asked for."""
    path = tmp_path / "comparison.html"
    path.write_bytes(page(poisoned(report)).encode("utf-8", "replace"))
    dom, console = browse(path, internet, "--dump-dom")
    assert console == ""
    assert "<title>Models compared</title>" in dom
    assert "<script" not in dom.lower()
    assert theirs(internet) == []
