"""The fit recovers what made the data, and cross-validation leaves out what it says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.calibration import training as calibration
from benchmarks.calibration.training_search import search, surprise
from solver.perf.frames.training import predict_training
from solver.perf.training_fitted import from_mapping
from solver.perf.training_physics import names
from solver.perf.training_residual import Term

MODELS = ("MPT-350m", "MPT-1b", "MPT-3b", "MPT-7b")


@pytest.fixture(scope="module")
def made() -> pd.DataFrame:
    """Rows of one software whose steps are the shipped model's on H100, a quarter slower, with 1 % of noise."""
    rng = np.random.default_rng(7)
    rows = pd.DataFrame(
        [
            {"model": model, "gpu": "H100-SXM", "n_gpus": n, "fsdp": "FULL_SHARD", "mbs": mbs, "gbs": 8 * n * mbs,
             "seq_len": length, "precision": "bf16", "software": "llm-foundry (Composer FSDP)", "split": "train"}
            for model in MODELS for n in (8, 64) for mbs in (1, 4) for length in (2048, 8192)
        ]
    )  # fmt: skip
    step = predict_training(rows)["step_time_s"]
    return rows.assign(step_time_s=1.25 * step * np.exp(0.01 * rng.standard_normal(len(rows))))


def test_the_fit_recovers_what_made_the_data(made: pd.DataFrame) -> None:
    """Within the noise on the rows, and on a configuration between them that was not measured."""
    known = from_mapping(calibration.fit(made))
    found = predict_training(made, known)
    assert (found["step_time_s"] / made["step_time_s"] - 1).abs().mean() < 0.015
    new = made.iloc[:4].assign(n_gpus=16, gbs=128, mbs=2)
    ratio = predict_training(new, known)["step_time_s"] / predict_training(new)["step_time_s"]
    assert ratio.to_numpy() == pytest.approx(1.25, rel=0.04)
    assert predict_training(new, known)["evidence"].eq("calibrated").all()


def test_the_same_data_make_the_same_fit(made: pd.DataFrame) -> None:
    """Twice the same text; rows of another split are not looked at."""
    odd = made.iloc[:3].assign(split="dev", step_time_s=1e3)
    assert calibration.fit(made) == calibration.fit(pd.concat([made, odd], ignore_index=True))


def test_what_is_left_out_is_not_known(made: pd.DataFrame) -> None:
    """A model a half faster than all others: well met when others of its runs are known, missed when none is."""
    odd = made["model"].eq("MPT-7b") & made["seq_len"].eq(8192)
    data = made.assign(step_time_s=made["step_time_s"] / np.where(odd, 1.5, 1.0))
    measured = calibration.measurements(data)
    problem = calibration.Problem(
        measured,
        np.log([calibration.PRIORS[name][0] for name in names()]),
        np.ones(len(data)),
        calibration.Settings(calibration.TERMS, calibration.NOISE),
    )
    groups = np.where(odd, "odd", [str(i) for i in range(len(data))])
    alone = problem.left_out(np.array([str(i) for i in range(len(data))]))
    together = problem.left_out(groups)
    assert np.isfinite(together.mean).all()
    error = [np.abs(held.mean - problem.offset)[odd.to_numpy()].mean() for held in (alone, together)]
    assert error[0] < error[1]


def test_left_out_is_what_a_fit_without_the_rows_says(made: pd.DataFrame) -> None:
    """The closed form against solving without the rows, constants linear as they are."""
    measured = calibration.measurements(made)
    settings = calibration.Settings(calibration.TERMS, calibration.NOISE)
    start = np.log([calibration.PRIORS[name][0] for name in names()])
    problem = calibration.Problem(measured, start, np.ones(len(made)), settings)
    groups = measured.marks.model.astype(str)
    held = problem.left_out(groups)
    for name in sorted(set(groups.tolist())):
        out, rest = np.flatnonzero(groups == name), np.flatnonzero(groups != name)
        weights = np.linalg.solve(problem.total[np.ix_(rest, rest)], problem.offset[rest])
        assert held.mean[out] == pytest.approx(problem.total[np.ix_(out, rest)] @ weights, abs=1e-6)


def test_groupings_keep_releases_of_a_configuration_together(made: pd.DataFrame) -> None:
    """Two releases of one run are one configuration; another batch of a sequence is another."""
    rows = (
        made.iloc[[0, 0, 2]]
        .reset_index(drop=True)
        .assign(software=["torchtitan 2024-12", "torchtitan 2025-06", "torchtitan 2025-06"])
    )
    found = calibration.groupings(calibration.measurements(rows))["configuration"]
    assert found[0] == found[1] != found[2]


def test_nothing_measured_is_an_error(made: pd.DataFrame) -> None:
    """A file without a single step time or rate."""
    with pytest.raises(ValueError, match="no row"):
        calibration.measurements(made.drop(columns="step_time_s"))


def test_search_never_makes_it_worse(made: pd.DataFrame) -> None:
    """A spread far too wide is brought down, and rows left out surprise less."""
    measured = calibration.measurements(made).take(np.arange(0, len(made), 2))
    wide = Term(sd=3.0, same=("software",)), Term(sd=0.05, same=("model",))
    settings = calibration.Settings(
        {"fused": wide, "unfused": ()}, {"fused": 0.3, "unfused": 0.1, "unfused one node": 0.1}
    )
    before = surprise(calibration.converged(measured, settings))
    found, after = search(measured, settings)
    assert after < before
    assert found.noise["fused"] < 0.3
