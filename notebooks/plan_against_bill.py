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
# # The bill against the plan
#
# The plan said what a quarter would cost. The bill has come, and is another. Every cent of the difference has a cause,
# and every cent of the bill someone who pays. The bill is made up of the plan's own rows; it takes some ten seconds.

# %%
import tempfile
from decimal import Decimal
from pathlib import Path

import pandas as pd

import solver
from solver.actuals import CAUSES, Matching, compare, planned_bill, read_bill, showback, write_rows
from solver.actuals.planned import planned_rows
from solver.diff.rates import Rates

pd.set_option("display.width", 160)
pd.set_option("display.max_columns", 20)

# %% [markdown]
# ## The plan
#
# Two services of two teams on H100 machines in one region, for three months.

# %%
WORKLOAD = """
- {kind: serving, name: NAME, team: TEAM, model: llama-3.1-8b, input_tokens: 1000, output_tokens: 200, ttft_ms: 1000,
   tpot_ms: 60, accelerators: [H100],
   traffic: [{origin: aws/us-east-1, requests_per_hour: REQUESTS, profile: flat}]}"""
SPEC = """
name: quarter
horizon: {start: 2027-01-01, months: 3}
prices: {as_of: 2026-10-01, providers: [aws], regions: [us-east-1], options: [on_demand]}
workloads:"""
for name, team, requests in (("chat", "web", "500000"), ("search", "data", "300000")):
    SPEC += WORKLOAD.replace("NAME", name).replace("TEAM", team).replace("REQUESTS", requests)
folder = tempfile.TemporaryDirectory()
(Path(folder.name) / "quarter.yaml").write_text(SPEC, encoding="utf-8")
problem = solver.load(Path(folder.name) / "quarter.yaml")
plan = solver.solve(problem, gap=0.02, deterministic=True)
rate = Rates(problem, plan).of
rows = planned_rows(plan, rate)
print(f"{len(rows)} rows in FOCUS 1.2, ${plan.total_usd:,.2f}")

# %% [markdown]
# ## The bill
#
# In February chat ran a fifth longer; from March on, machines cost 5 % more; and a credit came that nobody had planned.

# %%
AMOUNTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "PricingCurrencyEffectiveCost")
QUANTITIES = ("PricingQuantity", "ConsumedQuantity")


def times(row: dict[str, object], factor: str, columns: tuple[str, ...]) -> dict[str, object]:
    """A row with amounts or quantities that many times what they were."""
    return row | {c: row[c] * Decimal(factor) for c in columns if isinstance(row[c], Decimal)}


billed = []
for row in rows:
    month, machines = str(row["ChargePeriodStart"])[:7], row["x_Kind"] == "compute"
    if machines and month == "2027-02" and "chat" in str(row["Tags"]):
        billed.append(times(row, "1.2", (*AMOUNTS, *QUANTITIES)))
    elif machines and month == "2027-03":
        billed.append(times(row, "1.05", AMOUNTS))
    else:
        billed.append(row)
credit = next(row for row in billed if row["x_Kind"] == "compute")
credit = credit | dict.fromkeys(AMOUNTS, Decimal(-1000)) | dict.fromkeys(QUANTITIES, None)
billed.append(credit | {"ChargeCategory": "Credit", "ChargeDescription": "goodwill"})
file = Path(folder.name) / "bill.csv"
write_rows(billed, file)
bill = read_bill(file, matching=Matching().for_plan(plan))

# %% [markdown]
# ## Why they differ
#
# Volume, price and credits are told apart, and add up to the difference exactly.

# %%
account = compare(planned_bill(plan, rate), bill)
by_month = account.by("period").to_frame().set_index("period")
dollars = by_month.map(lambda micro: Decimal(micro) / 10**6).rename(columns=lambda c: c.removesuffix("_micro_usd"))
dollars = dollars.loc[:, dollars.map(bool).any()]
dollars.sort_index().T

# %%
print(f"planned ${account.planned_micro_usd / 1e6:,.2f}, billed ${account.actual_micro_usd / 1e6:,.2f}")
print(f"difference ${account.difference_usd:,.2f}")
total = account.by().to_frame().iloc[0]
causes = {cause: int(total[f"{cause}_micro_usd"]) for cause in CAUSES}
widest = max(map(abs, causes.values()))
for cause, micro in causes.items():
    if micro:
        print(f"{cause:>12} {micro / 1e6:>+12,.2f} {('+' if micro > 0 else '-') * round(30 * abs(micro) / widest)}")

# %% [markdown]
# ## Who pays
#
# The credit belongs to no one in particular; shares go by largest remainder, so that a month's charges are its bill.

# %%
shares = showback(bill, by="team").to_frame()
paid = shares.pivot_table(index="period", columns="owner", values="micro_usd", aggfunc="sum", fill_value=0)
paid["all"] = paid.sum(axis=1)
paid / 1e6

# %%
folder.cleanup()
