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
# # A tour of a plan
#
# One model for users in Europe, planned for a year: what to buy, what is proved of the price, why nothing else was
# taken, and what a change of the spec is worth. Everything runs offline, in some ten seconds.

# %%
import json
import tempfile
from decimal import Decimal
from pathlib import Path

import pandas as pd

import solver
from solver import spec
from solver.examples import example_text
from solver.explain import explain, to_text

pd.set_option("display.width", 160)
pd.set_option("display.max_columns", 20)
pd.set_option("display.max_colwidth", 90)

# %% [markdown]
# ## The spec
#
# A spec is a file; a few are packaged (`autoparallel init --list`). Loading it reads the catalogue, predicts what every
# layout on every machine can do, and makes a `Problem`: arrays of candidates, offers and demand.

# %%
folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "fleet.yaml"
file.write_text(example_text("one-model"), encoding="utf-8")
problem = solver.load(file)

size = pd.Series(
    {
        "workloads": len(problem.workloads.name),
        "pools (a machine in a region)": len(problem.pool_names),
        "offers": len(problem.offers.pool),
        "candidates (a layout in a pool)": len(problem.candidates.pool),
        "blocks (hours that ask for the same)": problem.blocks.count,
        "hours": int(problem.blocks.period_hours.sum()),
    }
)
size

# %% [markdown]
# ## The plan and its certificate
#
# `gap` is how far from the best possible the search may stop. Whatever ends it, the certificate holds: no plan over all
# these offers costs less than `lower_usd`.

# %%
plan = solver.solve(problem, gap=0.02, time_limit_s=15)
certificate = plan.certificate
print(plan.termination)
print(f"{certificate.kind}: ${certificate.lower_usd:,.2f} ≤ cheapest plan ≤ ${certificate.upper_usd:,.2f}")
print(f"gap {certificate.gap:.2%}, after {plan.provenance.seconds:.1f} s")

# %%
fleet = plan.to_frame("fleet")
fleet[["workload", "provider", "region", "node", "option", "layout", "nodes_mean", "nodes_peak", "utilisation"]]

# %% [markdown]
# Nodes are bought by block: so many of a machine at these hours. A commitment would stand here with block −1.

# %%
purchases = plan.to_frame("purchases")
hours = pd.Series([*plan.block_hours], name="hours")
purchases = purchases.join(hours, on="block")
purchases["node_hours"] = purchases["nodes"] * purchases["hours"]
purchases.groupby(["provider", "region", "node", "option"]).agg(
    peak=("nodes", "max"), least=("nodes", "min"), node_hours=("node_hours", "sum")
)

# %% [markdown]
# ## The bill
#
# Each cost line says what a dollar is for. Money is whole micro-dollars, and Decimal dollars in `usd`: the lines add up
# to the bill exactly.

# %%
lines = plan.to_frame("cost_lines")
bill = lines.pivot_table(index="period", columns=["kind", "option"], values="usd", aggfunc="sum", fill_value=Decimal(0))
bill["all"] = bill.sum(axis=1)
bill

# %%
total = sum(lines["usd"], Decimal(0))
print(f"${total:,.6f} in all, ${plan.total_usd:,.6f} by the plan")

# %% [markdown]
# ## The same demand, bought as people do today
#
# Every way is billed on the same prices and the same demand. `saving_percent` is what the plan saves against it.

# %%
ways = plan.to_frame("ways")
ways["usd_per_month"] = (ways["micro_usd_per_month"] / 1e6).round(2)
ways[["way", "usd_per_month", "saving_percent", "feasible", "note"]]

# %% [markdown]
# ## Why not something else?
#
# A machine that cannot serve the workload has an excuse, with the bottleneck and the numbers that decide.

# %%
excuses = plan.to_frame("excuses")
bottlenecks = excuses.groupby("bottleneck").agg(machines=("node", "count"), an_example=("detail", "first"))
bottlenecks.sort_values("machines", ascending=False)

# %% [markdown]
# What could have served it and was not taken is a matter of price: the runner-up is the pool with the cheapest unit.

# %%
print(to_text(explain(problem, plan, "chat")))

# %% [markdown]
# ## A change of the spec
#
# The plan carries its spec, so a variant is an edit of it. Here up to 30 % of the capacity may run on spot.

# %%
changed = json.loads(plan.provenance.spec)
changed["prices"]["options"].append("spot")
changed["workloads"][0]["max_spot_share"] = 0.3
with_spot = spec.loads(json.dumps(changed))
cheaper = solver.solve(with_spot, gap=0.05, time_limit_s=15)

both = pd.DataFrame(
    {
        name: [p.termination, p.certificate.lower_usd, p.certificate.upper_usd, f"{p.certificate.gap:.2%}"]
        for name, p in (("as it was", plan), ("with spot", cheaper))
    },
    index=["ended", "at least, $", "costs, $", "gap"],
)
both

# %% [markdown]
# The new plan costs less than *any* plan of the old spec can: the difference to the old lower bound is a proved saving.

# %%
proved_saving = certificate.lower_usd - cheaper.certificate.upper_usd
print(f"spot saves at least ${proved_saving:,.2f}, {proved_saving / certificate.lower_usd:.1%}")

# %%
new = cheaper.to_frame("cost_lines")
by_option = pd.DataFrame(
    {"as it was": lines.groupby("option")["micro_usd"].sum(), "with spot": new.groupby("option")["micro_usd"].sum()}
)
by_option.fillna(0).astype("int64") / 1e6

# %% [markdown]
# ## The check
#
# `solve` hands out no plan that its independent check finds fault with. Anyone can run it again: it recomputes every
# requirement and every cost line from the plan's own tables, in whole numbers and fractions, without a solver.

# %%
print("faults:", solver.check(problem, plan), solver.check(with_spot, cheaper))

# %% [markdown]
# A plan that somebody has touched is found out. Here one node too few is bought in one block.

# %%
import dataclasses

nodes = plan.purchases["nodes"].copy()
nodes[0] -= 1
touched = dataclasses.replace(plan, purchases=plan.purchases.with_columns(nodes=nodes))
faults = solver.check(problem, touched)
for fault in faults[:3]:
    print(fault)

# %%
folder.cleanup()
