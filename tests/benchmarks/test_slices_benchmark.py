"""The benchmark of slices, and how peers are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import peers, slices


def case(usd: float, peer: float, seconds: float = 0.1, peer_s: float = 2.0, *, proved: bool = True) -> dict[str, Any]:
    """A case as `measure` makes them."""
    theirs = {"usd": peer, "seconds": peer_s, "optimal": True}
    return {"usd": usd, "seconds": seconds, "proved": proved, "peer": theirs, "version": "peer 1"}


def test_row_compares_case_by_case() -> None:
    """Dearer and cheaper are counted apart; times are geometric means."""
    row = slices.row("x", [case(1.0, 1.0, 0.1, 1.0), case(2.0, 1.5, 0.4, 4.0), case(1.0, 3.0)])
    assert (row["dearer"], row["cheaper"], row["cases"], row["proved"]) == (1, 1, 3, 3)
    assert slices.row("x", [case(1, 1, 0.1, 1.0), case(1, 1, 0.4, 4.0)])["times"] == pytest.approx(10)


@pytest.mark.parametrize(
    "worse",
    [case(1, 1, proved=False), case(1, 1, 2.1, 100.0), case(2, 1), case(1, 1, 0.5, 0.6)],
)
def test_each_goal_can_be_missed(worse: dict[str, Any]) -> None:
    """Exactly one of four."""
    assert sorted(v is True for v in slices.goals(slices.row("all", [worse])).values()) == [False, True, True, True]


def test_without_the_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said to be absent; ours is measured all the same."""
    monkeypatch.setattr(peers, "ENVIRONMENTS", tmp_path / "none")
    slices.main(["--seeds", "1", "--factors", "1", "--results", str(tmp_path)])
    said = capsys.readouterr().out
    assert "| absent |" in said
    assert "| all proved | yes |" in said
    assert peers.ask("pulp", "slices_pulp.py", {}) is None


def test_peer_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it said last."""
    monkeypatch.setattr(peers, "ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(peers, "HERE", tmp_path)
    folder = tmp_path / "pulp"
    (folder / "bin").mkdir(parents=True)
    (folder / "ready").touch()
    (folder / "bin" / "python").symlink_to(Path(__import__("sys").executable))
    (tmp_path / "script.py").write_text("raise SystemExit('no solver here')")
    with pytest.raises(RuntimeError, match="no solver here"):
        peers.ask("pulp", "script.py", {"x": np.zeros(1)})
    told = "import sys, json, numpy as np; n = np.load(sys.argv[1])['x'].sum()"
    told += "\nopen(sys.argv[2], 'w').write(json.dumps({'n': n}))"
    (tmp_path / "script.py").write_text(told)
    assert peers.ask("pulp", "script.py", {"x": np.array([1.0, 2.5])}) == {"n": 3.5}


def test_requirements_are_pinned() -> None:
    """Every package of every peer to one version."""
    for name in peers.PEERS:
        lines = (peers.HERE / f"{name}.txt").read_text(encoding="utf-8").split()
        assert lines
        assert all(line.count("==") == 1 for line in lines)


def test_peers_are_never_imported_here() -> None:
    """Their scripts know nothing of this project, and this project nothing of them."""
    for script in peers.HERE.glob("*_*.py"):
        if script.name.startswith("__"):
            continue
        text = script.read_text(encoding="utf-8")
        assert "import solver" not in text
        assert "from solver" not in text
        assert "benchmarks" not in text


def test_drawn_cases_differ_and_repeat() -> None:
    """Sixty sizes on four types; small machines are not always the best nor the worst a dollar."""
    load = slices.drawn(3)
    assert load.shape == (60, 4)
    np.testing.assert_array_equal(load, slices.drawn(3))
    assert not np.array_equal(load, slices.drawn(4))
    best = (load * np.array(slices.USD)).argmin(axis=1)
    assert len(set(best.tolist())) >= 3
