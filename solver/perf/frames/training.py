"""The door of the training model: a DataFrame of configurations in, step times and rates out, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..training_fitted import predict
from ..training_jobs import NUMBERS
from .rows import Rows
from .training_rows import read

if TYPE_CHECKING:
    import pandas as pd

    from ..training_fitted import Fitted
    from ..training_jobs import Jobs
    from .training_rows import Reading

Array = np.ndarray[Any, np.dtype[np.float64]]
COLUMNS = ("step_time_s", "step_time_s_lo", "step_time_s_hi", "tokens_per_s_per_gpu", "tflops_per_gpu", "mfu")
MEASURED = ("step_time_s", "tokens_per_s_per_gpu", "tflops_per_gpu")  # in order of trust


def predict_training(frame: pd.DataFrame, known: Fitted | None = None) -> pd.DataFrame:
    """Step time and rates of training configurations.

    Args:
        frame: columns as in the training measurements: model, gpu, n_gpus are needed; params_b, tp, pp, vp, cp, ep, dp,
            fsdp, mbs, gbs, seq_len, precision, recompute, task, software (or family) and notes may be missing or empty.
        known: other fitted constants than the packaged ones.

    Returns:
        The same index and order: step_time_s with its 90 % interval (_lo, _hi), tokens_per_s_per_gpu, tflops_per_gpu
        (counted as the row's software counts), mfu (against the peak of the row's number format), evidence
        ("calibrated" or "physics") and error ("" or what is wrong with the row; its figures are NaN).

    Raises:
        InputError: not a DataFrame, or a column that stands in it twice.
    """
    rows = Rows(frame)
    reading = read(rows)
    found = predict(reading.jobs, reading.marks, known)
    tokens = tokens_per_accelerator(reading.jobs)
    flop = flop_per_token(reading)
    rate = tokens / found.seconds
    values = (found.seconds, found.low, found.high, rate, rate * flop / 1e12, rate * flop / _peak(reading.jobs))
    evidence = np.where(found.calibrated, "calibrated", "physics")
    return rows.answer(
        {name: _spread(value, reading.good) for name, value in zip(COLUMNS, values, strict=True)},
        _spread(evidence, reading.good).tolist(),
    )


def measured_step_s(frame: pd.DataFrame) -> Array:
    """Step times that rows measured, float64 over all rows: stated, or from their tokens/s, or from their TFLOP/s.

    NaN where a row states none, or cannot be read.
    """
    rows = Rows(frame)
    reading = read(rows)
    stated, tokens_per_s, tflops = (rows.numbers(name)[reading.good] for name in MEASURED)
    tokens = tokens_per_accelerator(reading.jobs)
    rates = np.where(np.isnan(tokens_per_s), tflops * 1e12 / flop_per_token(reading), tokens_per_s)
    return np.asarray(_spread(np.where(np.isnan(stated), tokens / rates, stated), reading.good))


def tokens_per_accelerator(jobs: Jobs) -> Array:
    """Tokens of a step ÷ accelerators, [K]."""
    g = jobs.layouts
    return np.asarray(g.global_batch * g.sequence_length / g.accelerators)


def flop_per_token(reading: Reading) -> Array:
    """Training FLOP of a token as the software of each row counts them, [K].

    Frozen weights have no gradient products; attention is causal unless the software counts it whole.
    """
    m, g, r = reading.jobs.models, reading.jobs.layouts, reading.jobs.recipes
    seen = g.sequence_length / 2
    window = np.where(m.window > 0, np.minimum(seen, m.window), seen)
    whole = np.where(reading.whole_attention, 2.0, 1.0)
    active = m.dense_parameters + m.expert_parameters * m.experts_per_token / np.maximum(m.experts, 1.0)
    layers = 2.0 * active + whole * (m.attention_flop * seen + m.window_flop * window)
    again = np.where(reading.counts_recompute, r.recompute, 0.0)
    return np.asarray((2.0 + r.trained + again) * layers + (2.0 + r.trained) * 2.0 * m.vocabulary * m.hidden)


def _peak(jobs: Jobs) -> Array:
    """Data-sheet FLOP/s in each job's number format."""
    x, number = jobs.machines, jobs.recipes.number
    fp8 = np.where(x.fp8_flop_per_s > 0, x.fp8_flop_per_s, x.bf16_flop_per_s)
    fp4 = np.where(x.fp4_flop_per_s > 0, x.fp4_flop_per_s, fp8)
    chosen = [number == NUMBERS.index("fp4"), number >= NUMBERS.index("fp8")]
    return np.select(chosen, [fp4, fp8], x.bf16_flop_per_s)


def _spread(values: Any, good: Any) -> Any:
    """Values of the good rows at their places among all rows."""
    numeric = np.issubdtype(values.dtype, np.number)
    found = np.full(len(good), np.nan) if numeric else np.full(len(good), "", dtype=object)
    found[good] = values
    return found
