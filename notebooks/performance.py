# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The performance model and its record
#
# Four doors take a DataFrame of configurations and give back predictions with 90 % intervals, row by row:
# `predict_serving`, `predict_throughput`, `predict_training`, `predict_memory`.

# %%
import json
from pathlib import Path

import pandas as pd

from solver.perf import predict_memory, predict_serving, predict_training

pd.set_option("display.width", 160)
pd.set_option("display.max_columns", 20)

# %% [markdown]
# ## Serving
#
# One model on three machines, at three loads. `evidence` says what a row rests on; the less is known, the wider the
# interval.

# %%
rows = [
    {"model": "Llama-3.1-70B", "system": system, "engine": "vllm", "precision": "fp8"}
    | {"input_tokens": 4096, "output_tokens": 512, "concurrency": concurrency, "tensor_parallel": 4}
    for system in ("h100_sxm", "b200_sxm", "mi300x")
    for concurrency in (1, 16, 64)
]
frame = pd.DataFrame(rows)
served = frame[["system", "concurrency"]].join(predict_serving(frame))
served.drop(columns="error").round(1)

# %% [markdown]
# A row that cannot be predicted says why, and leaves its neighbours alone.

# %%
odd = frame.head(3).assign(model=["Llama-3.1-70B", "Lama-3.1-70B", "Llama-3.1-70B"], tensor_parallel=[4, 4, 7])
refused = predict_serving(odd)
print("\n".join(refused["error"]))

# %% [markdown]
# ## Measured beats formula
#
# A few measurements of your own shift the predictions of their deployment, and narrow the intervals.

# %%
mine = frame[frame["system"] == "mi300x"].iloc[[1]].assign(tpot_ms=40.0, ttft_ms=900.0)
observed = frame[["system", "concurrency"]].join(predict_serving(frame, mine))
observed[frame["system"] == "mi300x"].drop(columns="error").round(1)

# %% [markdown]
# ## Training and memory

# %%
jobs = pd.DataFrame(
    [
        {"model": "Llama-3-70B", "gpu": gpu, "n_gpus": 64, "tp": 4, "pp": 4, "mbs": 1, "gbs": 128, "seq_len": 8192}
        | {"precision": "bf16", "software": "NeMo/Megatron-Bridge 26.04 NeMo Container", "task": "Pre-Training"}
        for gpu in ("H100-SXM", "B200")
    ]
)
steps = jobs[["gpu"]].join(
    predict_training(jobs)[["step_time_s", "step_time_s_lo", "step_time_s_hi", "mfu", "evidence"]]
)
peaks = jobs[["gpu"]].join(predict_memory(jobs)[["peak_gib", "peak_gib_lo", "peak_gib_hi", "fits"]])
steps.merge(peaks, on="gpu").round(3)

# %% [markdown]
# ## The record
#
# Errors in % of groups that the fit never saw, as docs/accuracy.md publishes them, bad rows included.

# %%
results = Path("benchmarks/results/accuracy.json")
results = results if results.exists() else Path("..") / results
record = json.loads(results.read_text(encoding="utf-8"))["subjects"]
kept_out = pd.DataFrame(record["serving"]["kept_out"])
kept_out[kept_out["metric"].isin(["tpot", "ttft", "tokens/s"])].round(1)

# %% [markdown]
# And the rows furthest off.

# %%
worst = pd.DataFrame(record["serving"]["worst"])
worst
