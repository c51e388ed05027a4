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
# # What to reserve
#
# A team has run H100 machines for over a year and pays for every hour on demand. Which commitments should finance sign,
# how many, and what are they worth when demand turns out otherwise? The demand is made up, the prices are those of the
# packaged catalogue. It takes some ten seconds.

# %%
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import costdata
from solver.forecast import forecast, read_history
from solver.reserve.study import Wish, study
from solver.reserve.usage import names_of, of_paths

pd.set_option("display.width", 160)
pd.set_option("display.max_columns", 20)
SATURDAY = 5
POOL, DAYS, AHEAD, HOURS = "gcp/us-central1/a3-highgpu-8g", 400, 365, 24
WISH = Wish(options=("commit_1y",), ladder_months=1)  # for a year, from the first day on

# %% [markdown]
# ## What was used
#
# Nodes that ran on each day: growth, quiet weekends, and noise.

# %%
rng, day = np.random.default_rng(7), np.arange(DAYS)
times = pd.date_range("2025-11-27", periods=DAYS, freq="D")
nodes = (12 + 0.012 * day) * np.where(times.dayofweek < SATURDAY, 1.0, 0.7) * rng.lognormal(0, 0.06, DAYS)
folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "history.csv"
pd.DataFrame({"time": times.strftime("%Y-%m-%d"), "series": POOL, "value": nodes.round(2)}).to_csv(file, index=False)
history = read_history(str(file), unit="nodes")
pd.Series(nodes, index=times).resample("QS").agg(["mean", "min", "max"]).round(1)

# %% [markdown]
# ## What is to come
#
# Not one line but equally likely futures; a few of them stand for all.

# %%
ahead = forecast(history, AHEAD, paths=60, seed=1)
usage = of_paths(pd.Timestamp(ahead.times[0]).date(), np.repeat(ahead.paths, HOURS, axis=1), keep=6)
pd.DataFrame(
    {
        "nodes, mean": usage.nodes[:, :, 0].mean(axis=1).round(1),
        "nodes, peak": usage.nodes[:, :, 0].max(axis=1),
        "probability": [float(p) for p in usage.probability],
    }
)

# %% [markdown]
# ## What to buy
#
# Quantities are chosen once, before it is known which future comes, and are billed hour by hour in each of them.

# %%
found = study("research", costdata.load(as_of="2026-10-01"), names_of(history.series), usage, WISH)
purchases = found.portfolio.purchases.to_frame()
purchases["usd_per_hour"] = purchases["micro_usd_per_hour"] / 1e6
purchases[
    ["option", "starts", "ends", "quantity", "usd_per_hour", "utilisation", "break_even", "under_use", "saved_usd"]
].T

# %% [markdown]
# ## What it is worth
#
# The bound is proved: no choice of quantities is cheaper in expectation than `at least`.

# %%
costs = pd.Series(
    {
        "on demand": float(found.on_demand_micro_usd) / 1e6,
        "with commitments": float(found.expected_micro_usd) / 1e6,
        "at least": found.portfolio.lower_micro_usd / 1e6,
    },
    name="dollars, expected",
)
print(f"saved: {1 - costs['with commitments'] / costs['on demand']:.1%}, proved within {found.portfolio.gap:.2%}")
costs.map("{:,.0f}".format)

# %% [markdown]
# ## And if we are wrong?
#
# The same purchases, with half or one and a half times the demand.

# %%
otherwise = found.otherwise.to_frame()
otherwise

# %% [markdown]
# The cost of each case in fortieths of the dearest: paid with commitments (█), saved by them (░), lost by them (▓). At
# half the demand everything on demand would have been cheaper.

# %%
unit = otherwise["on_demand_usd"].astype(float).max() / 40
for row in otherwise.itertuples():
    paid, without = round(float(row.cost_usd) / unit), round(float(row.on_demand_usd) / unit)
    rest = "░" * (without - paid) if without > paid else "▓" * (paid - without)
    print(f"{float(row.demand):>4.0%} {'█' * min(paid, without)}{rest}")

# %%
folder.cleanup()
