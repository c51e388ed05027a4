"""The benchmark of starting up, and the files of results."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import published, results, start_up


def test_table_and_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each command, goals beside the two that have one, and the same in the file."""
    start_up.main(["--runs", "1", "--results", str(tmp_path)])
    titles, *lines = capsys.readouterr().out.splitlines()
    assert "cpu s" in titles
    assert [line[:22].strip() for line in lines] == list(start_up.COMMANDS)
    assert [" s: " in line for line in lines] == [name in start_up.GOAL_S for name in start_up.COMMANDS]
    rows = json.loads((tmp_path / "start_up.json").read_text(encoding="utf-8"))["rows"]
    assert all(row["failed"] == 0 and row["cpu_s"] > 0 for row in rows)


def test_command_that_fails_meets_no_goal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast it is."""
    monkeypatch.setitem(start_up.COMMANDS, "import solver", (sys.executable, "-c", "import nowhere"))
    row = start_up.measure("import solver", 2, tmp_path / "log")
    assert row["failed"] == 2
    assert row["goal_met"] is False
    assert "2 runs failed" in start_up.line(row)


def test_rows_are_replaced_only_where_measured_in_the_same_way(tmp_path: Path) -> None:
    """A second run renews its rows and keeps the others; another protocol starts afresh."""
    results.save(tmp_path, "x", {"runs": 1}, [{"name": "a", "s": 1}, {"name": "b", "s": 2}])
    file = results.save(tmp_path, "x", {"runs": 1}, [{"name": "a", "s": 3}])
    assert [(row["name"], row["s"]) for row in json.loads(file.read_text())["rows"]] == [("a", 3), ("b", 2)]
    results.save(tmp_path, "x", {"runs": 2}, [{"name": "c", "s": 4}])
    assert [row["name"] for row in json.loads(file.read_text())["rows"]] == ["c"]


def test_published_page_shows_the_files_of_results() -> None:
    """To the letter, so that no figure on it is written by hand; a page without the list of cases is refused."""
    text = published.PAGE.read_text(encoding="utf-8")
    assert published.page(text) == text
    with pytest.raises(ValueError, match="cases"):
        published.page(text.replace("<!-- cases -->", ""))
