"""The learned residual: near measurements it knows, far from them it is nothing and says so."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from solver.perf.training_fitted import fitted, noise_of, predict
from solver.perf.training_jobs import Jobs
from solver.perf.training_physics import COMPONENTS, step
from solver.perf.training_residual import (
    FIGURES,
    WORDS,
    Marks,
    Posterior,
    Term,
    Traits,
    covariance,
    prior_variance,
    traits,
)
from tests.perf.test_training_step import LAYOUTS, jobs

FIGURE_ROWS, WORD_ROWS = len(FIGURES), len(WORDS)


def looks(*stated: dict[str, Any]) -> Traits:
    """Traits of jobs that share all that is not stated; the whole step is "dense" unless a share is given."""
    words = np.full((WORD_ROWS, len(stated)), "same", dtype=object)
    figures, shares = np.zeros((FIGURE_ROWS, len(stated))), np.zeros((len(COMPONENTS), len(stated)))
    release = np.zeros(len(stated))
    for column, own in enumerate(stated):
        for key, value in own.items():
            if key in WORDS:
                words[WORDS.index(key), column] = value
            elif key in FIGURES:
                figures[FIGURES.index(key), column] = value
            elif key == "release":
                release[column] = value
            else:
                shares[COMPONENTS.index(key), column] = value
        shares[0, column] += 1.0 - shares[:, column].sum()
    return Traits(words, release, figures, shares)


def marks(**own: Any) -> Marks:
    """Names of one job that nobody measured."""
    words = {"software": "", "accelerator": "", "model": "", "task": "pretrain", "note": ""} | own
    release = np.array([float(words.pop("release", 0.0))])
    return Marks(release=release, **{name: np.array([text], dtype=object) for name, text in words.items()})


def test_terms_by_hand() -> None:
    """Names that differ, shares, natures, releases and distances, each by its own rule."""
    one = looks({"software": "x", "attention": 0.5, "hidden": 10.0, "release": 26.0, "nature": "moe"})
    other = looks({"software": "x", "attention": 0.2, "hidden": 12.0, "release": 25.0, "nature": "moe"})
    assert covariance([Term(sd=0.1, same=("software",))], one, other)[0, 0] == pytest.approx(0.01)
    assert covariance([Term(sd=0.1, share="attention")], one, other)[0, 0] == pytest.approx(0.01 * 0.5 * 0.2)
    assert covariance([Term(sd=0.1, nature="dense")], one, other)[0, 0] == 0
    assert covariance([Term(sd=0.1, years=0.5)], one, other)[0, 0] == pytest.approx(0.01 * np.exp(-2))
    near = Term(sd=0.1, share="attention", over={"hidden": 2.0})
    assert covariance([near], one, other)[0, 0] == pytest.approx(0.01 * 0.1 * np.exp(-0.5))
    stranger = looks({"software": "y"})
    assert covariance([Term(sd=0.1, same=("software",)), near], one, stranger)[0, 0] == pytest.approx(0, abs=1e-15)
    both = [Term(sd=0.1), Term(sd=0.2, same=("model",)), near]
    each = sum(covariance([term], one, other)[0, 0] for term in both)
    assert covariance(both, one, other)[0, 0] == pytest.approx(each)


def test_covariance_of_many_is_that_of_each() -> None:
    """Jobs are worked on by combination; the matrix is symmetric, and its diagonal the prior's variance."""
    rng = np.random.default_rng(3)
    names = ["p", "q", "r"]
    some = looks(
        *(
            {"software": names[i % 3], "model": names[i % 2], "hidden": x, "memory": y, "release": 25 + i % 4}
            for i, (x, y) in enumerate(rng.random((40, 2)))
        )
    )
    terms = fitted().posteriors["fused"].terms
    whole = covariance(terms, some, some)
    assert np.diag(whole) == pytest.approx(prior_variance(terms, some))
    assert whole == pytest.approx(whole.T)
    alone = [
        [covariance(terms, some.take([i]), some.take([j]))[0, 0] for j in range(0, 40, 7)] for i in range(0, 40, 7)
    ]
    assert whole[::7, ::7] == pytest.approx(np.array(alone))
    assert np.linalg.eigvalsh(whole).min() > -1e-12


def test_posterior_of_one_measurement_by_hand() -> None:
    """Of the measured surprise k / (k + noise), and a variance of k − k² / (k + noise); nothing at all far away."""
    terms = (Term(sd=0.3, over={"hidden": 1.0}),)
    seen, noise = looks({"hidden": 12.0}), 0.01
    k = 0.09
    # FITC with one landmark at the measurement is exact
    root = np.array([[np.sqrt(1 / k - 1 / (k + k * k / noise))]])
    posterior = Posterior(terms, seen, np.array([0.2 / (k + noise)]), root)
    mean, variance = posterior.correction(looks({"hidden": 12.0}, {"hidden": 14.0}, {"hidden": 40.0}))
    assert mean[0] == pytest.approx(0.2 * k / (k + noise))
    assert variance[0] == pytest.approx(k - k * k / (k + noise))
    assert 0 < mean[1] < mean[0]
    assert variance[0] < variance[1] < k
    assert mean[2] == pytest.approx(0, abs=1e-12)
    assert variance[2] == pytest.approx(k)


def test_far_from_everything_the_physics_stands() -> None:
    """Unheard-of software, accelerator and model of another size: the correction is small, the interval wide."""
    far = predict(jobs(hidden=1e6, layers=500.0), marks(software="homemade", accelerator="Abacus", model="Mystery"))
    known = predict(
        jobs(
            accelerator="B200", number="fp8", micro_batch=2.0, global_batch=128.0, sequence_length=8192.0, balanced=True
        ),
        marks(software="megatron-bridge", accelerator="B200", model="meta-llama/Meta-Llama-3.1-8B", release=25.75),
    )
    assert known.calibrated[0]
    assert not far.calibrated[0]
    assert abs(np.log(far.seconds[0] / far.physics.seconds[0])) < 0.15
    assert far.high[0] / far.low[0] > 1.3 * known.high[0] / known.low[0]


def test_typical_steps_without_intervals_are_the_same() -> None:
    """What the planner asks for."""
    names = marks(software="megatron-bridge", accelerator="GB300", model="meta-llama/Meta-Llama-3.1-8B")
    whole, quick = (
        predict(jobs(accelerator="GB300", balanced=True), names, intervals=asked) for asked in (True, False)
    )
    assert whole.seconds == quick.seconds
    assert np.isnan(quick.low).all()
    assert whole.low < whole.seconds < whole.high


def test_a_software_without_a_release_is_its_newest() -> None:
    """Megatron-Bridge of no stated release is that of the newest measured one."""
    job = jobs(
        model="Qwen/Qwen3-30B-A3B", accelerator="GB200", layout=(8, 1, 1, 1, 1, 8, 1), number="mxfp8", balanced=True
    )
    names = {"software": "megatron-bridge", "accelerator": "GB200", "model": "Qwen/Qwen3-30B-A3B"}
    newest = fitted().newest["megatron-bridge"]
    plain, stated, older = (predict(job, marks(release=r, **names)).seconds[0] for r in (0.0, newest, 25.75))
    assert plain == stated
    assert older != pytest.approx(plain, rel=0.01)


def test_noise_is_the_softwares_own_or_its_eras() -> None:
    """By software where it is known; unfused single nodes repeat best."""
    own = {"a": 0.2, "fused": 0.1, "unfused": 0.05, "unfused one node": 0.01}
    assert noise_of(jobs(), marks(software="a"), own)[0] == 0.2
    assert noise_of(jobs(), marks(software="b"), own)[0] == 0.1
    assert noise_of(jobs(unfused=True), marks(software="b"), own)[0] == 0.01
    assert noise_of(jobs(layout=LAYOUTS["tensor"], unfused=True), marks(software="b"), own)[0] == 0.05


def test_traits_tell_jobs_apart() -> None:
    """Figures are base-two logarithms, words what the jobs are."""
    job: Jobs = jobs(
        model="Qwen/Qwen3-30B-A3B", accelerator="GB300", layout=(64, 2, 4, 1, 1, 8, 1), number="mxfp8", recompute=1.0
    )
    found = traits(job, marks(), step(job, fitted().constants))
    words = dict(zip(WORDS, found.words[:, 0], strict=True))
    figures = dict(zip(FIGURES, found.figures[:, 0], strict=True))
    assert (words["kind"], words["number"], words["nature"], words["extent"]) == (
        "blackwell",
        "mxfp8",
        "moe",
        "cluster",
    )
    assert (figures["hidden"], figures["tensor"], figures["pipeline"], figures["data"], figures["recompute"]) == (
        11,
        1,
        2,
        3,
        1,
    )
    assert found.shares[:, 0].sum() == pytest.approx(1)
    assert dataclasses.is_dataclass(found)
