"""The fit of serving: constants written and read, groups found where they are known, folds that keep groups whole."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.calibration import hierarchy
from benchmarks.calibration.serving import (
    FOLDS,
    GATED,
    GROUPINGS,
    PRIORS,
    VARIANCES,
    WANTED,
    Held,
    data,
    factors_of,
    fit,
    fit_constants,
    fit_groups,
    folds,
    gated,
    gates,
    layout,
    residuals,
    seconds,
    sigma_of,
    spreads,
    table_of,
    table_of_exact,
    train,
)
from solver.perf.corrections import ALL, DOUBLING, LEVELS, Residuals, corrections, residuals_of
from solver.perf.frames.serving import NINETY, predict_with
from solver.perf.serving import TPOT_TERMS, TTFT_TERMS
from solver.perf.steps import ENGINES, ServingConstants, constants_of, fitted, serving_constants

NONE = {
    m: Residuals(groups={}, spread={"": 0.1} | dict.fromkeys(LEVELS, 0.05), gates={}, scale=1.0)
    for m in ("tpot", "ttft")
}


WIDE = hierarchy.Variances(levels=dict.fromkeys(WANTED, math.log(0.06)), slope=0.0, noise=math.log(0.05))


def tables(constants: ServingConstants) -> Any:
    """Constants by name, [engine, generation]."""
    values = attrgetter("values")(constants)
    return {name: values[name] for name in PRIORS}


def rows() -> pd.DataFrame:
    """Measurements to be filled in: three models, three machines, three engines, four loads; all lawful."""
    table = [
        {
            "model": model, "system": system, "engine": engine, "engine_version": "1", "precision": "fp8",
            "tensor_parallel": 8, "attention_data_parallel": data_parallel, "expert_parallel": 1,
            "input_tokens": 1024, "output_tokens": 256, "concurrency": concurrency, "split": "train",
        }
        for model, data_parallel in (("Llama-3.1-70B", 1), ("Qwen3-32B", 1), ("deepseek-ai/DeepSeek-V3", 2))
        for system in ("h200_sxm", "b200_sxm", "gb200")
        for engine in ("trtllm", "vllm", "sglang")
        for concurrency in (1, 8, 32, 128)
    ]  # fmt: skip
    return pd.DataFrame(table)


def measured(x: Any, noise: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Rows whose latencies are those of the constants, with noise of their logs."""
    frame = rows()
    found = predict_with(frame, constants=constants_of(table_of_exact(x)), residuals=NONE)
    assert not found["error"].any()
    draw = np.random.default_rng(seed)
    for metric in ("tpot_ms", "ttft_ms"):
        frame[metric] = found[metric] * np.exp(noise * draw.standard_normal(len(frame)))
    return frame


def random_x(seed: int) -> Any:
    """Logs of factors on the priors, drawn from them."""
    spread = layout()[1]
    return np.random.default_rng(seed).standard_normal(len(spread)) * np.minimum(spread, 0.3)


# --- constants ------------------------------------------------------------------------------------------------------


def test_what_is_fitted() -> None:
    """Each constant, its factor for each engine and for Blackwell where it has one; and only those."""
    names, spread = layout()
    assert len(names) == len(spread) == len(set(names))
    assert (spread > 0).all()
    assert [name for name, part in names if not part] == list(PRIORS)
    for name, prior in PRIORS.items():
        parts = [part for other, part in names if other == name and part]
        engines = [e for e in ENGINES if e] if prior.by_engine else []
        assert parts == engines + (["blackwell"] if prior.on_blackwell else [])


def test_constants_are_written_as_they_are_read() -> None:
    """To four digits, through JSON; each number of the fit moves its own constant, engine and generation."""
    x = random_x(0)
    text = json.loads(json.dumps(table_of(x, np.abs(x))))
    exact, written = tables(constants_of(table_of_exact(x))), tables(constants_of(text))
    assert set(exact) == set(written) == set(PRIORS)
    for name in PRIORS:
        assert written[name] == pytest.approx(exact[name], rel=1e-3)
        assert text[name]["unit"] == PRIORS[name].unit
        assert text[name]["log_error"] == pytest.approx(abs(x[layout()[0].index((name, ""))]), rel=1e-3)
    for j, (name, part) in enumerate(layout()[0]):
        moved = x.copy()
        moved[j] += math.log(2)
        ratio = {k: v / exact[k] for k, v in tables(constants_of(table_of_exact(moved))).items()}
        want = np.ones((len(ENGINES), 2))
        want[
            ENGINES.index(part) if part in ENGINES[:-1] else slice(None), 1 if part == "blackwell" else slice(None)
        ] = 2
        assert ratio.pop(name) == pytest.approx(want), (name, part)
        assert all((other == 1).all() for other in ratio.values())


def test_nothing_fitted_is_the_prior() -> None:
    """Zeros are the constants before any measurement, on every engine and generation."""
    for name, values in tables(constants_of(table_of_exact(np.zeros(len(layout()[1]))))).items():
        assert (values == PRIORS[name].value).all()


def test_the_packaged_constants_are_those_that_are_fitted() -> None:
    """The same names and units, engines and generations."""
    shipped = fitted()["constants"]
    assert set(shipped) == set(PRIORS)
    for name, prior in PRIORS.items():
        entry = shipped[name]
        assert entry["unit"] == prior.unit
        assert set(entry.get("engine", {})) == ({e for e in ENGINES if e} if prior.by_engine else set())
        assert ("blackwell" in entry) == bool(prior.on_blackwell)
        assert np.isfinite(tables(serving_constants())[name]).all()


# --- rows -----------------------------------------------------------------------------------------------------------


def test_rows_that_are_fitted() -> None:
    """Those that can be predicted and have both latencies; logs of seconds."""
    frame = measured(np.zeros(len(layout()[1]))).iloc[:6].copy()
    frame.loc[1, "tpot_ms"] = np.nan
    frame.loc[2, "ttft_ms"] = 0.0
    frame.loc[3, "model"] = "nothing known"
    frame.loc[5, "concurrency"] = -1
    found = data(frame)
    assert found.load.concurrency.tolist() == frame["concurrency"].iloc[[0, 4]].tolist()
    assert np.exp(found.log["tpot"]) * 1e3 == pytest.approx(frame["tpot_ms"].iloc[[0, 4]].to_numpy())
    assert np.exp(found.log["ttft"]) * 1e3 == pytest.approx(frame["ttft_ms"].iloc[[0, 4]].to_numpy())
    assert [label.engine for label in found.labels] == ["trtllm", "vllm"]
    assert found.doublings.tolist() == [1.5, 1.5]
    assert found.keys["accelerator"].tolist() == ["H200", "H200"]


def test_only_training_rows_are_fitted() -> None:
    """Of split "train"; all where there is no such column."""
    frame = rows().assign(split=["train", "dev", "test"] * 36, number=range(108))
    assert train(frame)["number"].tolist() == list(range(0, 108, 3))
    assert len(train(frame.drop(columns="split"))) == 108


def test_rows_by_index() -> None:
    """Everything of a row goes with it."""
    d = data(measured(random_x(1)))
    found = d.take(np.array([40, 3]))
    assert found.labels == [d.labels[40], d.labels[3]]
    assert found.load.concurrency.tolist() == d.load.concurrency[[40, 3]].tolist()
    assert found.keys["model"].tolist() == d.keys["model"][[40, 3]].tolist()
    x = random_x(2)
    for part, whole in zip(seconds(found, x), seconds(d, x), strict=True):
        assert part == pytest.approx(whole[:, [40, 3]])


def test_seconds_are_the_terms_of_the_predictions() -> None:
    """Summed they are what the door says with the same constants and no groups."""
    x = random_x(3)
    frame = measured(np.zeros(len(x)))
    found = predict_with(frame, constants=constants_of(table_of_exact(x)), residuals=NONE)
    for metric, parts in zip(("tpot_ms", "ttft_ms"), seconds(data(frame), x), strict=True):
        assert parts.shape == (4, len(frame))
        assert (parts >= 0).all()
        assert parts.sum(axis=0) * 1e3 == pytest.approx(found[metric].to_numpy())


# --- fits -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_constants_that_are_known_are_found() -> None:
    """Latencies of other constants than the prior's, 1 % noise: four fifths of the difference and more is explained."""
    d = data(measured(random_x(4), noise=0.01))
    x, errors = fit_constants(d)
    assert np.isfinite(errors).all()
    assert (errors > 0).all()
    for metric, before, after in zip(("tpot", "ttft"), seconds(d, np.zeros(len(x))), seconds(d, x), strict=True):
        first, last = (np.abs(np.log(parts.sum(axis=0)) - d.log[metric]) for parts in (before, after))
        assert np.median(first) > 0.1
        assert np.median(last) < 0.2 * np.median(first)
        assert last.max() < 0.5 * first.max()


def test_groups_that_are_known_are_found() -> None:
    """One engine 22 % slower, one model's products 35 %: what was put in is predicted, and named."""
    x = random_x(5)
    d = data(measured(x, noise=0.01))
    parts = seconds(d, x)[0]
    true = np.zeros_like(parts)
    engine, model = (np.array([str(k) for k in d.keys[level]]) for level in ("engine", "model"))
    true += 0.2 * np.char.startswith(engine, "vllm")
    true[TPOT_TERMS.index("products")] += 0.3 * (model == d.labels[0].shape)
    slower = np.log((parts * np.exp(true)).sum(axis=0) / parts.sum(axis=0))
    made = dataclasses.replace(d, log={**d.log, "tpot": d.log["tpot"] + slower})
    table = fit_groups(made, "tpot", parts, WIDE)
    assert set(table) == set(WANTED)
    found = (parts * np.exp(factors_of(table, made, TPOT_TERMS))).sum(axis=0)
    off = np.log(found) - made.log["tpot"]
    assert np.abs(off).max() < 0.04
    assert np.median(np.abs(off)) < 0.01
    factors = factors_of(table, made, TPOT_TERMS)
    slow, other = (factors[:, np.char.startswith(engine, name)].mean() for name in ("vllm", "trtllm"))
    assert slow - other == pytest.approx(0.2, abs=0.05)


def test_nothing_to_find_finds_nothing() -> None:
    """Rows as the physics says: no group has a factor."""
    x = random_x(6)
    d = data(measured(x, noise=1e-6))
    table = fit_groups(d, "ttft", seconds(d, x)[1], WIDE)
    assert {term for groups in table.values() for entry in groups.values() for term in entry} == {
        ALL, DOUBLING, *TTFT_TERMS,
    }  # fmt: skip
    assert max(abs(v) for groups in table.values() for entry in groups.values() for v in entry.values()) < 1e-5


def test_factors_of_the_fit_are_those_of_the_predictions() -> None:
    """The same table and rows through both."""
    d = data(measured(np.zeros(len(layout()[1]))).assign(tensor_parallel=[2, 4, 8] * 36))
    draw = np.random.default_rng(0)
    table = {
        level: {
            str(group): {term: float(draw.normal()) for term in (ALL, DOUBLING, *TPOT_TERMS)}
            for group in sorted(set(keys))[::2]
        }
        for level, keys in d.keys.items()
    }
    found = {m: Residuals(groups=table, spread=NONE[m].spread, gates={}, scale=1.0) for m in NONE}
    made, _ = corrections(d.labels, {**NONE, "tpot": found["tpot"]})
    assert np.log(np.stack(made.tpot)) == pytest.approx(factors_of(table, d, TPOT_TERMS))
    new = {level: np.array([k not in table[level] for k in keys]) for level, keys in d.keys.items()}
    assert sigma_of(new, found["tpot"]) == pytest.approx(made.tpot_sigma)


# --- what is kept out -----------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(groups=st.lists(st.integers(0, 40), min_size=2, max_size=120), seed=st.integers(0, 5))
def test_folds_keep_groups_whole(groups: list[int], seed: int) -> None:
    """Each row is kept out once, with all of its group; few groups each by themselves, many in five parts."""
    keys = np.array([f"g{g}" for g in groups], dtype=object)
    found = folds(keys, seed=seed)
    assert sorted(i for _, outside in found for i in outside) == list(range(len(groups)))
    for inside, outside in found:
        assert sorted([*inside, *outside]) == list(range(len(groups)))
        assert not set(keys[inside]) & set(keys[outside])
    count = len(set(groups))
    assert len(found) == (FOLDS if count > 3 * FOLDS else count)
    again = folds(keys, seed=seed)
    assert all((a[1] == b[1]).all() for a, b in zip(found, again, strict=True))


def held(seed: int, count: int, sigma: dict[str, float], new: dict[str, float]) -> Held:
    """Errors whose spread is known: each level new by chance, adding its own."""
    draw = np.random.default_rng(seed)
    fresh: dict[str, Any] = {level: draw.random(count) < new.get(level, 0.0) for level in LEVELS}
    variance = sigma[""] ** 2 + sum(sigma.get(level, 0.0) ** 2 * fresh[level] for level in LEVELS)
    off = {m: np.sqrt(variance) * draw.standard_normal(count) for m in ("tpot", "ttft")}
    return Held(row=np.arange(count), off=off, physics=off, new=fresh)


def test_spreads_are_recovered() -> None:
    """Noise 0.05, a new model 0.2, a new deployment 0.1: what is kept out tells them apart, and 90 % are inside."""
    sigma = {"": 0.05, "model": 0.2, "deployment": 0.1}
    kept = {
        "deployment": held(0, 3000, sigma, {"deployment": 1.0}),
        "model": held(1, 3000, sigma, {"deployment": 1.0, "model": 1.0}),
        "rows": held(2, 3000, sigma, {"deployment": 0.5}),
    }
    spread, scale = spreads(kept, "tpot", 0.1)
    found = Residuals(groups={}, spread=spread, gates={}, scale=scale)
    assert set(spread) == {"", *LEVELS}
    # Student's t of four degrees counts far rows less, so that the scale makes up for narrow spreads.
    assert scale * spread["model"] == pytest.approx(0.2, rel=0.2)
    assert scale * spread["deployment"] == pytest.approx(0.1, rel=0.2)
    assert scale * spread[""] == pytest.approx(0.05, rel=0.3)
    for name, h in kept.items():
        inside = np.abs(h.off["tpot"]) <= NINETY * sigma_of(h.new, found)
        assert inside.mean() == pytest.approx(0.9, abs=0.001 if name == "deployment" else 0.03)


def half_helps(seed: int) -> Held:
    """Groups whose log factors are twice what they should be where the model is new, and right elsewhere."""
    draw = np.random.default_rng(seed)
    fresh: dict[str, Any] = {level: np.zeros(400, dtype=bool) for level in LEVELS} | {"model": np.arange(400) < 200}
    factor, noise = 0.2 * draw.standard_normal(400), 0.01 * draw.standard_normal(400)
    true = np.where(fresh["model"], 0.5, 1.0) * factor + noise
    return Held(
        row=np.arange(400),
        physics=dict.fromkeys(("tpot", "ttft"), true),
        off=dict.fromkeys(("tpot", "ttft"), true - factor),
        new=fresh,
    )


def test_gates() -> None:
    """Half of the factors is the best where the model is new; where no group is new they are as they were."""
    h = half_helps(0)
    first = slice(200)
    only_new = Held(
        row=h.row[first],
        off={m: v[first] for m, v in h.off.items()},
        physics={m: v[first] for m, v in h.physics.items()},
        new={level: v[first] for level, v in h.new.items()},
    )
    useless = {m: v * 3 for m, v in h.physics.items()}
    wrong = Held(row=h.row, off=useless, physics=h.physics, new=h.new)  # groups that make it three times as wrong
    found = gates({"model": only_new, "accelerator": wrong, "release": held(0, 50, {"": 0.1}, {})}, "tpot")
    assert set(found) == set(GATED)
    assert found["model"] == pytest.approx(0.5, abs=0.11)
    assert found["accelerator"] == 0.0
    after = gated(h, {m: {"model": 0.5} for m in h.off})
    assert np.abs(after.off["tpot"]).max() < 0.05 < np.abs(h.off["tpot"][:200]).max()
    assert (after.off["tpot"][200:] == h.off["tpot"][200:]).all()
    both = gated(h, {"tpot": {"model": 0.5, "release": 0.0}, "ttft": {"model": 1.0}})
    assert both.off["tpot"] == pytest.approx(after.off["tpot"])  # no release is new
    assert both.off["ttft"] == pytest.approx(h.off["ttft"])


def test_what_is_fitted_is_what_is_read() -> None:
    """The residuals of a fit, as the predictions take them."""
    table = {"groups": {"engine": {"x": {ALL: 0.1}}}, "spread": {"": 0.1}, "gates": {"model": 0.5}, "scale": 1.2}
    found = residuals({"residuals": {"tpot": table, "ttft": table}})
    assert found == dict.fromkeys(("tpot", "ttft"), residuals_of(table))


# --- what is shipped ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measurements() -> pd.DataFrame:
    """The serving measurements; what needs them is skipped where they are not."""
    named = os.environ.get("AUTOPARALLEL_MEASUREMENTS")
    folder = Path(named) if named else Path(__file__).parents[2].parent / "shared" / "data" / "measurements"
    if not (folder / "serving.csv").is_file():
        pytest.skip(f"no measurements at {folder}; AUTOPARALLEL_MEASUREMENTS names their folder")
    return pd.read_csv(folder / "serving.csv", low_memory=False)


@pytest.mark.slow
def test_the_fit_is_what_is_shipped(measurements: pd.DataFrame) -> None:
    """Constants within 1 %, factors and groups within 0.01; not the intervals, which take many fits."""
    made = fit(measurements, {name: held(0, 100, {"": 0.05}, {}) for name in GROUPINGS})
    for name, entry in made["constants"].items():
        shipped = fitted()["constants"][name]
        assert shipped["value"] == pytest.approx(entry["value"], rel=0.01), name
        assert shipped.get("engine", {}) == pytest.approx(entry.get("engine", {}), abs=0.01), name
        assert shipped.get("blackwell", 0.0) == pytest.approx(entry.get("blackwell", 0.0), abs=0.01), name
    for metric, found in made["residuals"].items():
        groups = fitted()["residuals"][metric]["groups"]
        assert {k: set(v) for k, v in found["groups"].items()} == {k: set(v) for k, v in groups.items()}
        for level, entries in found["groups"].items():
            for group, entry in entries.items():
                assert groups[level][group] == pytest.approx(entry, abs=0.01), (level, group)
    assert fitted()["provenance"] == made["provenance"]
    assert made["provenance"]["rows"] == len(data(train(measurements)).labels)


def test_every_level_that_is_fitted_has_a_variance() -> None:
    """Of both metrics; and each level that is fitted is one of those that predictions look up."""
    for variances in VARIANCES.values():
        assert set(variances.levels) == set(WANTED)
        assert np.isfinite([*variances.levels.values(), variances.slope, variances.noise]).all()
    assert set(VARIANCES) == {"tpot", "ttft"}
    assert set(WANTED) <= set(LEVELS)
