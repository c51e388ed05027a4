"""Traces: what is read is what was written, zones of a folder side by side; what is no trace is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from solver.errors import InputError
from solver.spot import read_markets


def _write(path: Path, data: object, gap: object = 300) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"metadata": {"gap_seconds": gap}, "data": data}), encoding="utf-8")


def test_a_market_holds_the_zones_of_a_folder_with_the_same_device(tmp_path: Path) -> None:
    """Cut to the shortest; another device is another market."""
    _write(tmp_path / "aws" / "us-east-1a_v100_1.json", [1, 0, 2, 4])
    _write(tmp_path / "aws" / "us-east-1b_v100_1.json", [0, 0, 1])
    _write(tmp_path / "aws" / "us-east-1b_k80_1.json", [1], gap=600)
    (tmp_path / "aws" / "README.md").write_text("not a trace", encoding="utf-8")
    k80, v100 = sorted(read_markets(tmp_path), key=lambda m: m.name)
    assert (k80.name, v100.name) == ("aws/k80_1", "aws/v100_1")
    assert v100.zones == ("us-east-1a", "us-east-1b")
    assert v100.counts.tolist() == [[1, 0, 2], [0, 0, 1]]  # as long as the shortest
    assert v100.up(2).tolist() == [[False, False, True], [False, False, False]]
    assert (v100.hours, v100.most, k80.gap_hours) == (0.25, 2, 1 / 6)
    assert v100.only([1]).zones == ("us-east-1b",)
    assert v100.only([0]).counts.tolist() == [[1, 0, 2, 4]]  # alone, a zone has all of its own
    assert v100.only([1, 0]).counts.tolist() == [[0, 0, 1], [1, 0, 2]]


def test_traces_may_lie_in_the_folder_itself(tmp_path: Path) -> None:
    """Named after the folder."""
    _write(tmp_path / "here" / "zone.json", [1, 1])
    (market,) = read_markets(tmp_path / "here")
    assert (market.name, market.zones) == ("here", ("zone",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"metadata": {"gap_seconds": 300}, "data": [NaN]}', "not JSON"),
        ("[]", "gap_seconds"),
        ('{"metadata": {"gap_seconds": 0}, "data": [1]}', "gap_seconds"),
        ('{"metadata": {"gap_seconds": true}, "data": [1]}', "gap_seconds"),
        ('{"metadata": {"gap_seconds": 300}, "data": []}', "list"),
        ('{"metadata": {"gap_seconds": 300}, "data": [1, -1]}', r"data\[1\]"),
        ('{"metadata": {"gap_seconds": 300}, "data": [0.5]}', r"data\[0\]"),
        ('{"metadata": {"gap_seconds": 300}, "data": ["1"]}', r"data\[0\]"),
        ('{"metadata": {"gap_seconds": 300}, "data": [1e999]}', r"data\[0\]"),
    ],
)
def test_what_is_no_trace_is_refused_by_name(tmp_path: Path, content: str, said: str) -> None:
    """One typed error that names the file."""
    (tmp_path / "bad.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=said) as caught:
        read_markets(tmp_path)
    assert "bad.json" in str(caught.value)


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_no_trace_at_all_is_an_error(tmp_path: Path, name: str) -> None:
    """Neither a missing nor an empty folder passes for a market."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"trace|folder"):
        read_markets(tmp_path / name)
