"""What a market has shown until each tick: ages of spells, and shapes that are learnt as it goes on, never ahead."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..spot.risk import DOWN_SCALE_HOURS, UP_SCALE_HOURS, ticks_since

Array = np.ndarray[Any, np.dtype[Any]]
PRIOR_LOSS_SHAPE, PRIOR_RETURN_SHAPE, PRIOR_ANOTHER_UP = 1.1, 1.2, 0.3  # of the traces of 2022 and 2023
PRIOR_ENDS = 20.0  # how many ends of spells the prior is worth
HALF_LIFE_HOURS = 72.0  # after which what was seen counts half
MOST_HALVINGS = 200.0


class Watch:
    """Statistics of every tick, from the ticks up to it. Z zones, T ticks."""

    def __init__(self, up: Array, gap_hours: float) -> None:
        """Of these zones, bool [Z, T]."""
        self.zones, ticks = up.shape
        any_up: Array = np.asarray(up.any(axis=0))
        self.age = _ages(up, gap_hours)  # [Z, T] hours of the spell that each zone is in
        self.none_age = _ages(any_up[None], gap_hours)[0]  # [T] of no zone up, or of some up
        keep = 0.5 ** (gap_hours / HALF_LIFE_HOURS)
        exposed = np.where(up[:, :-1], _exposure(self.age[:, :-1], gap_hours, UP_SCALE_HOURS), 0.0)
        lost = up[:, :-1] & ~up[:, 1:]
        self._ends, self._exposure = _fading(lost, keep), _fading(exposed, keep)
        waited = np.where(~any_up[:-1], _exposure(self.none_age[:-1], gap_hours, DOWN_SCALE_HOURS), 0.0)
        self._returns = _fading((~any_up[:-1] & any_up[1:])[None], keep)[0]
        self._waited = _fading(waited[None], keep)[0]
        self._another = _fading((lost & any_up[1:]).sum(axis=0)[None], keep)[0]
        self._all_lost = _fading(lost.sum(axis=0)[None], keep)[0]
        self.last = ticks - 1

    def loss_shape(self, tick: Array) -> Array:
        """Of each zone, float [Z, J]."""
        return np.asarray(
            (self._ends[:, tick] + PRIOR_ENDS * PRIOR_LOSS_SHAPE) / (self._exposure[:, tick] + PRIOR_ENDS)
        )

    def pooled_loss_shape(self, tick: Array, shapes: Array) -> Array:
        """Of the zones together, each as much as it has been up, float [J]."""
        weight = self._exposure[:, tick] + 1e-3
        return np.asarray((shapes * weight).sum(axis=0) / weight.sum(axis=0))

    def return_shape(self, tick: Array) -> Array:
        """Of spells in which no zone is up, float [J]."""
        return np.asarray((self._returns[tick] + PRIOR_ENDS * PRIOR_RETURN_SHAPE) / (self._waited[tick] + PRIOR_ENDS))

    def another_up(self, tick: Array) -> Array:
        """Probability that when a zone is lost another is up, float [J]."""
        if self.zones == 1:
            return np.zeros(len(tick))
        return np.asarray((self._another[tick] + PRIOR_ENDS * PRIOR_ANOTHER_UP) / (self._all_lost[tick] + PRIOR_ENDS))


def _ages(up: Array, gap_hours: float) -> Array:
    """Hours for which each row has been as it is, its tick included; [Z, T]."""
    new = np.ones(up.shape, dtype=bool)
    new[:, 1:] = up[:, 1:] != up[:, :-1]
    return np.asarray((ticks_since(new) + 1) * gap_hours)


def _exposure(age: Array, gap_hours: float, scale: float) -> Array:
    """∫ dt ÷ (scale + t) over the tick that follows an age."""
    return np.log((scale + age + gap_hours) / (scale + age))


def _fading(events: Array, keep: float) -> Array:
    """Sums over the past of each tick, what is old counting less; [Z, T] from [Z, T − 1].

    y[t] = x[t] + keep · y[t − 1], as keep^t · Σ x[s] keep^−s in stretches short enough for floats.
    """
    stretch = max(1, int(MOST_HALVINGS / -np.log2(keep)))
    made = np.zeros((len(events), events.shape[1] + 1))
    for first in range(0, events.shape[1], stretch):
        part = events[:, first : first + stretch].astype(float)
        power = keep ** np.arange(part.shape[1])
        before = made[:, first : first + 1] * keep
        made[:, first + 1 : first + 1 + part.shape[1]] = power * (before + np.cumsum(part / power, axis=1))
    return made
