"""Layouts that physics ranks first are predicted in full; the best of them is the best of all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from solver.workloads import training as module
from solver.workloads.training import SHORTLIST, Training, _shortlist


def test_the_quickest_few_of_each_gang_size_of_each_shape() -> None:
    """Two shapes and two sizes, more layouts than are kept: those below the limit in each group, in row order."""
    rng = np.random.default_rng(1)
    shape, nodes = np.repeat([0, 0, 1], [40, 30, 5]), np.repeat([1, 2, 1], [40, 30, 5])
    mixed = rng.permutation(len(shape))
    step_s = rng.random(len(shape))
    kept = _shortlist(shape[mixed], nodes[mixed], step_s[mixed])
    assert (np.diff(kept) > 0).all()
    for group in ((0, 1), (0, 2), (1, 1)):
        mine = np.flatnonzero((shape[mixed] == group[0]) & (nodes[mixed] == group[1]))
        best = mine[np.argsort(step_s[mixed][mine])][:SHORTLIST]
        assert set(best) == set(kept) & set(mine)
    assert len(_shortlist(shape[:0], nodes[:0], step_s[:0])) == 0


@pytest.mark.parametrize(("model", "stored"), [("deepseek-v3", "fp8"), ("meta-llama-3.1-70b", "bf16")])
def test_nothing_is_lost_by_the_list(catalog: Any, monkeypatch: pytest.MonkeyPatch, model: str, stored: str) -> None:
    """The same modes as when every layout is predicted in full."""
    w = Training(name="t", model=model, tokens=10**12, precision=stored, global_batch_sequences=1024)
    listed, _ = w.modes(catalog)
    monkeypatch.setattr(module, "SHORTLIST", 10**6)
    whole, _ = w.modes(catalog)
    assert listed.units_per_hour.tolist() == whole.units_per_hour.tolist()
    assert len(listed) > 0
