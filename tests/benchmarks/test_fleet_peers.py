"""The benchmark of several tools on one fleet model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import fleet_peers, peers
from benchmarks.instances import Fleet, Size, draw
from solver.engine import mathopt
from solver.formulation import formulate
from solver.rules import RULES


def one_pool() -> Fleet:
    """One workload of 250 units in one hour: nodes of 100 at $2, on spot (two there) at $1 for half of it at most."""
    return dataclasses.replace(
        draw(Size.of("1x1x1x1x1")),
        edge_workload=np.array([0]),
        edge_pool=np.array([0]),
        edge_units=np.array([100]),
        demand=np.array([[250]]),
        spot_share=np.array([50]),
        spot_nodes=np.array([[2]]),
        quota_nodes=np.array([1]),
        on_demand_micro_usd=np.array([2_000_000]),
        spot_micro_usd=np.array([1_000_000]),
        unserved_micro_usd=100_000,
    )


def test_greedy_by_hand() -> None:
    """One spot node ($1) within half of 250, then one on demand ($2) by quota; 50 units at $0.10 are left."""
    assert fleet_peers.greedy_usd(one_pool()) == pytest.approx(1 + 2 + 5)
    enough = dataclasses.replace(one_pool(), quota_nodes=np.array([5]))
    assert fleet_peers.greedy_usd(enough) == pytest.approx(1 + 4)


@pytest.mark.parametrize("seed", range(6))
def test_greedy_is_dearer_than_the_bound(seed: int) -> None:
    """It is a plan without commitments, so the relaxation costs no more."""
    fleet = draw(Size.of("6x4x16x6x2"), seed)
    f = formulate(fleet.problem(), RULES, direct=True)
    bound = mathopt.solve(f.model.program().relaxed()).objective + f.model.constant
    assert fleet_peers.greedy_usd(fleet) >= bound * (1 - 1e-9)


def test_expressions_and_arrays_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same optimum through MathOpt's expressions; absent peers have rows without figures."""
    monkeypatch.setattr(peers, "ENVIRONMENTS", tmp_path / "none")
    monkeypatch.setattr(fleet_peers, "PLAN_S", 10.0)
    fleet_peers.main(["--fleets", "5x4x12x4x2", "--results", str(tmp_path)])
    rows = {row["tool"]: row for row in json.loads((tmp_path / "fleet_peers.json").read_text())["rows"]}
    assert rows["MathOpt expressions"]["same"] is True
    assert rows["linopy"]["columns"] is None
    assert rows["greedy by the hour"]["dearer"] >= 1 - rows["greedy by the hour"]["gap"]
    assert rows["this planner"]["build_times"] == 1


@pytest.mark.skipif(not peers.present("linopy"), reason="peer absent: python -m benchmarks.peers linopy")
def test_linopy_agrees() -> None:
    """The same optimum, where its environment is there."""
    size = "5x4x12x4x2"
    said = peers.ask("linopy", "fleet_linopy.py", fleet_peers.shared(draw(Size.of(size), fleet_peers.SEED)))
    assert said is not None
    assert said["usd"] == pytest.approx(fleet_peers.ours(size)["usd"], rel=1e-7)
