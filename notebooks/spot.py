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
# # A job that must not be late, on capacity that goes away
#
# A fine-tuning run needs 24 hours of a gang and has 36. Spot costs 30 % of on demand and is taken back without asking.
# Which policy, and what now? The market is drawn, as real ones are described in the guide on spot; with traces of your
# own, read them with `solver.spot.read_markets`.

# %%
import numpy as np
import pandas as pd

from solver.replay.advise import Pool, Situation, advise
from solver.replay.document import read_backtest
from solver.replay.policies import POLICIES
from solver.replay.study import backtest
from solver.spot import Market
from solver.spot.risk import seen

GAP_HOURS, DAYS = 0.1, 30


def zone(seed: int, up_shape: float, down_shape: float) -> list[bool]:
    """Spells of Lomax lengths: what has just come back is soon lost again."""
    draw = np.random.default_rng(seed)
    ticks: list[bool] = []
    while len(ticks) < DAYS * 24 / GAP_HOURS:
        for up, shape, scale in ((True, up_shape, 0.6), (False, down_shape, 0.5)):
            hours = min(200.0, scale * (draw.random() ** (-1 / shape) - 1))
            ticks += [up] * max(1, round(hours / GAP_HOURS))
    return ticks[: round(DAYS * 24 / GAP_HOURS)]


counts = np.array([zone(1, 1.2, 1.2), zone(2, 1.0, 1.4), zone(3, 2.0, 1.0)]).astype(np.int64)
market = Market(name="drawn", zones=("a", "b", "c"), gap_seconds=3600 * GAP_HOURS, counts=counts)
pd.DataFrame({"zone": market.zones, "share up": market.up().mean(axis=1).round(2)})

# %% [markdown]
# ## What is to be expected of each zone
# Losses in the coming day, from what was seen until now, with an interval that such intervals have kept.

# %%
known = seen(market.up(), market.gap_hours)
risks = [known.risk(z, market.ticks) for z in range(3)]
counted = [risk.preemptions(24) for risk in risks]
expected = pd.DataFrame(
    {"zone": market.zones, "losses a day": [c.mean for c in counted], "from": [c.low for c in counted],
     "to": [c.high for c in counted], "up now": [r.up for r in risks]}
)  # fmt: skip
expected.round(1)

# %% [markdown]
# ## Policies over the month
# Every job is in time; what differs is the cost. The omniscient knew the market beforehand.

# %%
document = read_backtest(
    {
        "name": "fine-tuning",
        "prices": {"on_demand_usd_per_hour": 30.0, "spot_usd_per_hour": 9.0},
        "jobs": {"work_hours": [24.0], "deadline_ratio": [1.5], "restart_hours": [0.2], "zones": [1, 3], "starts": 4},
    }
)
found = backtest([document], [market], POLICIES, processes=1)
costs = pd.DataFrame(found.table("all")).set_index("policy")
costs[["jobs", "cost_percent", "late", "worst_percent", "foresight_percent", "of_the_way_percent"]].round(1)

# %% [markdown]
# ## What now?
# Ten hours of work are left, fourteen until the deadline, and zone b has just come back.

# %%
now = Situation(
    work_hours=10, hours_left=14, restart_hours=0.2, on_demand_usd_per_hour=30.0,
    pools=[Pool(name="a", up=False, hours_as_is=2.0, spot_usd_per_hour=9.0),
           Pool(name="b", up=True, hours_as_is=0.1, spot_usd_per_hour=9.0)],
)  # fmt: skip
advice = advise(now)
print(advice.action, advice.on, "-", advice.why)
pd.DataFrame([(o.on or "wait", o.expected_usd, o.why) for o in advice.options], columns=["choice", "expected $", "why"])
