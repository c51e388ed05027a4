"""Scenarios of demand drawn from a forecast: seeded, of equal probability, and fewer of them that stand for all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from ..calendar import Scenario, WorkloadFactor
from ..errors import InputError
from ..workloads import fields

Array = np.ndarray[Any, np.dtype[Any]]
MOST = 1000
DIGITS = 10**6  # of a factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """By how much demand may come out above what is written: a lognormal factor with this mean and deviation."""

    mean: float = 0.0
    sd: float = 0.0

    def __post_init__(self) -> None:
        """Check both fields."""
        fields.number("growth", "mean", self.mean, (-1, 100), above=True)
        fields.number("growth", "sd", self.sd, (0, 100))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """So many futures of demand: growth that workloads share in part, and noise of their own."""

    draw: int = 20
    seed: int = 0
    growth: Growth = field(default_factory=Growth)
    noise: float = 0.0
    correlation: float = 0.5
    keep: int | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        where = "demand_forecast"
        fields.whole(where, "draw", self.draw, (1, MOST))
        fields.whole(where, "seed", self.seed, (0, 2**31))
        fields.number(where, "noise", self.noise, (0, 2))
        fields.number(where, "correlation", self.correlation, (0, 1))
        if self.keep is not None:
            fields.whole(where, "keep", self.keep, (1, self.draw))


def drawn(forecast: Forecast, names: Sequence[str]) -> tuple[Scenario, ...]:
    """Scenarios with a factor for each workload; the same seed gives the same, whatever other workloads there are.

    ln factor = ln(1 + mean) − β²/2 + β (√ρ Z + √(1−ρ) Zʷ) + σ Eʷ − σ²/2, with Z of the scenario, Zʷ and Eʷ of the
    scenario and workload standard normal, β² = ln(1 + (sd ÷ (1 + mean))²), ρ the correlation and σ the noise.
    """
    if not names:
        raise InputError("there is no traffic to draw", where="demand_forecast", mend="leave it out")
    mean = 1 + forecast.growth.mean
    beta = math.sqrt(math.log1p((forecast.growth.sd / mean) ** 2))
    shared = np.random.default_rng([forecast.seed, 0]).standard_normal(forecast.draw)
    logs = []
    for name in names:
        own = np.random.default_rng([forecast.seed, 1, *name.encode()]).standard_normal((2, forecast.draw))
        z = math.sqrt(forecast.correlation) * shared + math.sqrt(1 - forecast.correlation) * own[0]
        log = math.log(mean) - beta**2 / 2 + beta * z
        logs.append(log + forecast.noise * own[1] - forecast.noise**2 / 2)
    points = np.array(logs).T  # [draw, W]
    kept, stands = reduced(points, forecast.keep or forecast.draw)
    return tuple(
        Scenario(
            name=f"draw {i + 1}" if count == 1 else f"draw {i + 1}, for {count}",
            probability=Fraction(count, forecast.draw),
            demand_factors=tuple(
                WorkloadFactor(workload=name, factor=Fraction(round(math.exp(log) * DIGITS), DIGITS))
                for name, log in zip(names, points[i].tolist(), strict=True)
            ),
        )
        for i, count in zip(kept, stands, strict=True)
    )


def reduced(points: Array, keep: int) -> tuple[list[int], list[int]]:
    """Points [n, W] that stand for all, and for how many each: forward selection (Heitsch and Römisch 2003).

    Each next point is the one that brings the sum of all points' distances to their nearest kept one down most.
    """
    squares = np.zeros((len(points), len(points)))
    for column in points.T:
        squares += (column[:, None] - column[None, :]) ** 2
    distance = np.sqrt(squares)
    nearest, kept = np.full(len(points), np.inf), list[int]()
    for _ in range(keep):
        left = np.minimum(nearest[None, :], distance).sum(axis=1)
        left[kept] = np.inf
        kept.append(int(left.argmin()))
        nearest = np.minimum(nearest, distance[kept[-1]])
    kept.sort()
    owner = distance[:, kept].argmin(axis=1)
    owner[kept] = np.arange(len(kept))
    return kept, np.bincount(owner, minlength=len(kept)).tolist()
