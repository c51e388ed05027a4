"""A replay of one service, replica by replica and minute by minute: slow, and written without the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Replica:
    """One replica: where (None: on demand), when it serves from, when it goes (minutes)."""

    zone: int | None
    serves_from: int
    until: float = float("inf")

    def serves(self, minute: int) -> bool:
        """Whether it serves in a minute."""
        return self.serves_from <= minute < self.until


def by_minutes(
    counts: np.ndarray, need: np.ndarray, spot: np.ndarray, on_demand: np.ndarray, *, gap: int, cold: int, notice: int
) -> tuple[float, float, float]:
    """Replica-minutes served, spot minutes and on-demand minutes paid, of scripted wishes [T, Z] and [T]."""
    alive = [Replica(None, 0) for _ in range(int(need[: -(-cold // gap) + 1].max()))]
    served, paid = 0.0, [0.0, 0.0]
    for tick in range(counts.shape[1]):
        now = tick * gap
        for zone in range(len(counts)):
            mine = sorted(_in(alive, zone), key=lambda r: r.serves_from)
            for lost in mine[: max(0, len(mine) - counts[zone, tick])]:
                if lost.serves(now):
                    lost.until = now + notice
                else:
                    alive.remove(lost)
        wishes: list[tuple[int | None, int]] = [(None, int(on_demand[tick]))]
        wishes += enumerate(np.minimum(spot[tick], counts[:, tick]).tolist())
        for place, wanted in wishes:
            mine = sorted(_in(alive, place), key=lambda r: r.serves_from)
            for spare in mine[wanted:]:
                alive.remove(spare)
            alive += [Replica(place, now + cold) for _ in range(wanted - len(mine))]
        for minute in range(now, now + gap):
            served += min(sum(r.serves(minute) for r in alive), int(need[tick]))
            for r in alive:
                paid[r.zone is None] += minute < r.until
        alive = [r for r in alive if r.until > now + gap]
    end = counts.shape[1] * gap
    paid[0] += sum(r.until - end for r in alive if r.until < float("inf"))  # the notice is paid for to its end
    return served, paid[0], paid[1]


def _in(alive: list[Replica], zone: int | None) -> list[Replica]:
    return [r for r in alive if r.zone == zone and r.until == float("inf")]
