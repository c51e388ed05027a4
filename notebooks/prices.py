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
# # Prices
#
# `costdata` is a catalogue of machines, regions and dated prices that works without the planner. All money in it is
# whole micro-dollars of a node an hour.

# %%
import tempfile
from pathlib import Path

import pandas as pd

import costdata
from costdata.history import histories, moved_together

pd.set_option("display.width", 160)
pd.set_option("display.max_columns", 20)
DAY = "2026-10-01"
OLD_DAYS = 180

# %% [markdown]
# ## A day's catalogue

# %%
catalog = costdata.load(as_of=DAY)
offers = catalog.to_frame()
offers.pivot_table(index="provider", columns="kind", values="node", aggfunc="count", fill_value=0)

# %% [markdown]
# `where` keeps what matches all filters; a wrong name is refused with the nearest right one.

# %%
h100 = catalog.where(accelerator="H100", kind=["on_demand", "spot", "commitment"])
print(len(h100.offers), "offers of H100 in", len(h100.regions), "regions, on", len(h100.nodes), "machines")
try:
    catalog.where(accelerator="H1000")
except costdata.DataError as error:
    print(error)

# %% [markdown]
# ## Dollars of an accelerator-hour
#
# Machines differ in how many accelerators they hold. Joined with the shapes, prices compare.


# %%
def per_accelerator_hour(some: costdata.Catalog) -> pd.DataFrame:
    """The offers with the dollars of one accelerator for an hour, upfront payments spread over the term."""
    shapes = some.to_frame("nodes").rename(columns={"name": "node"})
    shapes = shapes[["provider", "node", "accelerator", "accelerators"]]
    made = some.to_frame().merge(shapes, on=["provider", "node"], validate="many_to_one")
    made = made[made["accelerators"] > 0]
    term_hours = (made["term_months"] * 730).where(made["term_months"] > 0, 1)
    hourly = made["micro_usd_per_hour"] + made["upfront_micro_usd"] / term_hours
    return made.assign(usd=hourly / 1e6 / made["accelerators"])


hourly = per_accelerator_hour(h100)
by_provider = hourly.pivot_table(index="provider", columns="option", values="usd", aggfunc="min").round(2)
by_provider.sort_values("on_demand")

# %% [markdown]
# The same accelerator, the cheapest and the dearest region of each provider on demand:

# %%
on_demand = hourly[hourly["option"] == "on_demand"]
spread = on_demand.groupby("provider")["usd"].agg(["min", "median", "max"])
spread["dearest over cheapest"] = spread["max"] / spread["min"]
spread.round(2)

# %% [markdown]
# ## What a commitment takes off, and what spot does
#
# Each offer against on demand of the same machine in the same region.


# %%
def against_on_demand(some: costdata.Catalog) -> pd.DataFrame:
    """Discounts of every other option, as parts of the price on demand."""
    every = per_accelerator_hour(some)
    key = ["provider", "region", "node"]
    listed = every[every["option"] == "on_demand"].set_index(key)["usd"].rename("on_demand_usd")
    made = every[every["option"] != "on_demand"].join(listed, on=key, how="inner")
    return made.assign(discount=1 - made["usd"] / made["on_demand_usd"])


accelerated = catalog.where(kind=["on_demand", "spot", "commitment"])
discounts = against_on_demand(accelerated)
committed = discounts[discounts["kind"] == "commitment"]
committed.groupby(["provider", "option"])["discount"].describe()[["count", "min", "50%", "max"]].round(3)

# %%
spot = discounts[discounts["kind"] == "spot"]
markets = spot.groupby("provider").agg(
    offers=("discount", "size"),
    least=("discount", "min"),
    median=("discount", "median"),
    most=("discount", "max"),
    interruptions_per_month=("interruptions_per_month", "median"),
)
markets.round(3)

# %% [markdown]
# Spot at or above the price on demand is no market: the catalogue leaves such rows out, so every discount is positive.

# %%
print(f"the least spot discount: {spot['discount'].min():.2%}")

# %% [markdown]
# ## How a price came about
#
# A price is a dated row, and a new one does not overwrite it: a catalogue loads as of any day.

# %%
days = ["2024-06-01", "2025-01-01", "2025-06-01", "2025-12-01", "2026-06-01", DAY]
history = {}
for day in days:
    then = costdata.load(as_of=day).where(provider="gcp", region="asia-east1", node="a3-highgpu-8g")
    history[day] = then.to_frame().set_index("option")["micro_usd_per_hour"] / 1e6 / 8
history = pd.DataFrame(history).T[["on_demand", "spot"]]
history["discount"] = 1 - history["spot"] / history["on_demand"]
history.round(3)

# %% [markdown]
# `costdata.history` says how much each offer moved, and which offers moved together: changes of one day by one factor
# are one announcement. Volatility is the standard deviation a year of a random walk that moves as much.

# %%
gcp_spot = histories(provider="gcp", region="asia-east1", option="spot")
moved_most = pd.DataFrame(
    [{"node": h.node, **h.volatility._asdict()} for h in gcp_spot if h.volatility.changes > 0]
).set_index("node")[["observed_days", "changes", "per_year", "days_since_change"]]
moved_most.sort_values("per_year", ascending=False).round(2)

# %%
listed = moved_together(histories(provider="gcp", option="on_demand"))
together = pd.DataFrame(
    [{"day": m.day, "factor": m.factor, "offers": len(m.keys), "nodes": len({k[2] for k in m.keys})} for m in listed]
)
together.groupby("day").agg(least=("factor", "min"), most=("factor", "max"), offers=("offers", "sum")).round(4)

# %% [markdown]
# ## How old the rows are
#
# `age_days` counts from the day the source last showed a price, to the catalogue's day.

# %%
ages = offers.groupby("provider")["age_days"].agg(["min", "median", "max"])
ages["share of old ones"] = (offers["age_days"] > OLD_DAYS).groupby(offers["provider"]).mean().round(2)
ages

# %%
for warning in catalog.warnings:
    print(warning)
try:
    catalog.not_older_than(OLD_DAYS)
except costdata.DataError as error:
    print(error)

# %% [markdown]
# ## Moving data
#
# What a GB costs from a data set's home to each region, and from each region to users in Paris.

# %%
home = "aws/us-east-1"
moved = pd.Series(catalog.dataset_transfer_micro_usd_per_gb(home), name="usd_per_gb") / 1e6
moved.index.names = ["provider", "region"]
print(f"from {home}:")
moved.groupby("provider").agg(["min", "max"])

# %%
answers = pd.Series(catalog.internet_egress_micro_usd_per_gb("paris"), name="usd_per_gb") / 1e6
answers.index.names = ["provider", "region"]
ping = pd.Series(catalog.round_trip_ms("paris"), name="round_trip_ms")
ping.index.names = ["provider", "region"]
to_paris = pd.concat([answers, ping], axis=1)
to_paris.groupby("provider").agg(usd_per_gb=("usd_per_gb", "min"), nearest_ms=("round_trip_ms", "min")).round(3)

# %% [markdown]
# ## Your own prices
#
# A folder with any of `discounts.csv`, `offers.csv`, `quotas.csv`, `commitments.csv` … is applied last. Discounts that
# match an offer stack: percentages multiply, then fees are added, and the sum is rounded once.

# %%
with tempfile.TemporaryDirectory() as name:
    Path(name, "discounts.csv").write_text(
        "provider,node,option,percent,fee_per_hour,source\n"
        "gcp,a3-*,*,12,0,enterprise agreement 2026\n"
        "gcp,a3-highgpu-8g,on_demand,5,0.25,support plan\n",
        encoding="utf-8",
    )
    negotiated = costdata.load(as_of=DAY, overrides=name)

pair = {"provider": "gcp", "region": "us-central1", "node": "a3-highgpu-8g"}
before = catalog.where(**pair).to_frame().set_index("option")["micro_usd_per_hour"]
after = negotiated.where(**pair).to_frame().set_index("option")["micro_usd_per_hour"]
mine = pd.DataFrame({"list": before / 1e6, "mine": after / 1e6})
mine["less, %"] = (100 * (1 - mine["mine"] / mine["list"])).round(2)
mine

# %% [markdown]
# On demand is list × 0.88 × 0.95 + 0.25; the others are list × 0.88. A spec uses such a folder with
# `prices: {overrides: my-prices}`.
