"""Traces of spot capacity: how many instances a zone would have given, tick by tick.

The format is that of the traces published with "Can't Be Late" (Wu et al., NSDI 2024):
{"metadata": {"gap_seconds": 300}, "data": [instances to be had in each tick]}, one file a zone, named ZONE_DEVICE.json.
Traces in one folder with the same device begin at the same time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]
MAX_BYTES = 1 << 28
MAX_FILES = 10_000
MOST_SECONDS = 86_400
MOST_INSTANCES = 1_000_000
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One zone: the instances of a device that were to be had in each tick."""

    zone: str
    device: str
    gap_seconds: float
    counts: Array  # int64 [T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Zones with the same device, over the same ticks. Z zones, T ticks."""

    name: str  # "aws-02-15-2023/v100_1"
    zones: tuple[str, ...]
    gap_seconds: float
    counts: Array  # int64 [Z, T], as long as the shortest trace
    whole: tuple[Array, ...] = ()  # each zone's own trace, where some go on for longer

    @property
    def gap_hours(self) -> float:
        """Hours of a tick."""
        return self.gap_seconds / HOUR_S

    @property
    def ticks(self) -> int:
        """Number of ticks T."""
        return int(self.counts.shape[1])

    @property
    def hours(self) -> float:
        """Hours of the whole trace."""
        return self.ticks * self.gap_hours

    @property
    def most(self) -> int:
        """The most instances any zone ever had."""
        return int(self.counts.max(initial=0))

    def up(self, instances: int = 1) -> Array:
        """Where and when so many instances were to be had at once, bool [Z, T]."""
        return np.asarray(self.counts >= instances)

    def first(self, ticks: int) -> Market:
        """Its first ticks."""
        return replace(self, counts=self.counts[:, :ticks])

    def only(self, zones: Sequence[int]) -> Market:
        """Some of its zones, in this order, over all ticks that these have."""
        whole = tuple((self.whole or tuple(self.counts))[z] for z in zones)
        return _market(self.name, tuple(self.zones[z] for z in zones), self.gap_seconds, whole)


def _market(name: str, zones: tuple[str, ...], gap_seconds: float, whole: tuple[Array, ...]) -> Market:
    ticks = min(len(counts) for counts in whole)
    uneven = any(len(counts) > ticks for counts in whole)
    return Market(name=name, zones=zones, gap_seconds=gap_seconds, counts=np.stack([c[:ticks] for c in whole]),
                  whole=whole if uneven else ())  # fmt: skip


def read_markets(folder: str | os.PathLike[str]) -> tuple[Market, ...]:
    """Every trace below a folder, as markets by name.

    Raises:
        InputError: no folder, no trace in it, or one that is not in the format; names the file.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"no folder {str(root)!r:.200}", where="traces", mend="give a folder with .json traces in it")
    paths = sorted(path for path in root.rglob("*.json") if path.is_file())
    if not paths:
        mend = 'one file a zone: {"metadata": {"gap_seconds": 300}, "data": [1, 0, …]}'
        raise InputError(f"no .json trace in {str(root)!r:.200}", where="traces", mend=mend)
    if len(paths) > MAX_FILES:
        raise InputError(f"more than {MAX_FILES:,} traces", where="traces", mend="give a folder further down")
    return markets((_above(path, root), read_trace(path)) for path in paths)


def _above(path: Path, root: Path) -> str:
    """Name of the folder a trace lies in, as seen from the root; the root's own name for what lies in it."""
    inside = path.parent.relative_to(root)
    return inside.as_posix() if inside.parts else root.resolve().name


def markets(traces: Iterable[tuple[str, Trace]]) -> tuple[Market, ...]:
    """Traces of one folder and device side by side, as long as the shortest."""
    groups: dict[tuple[str, str, float], list[Trace]] = {}
    for folder, trace in traces:
        groups.setdefault((folder, trace.device, trace.gap_seconds), []).append(trace)
    made = []
    for (folder, device, gap), mine in groups.items():
        name = f"{folder}/{device}" if device else folder
        made.append(_market(name, tuple(t.zone for t in mine), gap, tuple(t.counts for t in mine)))
    return tuple(made)


def read_trace(path: str | os.PathLike[str]) -> Trace:
    """One file.

    Raises:
        InputError: it cannot be read, or is not in the format.
    """
    file = Path(path)
    where = f"trace {file.name!r:.200}"
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InputError(f"more than {MAX_BYTES >> 20} MiB", where=where, mend="cut it into shorter traces")
        content = json.loads(file.read_bytes(), parse_constant=_no_number)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=where) from None
    except (ValueError, RecursionError):
        raise InputError("is not JSON", where=where, mend="write it again") from None
    zone, _, device = file.stem.partition("_")
    gap = _gap(content, where)
    return Trace(zone=zone, device=device, gap_seconds=gap, counts=_counts(content, where))


def _gap(content: Any, where: str) -> float:
    metadata = content.get("metadata") if isinstance(content, dict) else None
    gap = metadata.get("gap_seconds") if isinstance(metadata, dict) else None
    if isinstance(gap, bool) or not isinstance(gap, int | float) or not 0 < gap <= MOST_SECONDS:
        mend = f"seconds of a tick, above 0 and at most {MOST_SECONDS:,}"
        raise InputError(f"metadata.gap_seconds is {gap!r:.60}", where=where, mend=mend)
    return float(gap)


def _counts(content: Any, where: str) -> Array:
    data = content.get("data")
    if not isinstance(data, list) or not data:
        raise InputError("data is not a list of numbers", where=where, mend="instances to be had in each tick")
    for tick, value in enumerate(data):
        whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
        if not whole or not 0 <= value <= MOST_INSTANCES:
            mend = f"a whole number from 0 to {MOST_INSTANCES:,}"
            raise InputError(f"data[{tick}] is {value!r:.60}", where=where, mend=mend)
    return np.array(data, dtype=np.int64)


def _no_number(name: str) -> float:
    raise ValueError(name)
