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
# # Will the budget hold?
#
# A service is planned for half a year and has a budget for each quarter. Demand is forecast from its history, and every
# future of it is paid by the plan's rules: what is the cost then, and how likely is it beyond the budget? The demand is
# made up, the prices are those of the packaged catalogue. It takes some ten seconds.

# %%
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import solver
from solver.budget import Book, ledger, read_budgets, read_paths, standings
from solver.forecast import cost_forecast, forecast, read_history

pd.set_option("display.width", 160)
pd.set_option("display.max_columns", 20)
REQUESTS, DAYS, AHEAD = 500_000, 300, 181

# %% [markdown]
# ## The plan
#
# As many requests an hour as were asked last.

# %%
SPEC = f"""
name: half a year
horizon: {{start: 2027-01-01, months: 6}}
prices: {{as_of: 2026-10-01, providers: [aws], regions: [us-east-1], options: [on_demand]}}
workloads:
- {{kind: serving, name: chat, team: web, model: llama-3.1-8b, input_tokens: 1000, output_tokens: 200, ttft_ms: 1000,
   tpot_ms: 60, accelerators: [H100],
   traffic: [{{origin: aws/us-east-1, requests_per_hour: {REQUESTS}, profile: flat}}]}}
"""
folder = tempfile.TemporaryDirectory()
home = Path(folder.name)
(home / "plan.yaml").write_text(SPEC, encoding="utf-8")
plan = solver.solve(solver.load(home / "plan.yaml"), gap=0.02, deterministic=True)
print(f"${plan.total_usd:,.2f} for {len(plan.periods)} months")

# %% [markdown]
# ## The forecast
#
# Demand has grown for most of a year. The intervals are made of the errors that such forecasts had before.

# %%
rng, day = np.random.default_rng(5), np.arange(DAYS)
times = pd.date_range(end="2026-12-31", periods=DAYS, freq="D")
asked = (
    REQUESTS * (0.7 + 0.3 * day / DAYS) * np.exp(np.cumsum(rng.normal(0, 0.01, DAYS))) * rng.lognormal(0, 0.04, DAYS)
)
history = pd.DataFrame({"time": times.strftime("%Y-%m-%d"), "series": "chat", "value": asked.round()})
history.to_csv(home / "history.csv", index=False)
ahead = forecast(read_history(str(home / "history.csv"), unit="requests an hour"), AHEAD, seed=1)
ahead.by_month().to_frame()

# %% [markdown]
# ## What it will cost
#
# Nodes run in proportion to demand. Each path of demand is a path of cost.

# %%
futures = cost_forecast(plan, ahead, made_for={"chat": REQUESTS})
months = futures.total.to_frame().set_index("month") / 1e6
months.columns = ["planned", "mean", "lower", "upper"]
months.round(0)

# %% [markdown]
# Each month: the plan (|) within the interval of nine futures in ten.

# %%
scale = months["upper"].max() / 60
for month, row in months.iterrows():
    low, high, at = (round(row[name] / scale) for name in ("lower", "upper", "planned"))
    bar = [" "] * low + ["─"] * max(1, high - low) + [" "] * 60
    bar[at] = "|"
    print(f"{month} {''.join(bar).rstrip()}")

# %% [markdown]
# ## The budget
#
# A little above the plan in each quarter. As planned it holds; a breach is judged by the share of paths above it.

# %%
quarter = round(float(plan.total_usd) / 2 * 1.04, -3)
(home / "budgets.yaml").write_text(
    f"name: web\nbudgets:\n  - {{name: web, team: web, amount: {quarter:.0f}, period: quarter}}\n", encoding="utf-8"
)
file, planned = read_budgets(home / "budgets.yaml"), ledger(plan)
alone = standings(file, Book(planned=planned))
lines = [
    (f"{path}", month, "web", "chat", f"{usd:.2f}")
    for path, row in enumerate(futures.paths_usd)
    for month, usd in zip(futures.months, row, strict=True)
]
paths = pd.DataFrame(lines, columns=["path", "period", "team", "workload", "amount"])
paths.to_csv(home / "paths.csv", index=False)
among = standings(file, Book(planned=planned, futures=read_paths(home / "paths.csv", file.budgets, planned)))
table = pd.DataFrame(
    {
        "quarter": [s.limit.where[-1] for s in among],
        "budget": [float(s.limit.allowed_micro_usd) / 1e6 for s in among],
        "as planned": [s.estimate / 1e6 for s in alone],
        "19 in 20 at most": [(s.upper or 0) / 1e6 for s in among],
        "probability of a breach": [float(s.probability or 0) for s in among],
        "expected overrun": [float(s.overrun or 0) / 1e6 for s in among],
    }
)
table.round(3)

# %% [markdown]
# ## What would be enough
#
# The amount that nineteen paths in twenty keep, by quarter, straight from the paths.

# %%
by_quarter = futures.paths_usd.reshape(len(futures.paths_usd), -1, 3).sum(axis=2)
enough = pd.Series(np.quantile(by_quarter, 0.95, axis=0), index=table["quarter"]).round(-3)
enough

# %%
folder.cleanup()
