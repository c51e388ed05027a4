"""The notebook on the performance model shows what the doors answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .played import FOLDER, Played, play

FACTS = {
    "served": "served[['tpot_ms_lo', 'tpot_ms', 'tpot_ms_hi']].values.tolist()",
    "widths": "(served['tpot_ms_hi'] / served['tpot_ms']).groupby(served['system']).mean().to_dict()",
    "refused": "refused['error'].tolist()",
    "before": "served[frame['system'] == 'mi300x'][['tpot_ms', 'tpot_ms_hi']].iloc[1].tolist()",
    "after": "observed[frame['system'] == 'mi300x'][['tpot_ms', 'tpot_ms_hi']].iloc[1].tolist()",
    "evidence": "observed['evidence'].tolist()",
    "steps": "steps.set_index('gpu')['step_time_s'].to_dict()",
    "kept_out": "len(kept_out)",
    "worst": "worst['row'].tolist()",
}


@pytest.fixture(scope="module")
def notebook() -> Played:
    """The notebook, run once."""
    return play("performance", FACTS)


def test_predictions_lie_in_their_intervals(notebook: Played) -> None:
    """Nine rows; the machine that no engine was measured on is known least."""
    assert len(notebook.facts["served"]) == 9
    assert all(low < mean < high for low, mean, high in notebook.facts["served"])
    widths = notebook.facts["widths"]
    assert widths["mi300x"] > max(widths["h100_sxm"], widths["b200_sxm"])


def test_refusals_name_field_and_mend(notebook: Played) -> None:
    """The first row stands."""
    fine, model, ranks = notebook.facts["refused"]
    assert fine == ""
    assert "model" in model
    assert "Llama-3.1-70B" in model
    assert "tensor_parallel" in ranks


def test_one_measurement_moves_and_narrows(notebook: Played) -> None:
    """Towards the 40 ms measured; other machines stay as they are."""
    (before, high), (after, after_high) = notebook.facts["before"], notebook.facts["after"]
    assert abs(after - 40.0) < abs(before - 40.0)
    assert after_high / after < high / before
    assert notebook.facts["evidence"].count("measured") >= 3


def test_the_newer_machine_trains_faster(notebook: Played) -> None:
    """B200 has 2.3 times the arithmetic of H100."""
    steps = notebook.facts["steps"]
    assert 1.2 < steps["H100-SXM"] / steps["B200"] < 3.5


def test_the_record_is_the_published_one(notebook: Played) -> None:
    """All lines of what was kept out, and the worst rows by name."""
    results = json.loads((Path(FOLDER).parent / "benchmarks" / "results" / "accuracy.json").read_text(encoding="utf-8"))
    assert notebook.facts["kept_out"] == len(results["subjects"]["serving"]["kept_out"])
    assert notebook.facts["worst"] == [row["row"] for row in results["subjects"]["serving"]["worst"]]
