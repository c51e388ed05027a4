"""Where a noisy series of prices changed its level: PELT on log prices, with noise that may persist.

The model is x_t = level + noise, the noise an AR(1) process. Its persistence φ and size σ come from winsorised moves
(beyond three usual ones cut), so that the shifts looked for do not count as noise. PELT then minimises the sum of
squares around the levels, in units of σ², plus `PENALTY · ln n · (1 + φ) / (1 − φ)` for each shift: the modified BIC
of a shift in the mean (three parameters: place and size), times the long-run variance of the noise. Where noise
persists (φ ≥ 0.6), a stretch of it looks like a level; there a shift must also be a jump, a move of more than
√(2 ln n) usual ones, which is what the largest of n moves of noise alone comes to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .schema import Array

ENOUGH = 60  # observations; with fewer the persistence of noise cannot be told
PENALTY = 3.0
PERSISTENT, MOST_PERSISTENT = 0.6, 0.8  # above the second, jumps alone decide
SHORTEST = 3  # observations of a level
USUAL_MOVES = 3.0
MAD_TO_SD = 1.4826  # of normal noise
NEAR = 2  # observations a jump may lie from where PELT cuts


def shifts(prices: Array) -> list[int]:
    """Indices at which a new level starts, in a series of prices at even intervals.

    Args:
        prices: (n,), positive. Fewer than 60 of them, or a series that mostly stands still, has no shifts: in
            such a series every step is exact, and there is nothing to estimate.
    """
    x = np.log(np.asarray(prices, dtype=float))
    if len(x) < ENOUGH:
        return []
    usual, persistence = noise(x)
    if not usual:
        return []
    import ruptures  # slow to import

    sigma = usual / np.sqrt(2 * (1 - persistence))
    penalty = PENALTY * np.log(len(x)) * (1 + persistence) / (1 - persistence)
    search = ruptures.KernelCPD(kernel="linear", min_size=SHORTEST).fit((x / sigma)[:, None])
    found = [int(at) for at in search.predict(pen=penalty)[:-1]]
    return found if persistence < PERSISTENT else _jumps(x, found, usual)


def noise(x: Array) -> tuple[float, float]:
    """Usual move (standard deviation of x_t − x_{t−1}) and persistence φ of a series; (0, 0) if it mostly stands."""
    moves = np.diff(x)
    middle = MAD_TO_SD * float(np.median(np.abs(moves)))
    if middle <= 0:
        return 0.0, 0.0
    moves = np.clip(moves, -USUAL_MOVES * middle, USUAL_MOVES * middle)
    one, two = float(np.mean(moves**2)), float(np.mean((moves[1:] + moves[:-1]) ** 2))
    return float(np.sqrt(one)), min(max(two / one - 1, 0.0), MOST_PERSISTENT)


def _jumps(x: Array, found: list[int], usual: float) -> list[int]:
    """Those shifts that are jumps, each put where its largest move is."""
    moves = np.abs(np.diff(x))
    least = np.sqrt(2 * np.log(len(x))) * usual
    kept = set()
    for at in found:
        low = max(0, at - 1 - NEAR)
        largest = low + int(moves[low : at + NEAR].argmax())
        if moves[largest] > least:
            kept.add(largest + 1)
    return sorted(kept)
