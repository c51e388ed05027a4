"""A service's table: rows by hand, needs by the hour, what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from solver.errors import InputError
from solver.replay.serving_policies import OnDemandOnly, SpotOnly
from solver.replay.serving_table import ALLOWS, Service, policies_of, replay_serving
from solver.spot import Market

MARKET = Market(name="m", zones=("us-a", "us-b"), gap_seconds=1800, counts=np.array([[1] * 8, [0] * 8]))
SERVICE = Service(name="chat", replicas=2, spot_usd_per_hour=0.5, on_demand_usd_per_hour=2.0)


def test_the_table_by_hand() -> None:
    """Four hours of two replicas; spot starts three minutes late, the bound buys those on demand but for 0.1 %."""
    rows = {row["policy"]: row for row in replay_serving(MARKET, SERVICE, (OnDemandOnly(), SpotOnly()))}
    assert rows["on demand"]["cost_usd"] == 16
    assert rows["spot only"]["cost_usd"] == pytest.approx(4)
    assert rows["spot only"]["saving"] == pytest.approx(0.75)
    assert rows["spot only"]["served_share"] == pytest.approx(1 - 0.05 / 4)
    assert rows["spot only"]["taken_back"] == 0
    least = 2 * (3.95 * 0.5 + (0.05 - 0.004) * 2)
    assert rows[ALLOWS]["cost_usd"] == pytest.approx(least)
    assert rows[ALLOWS]["spot_hours"] is None
    alone = replay_serving(MARKET, dataclasses.replace(SERVICE, zones=("us-b",)), (SpotOnly(),))
    assert alone[0]["served_share"] == 0
    assert len(replay_serving(MARKET, SERVICE)) == len(policies_of(SERVICE)) + 1


def test_needs_by_the_hour_come_again() -> None:
    """Two hours over and over, at half-hour ticks."""
    assert dataclasses.replace(SERVICE, replicas=(1, 3)).need(MARKET).tolist() == [[1, 1, 3, 3, 1, 1, 3, 3]]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"replicas": 0}, "replicas are 0"),
        ({"replicas": (1, -1)}, "replicas are"),
        ({"replicas": (1, True)}, "replicas are"),
        ({"replicas": ()}, "replicas are"),
        ({"unserved_limit": 0.0}, "unserved_limit"),
        ({"zones": ("eu",)}, "unknown zone 'eu'.*us-a, us-b"),
        ({"spot_usd_per_hour": -1.0}, "prices"),
        ({"cold_start_minutes": 1e9}, "cold_start_minutes"),
    ],
)
def test_what_makes_no_sense_is_refused(changed: dict[str, Any], said: str) -> None:
    """Each by its name."""
    with pytest.raises(InputError, match=said):
        replay_serving(MARKET, dataclasses.replace(SERVICE, **changed))
