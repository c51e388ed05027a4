"""What measurements add to the physics of serving: factors of its terms by group, and how wrong the rest may be.

A set-up belongs to a group on each of LEVELS: its engine on its accelerators' generation, its model, its deployment, …
Each group that was measured has log factors for the terms of TPOT and TTFT, shrunk towards none by how few and how
noisy its measurements are; a group that was not measured has none, and widens the interval instead. Where the
model, the accelerator or the release is new, what the other groups learned counts only so far as it was seen to help.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .serving import TPOT_TERMS, TTFT_TERMS, Corrections
from .steps import fitted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .architectures import Architecture

Array = np.ndarray[Any, np.dtype[np.float64]]
ALL = "all"  # a log factor of every term
DOUBLING = "doubling"  # a log factor of every term for each doubling of tensor parallelism beyond MIDDLE
MIDDLE = 1.5  # doublings
MEASURED, CALIBRATED, PHYSICS = "measured", "calibrated", "physics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What tells a set-up's groups."""

    architecture: Architecture
    accelerator: str
    generation: int
    precision: str
    engine: str
    version: str = ""
    layout: tuple[int, int, int, int] = (1, 1, 1, 1)  # tensor, pipeline, attention data, expert parallel
    silicon: str = ""  # class of the accelerator, see `throughput.accelerator_class`

    @property
    def shape(self) -> str:
        """The model without its name: variants of one model are one."""
        a = self.architecture
        return f"{a.family} {a.layers}×{a.hidden_size}"

    @property
    def kind(self) -> str:
        """How the model attends, and whether it is a mixture of experts."""
        a = self.architecture
        if a.selected_context:
            return "sparse"
        if a.latent_attention:
            return "latent"
        if a.state_values_per_sequence:
            return "hybrid"
        return "experts" if a.experts else "dense"

    @property
    def release(self) -> str:
        """The engine's release without what follows its numbers."""
        return f"{self.engine} {self.version or 'unstated'}"


LEVELS: Mapping[str, tuple[str, ...]] = MappingProxyType(  # what a level's groups are told apart by
    {
        "engine": ("engine", "generation"),
        "attention": ("engine", "kind"),
        "precision": ("engine", "generation", "precision", "kind"),
        "model": ("shape",),
        "accelerator": ("accelerator",),
        "release": ("release",),
        "layout": ("engine", "generation", "kind", "layout"),
        "model layout": ("shape", "engine", "layout"),
        "model machine": ("shape", "engine", "accelerator", "precision"),
        "model release": ("release", "shape", "accelerator"),
        "deployment": ("shape", "accelerator", "engine", "precision", "layout"),
        "silicon": ("silicon",),
    }
)
TRAITS = tuple(dict.fromkeys(name for names in LEVELS.values() for name in names))


def groups_of(labels: Sequence[Label]) -> dict[str, list[str]]:
    """The groups of set-ups by level, [K] each."""
    traits = {name: [str(getattr(label, name)) for label in labels] for name in TRAITS}
    return {
        level: [" | ".join(parts) for parts in zip(*(traits[name] for name in names), strict=True)]
        for level, names in LEVELS.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """Fitted groups: log factors by term, and the spread that a level's groups have where none was measured."""

    groups: Mapping[str, Mapping[str, Mapping[str, float]]]  # level → group → term → log factor
    spread: Mapping[str, float]  # level → standard deviation of an unmeasured group; "" → of a measurement
    gates: Mapping[str, float]  # level → what all log factors are multiplied by where its group was not measured
    scale: float  # of the interval, so that it covers what it says


@functools.cache
def packaged_residuals() -> Mapping[str, Residuals]:
    """Fitted groups of "tpot" and "ttft", read once."""
    return MappingProxyType({metric: residuals_of(fitted()["residuals"][metric]) for metric in ("tpot", "ttft")})


def residuals_of(table: Mapping[str, Any]) -> Residuals:
    """Residuals from a table {groups: {level: {group: {term: log factor}}}, spread: {level: σ}, gates, scale}."""
    return Residuals(groups=table["groups"], spread=table["spread"], gates=table["gates"], scale=float(table["scale"]))


def corrections(
    labels: Sequence[Label], residuals: Mapping[str, Residuals] | None = None
) -> tuple[Corrections, list[str]]:
    """Corrections [K] of set-ups, and what each rests on."""
    found = residuals or packaged_residuals()
    keys = groups_of(labels)
    wide = doublings(labels)
    tpot, tpot_sigma = _factors(found["tpot"], keys, TPOT_TERMS, wide)
    ttft, ttft_sigma = _factors(found["ttft"], keys, TTFT_TERMS, wide)
    made = Corrections(
        tpot=tuple(np.exp(tpot)),
        ttft=tuple(np.exp(ttft)),
        tpot_sigma=tpot_sigma,
        ttft_sigma=ttft_sigma,
    )
    return made, evidence(found["tpot"], keys)


def doublings(labels: Sequence[Label]) -> Array:
    """Doublings of tensor parallelism beyond MIDDLE [K]."""
    return np.log2(np.array([label.layout[0] for label in labels], dtype=np.float64)) - MIDDLE


def noise_of(metric: str, residuals: Mapping[str, Residuals] | None = None) -> float:
    """Standard deviation of the log of a measurement repeated."""
    found = (residuals or packaged_residuals())[metric]
    return found.scale * found.spread[""]


def evidence(found: Residuals, keys: Mapping[str, Sequence[str]]) -> list[str]:
    """Measured: the deployment itself. Calibrated: its engine, class of accelerator and kind of attention."""

    def known(level: str) -> list[bool]:
        return [key in found.groups.get(level, {}) for key in keys[level]]

    near = zip(known("deployment"), known("engine"), known("attention"), known("silicon"), strict=True)
    return [MEASURED if d else CALIBRATED if e and a and s else PHYSICS for d, e, a, s in near]


def _factors(
    found: Residuals, keys: Mapping[str, Sequence[str]], terms: tuple[str, ...], wide: Array
) -> tuple[Array, Array]:
    """(log factors [4, K], standard deviations [K])."""
    count = len(next(iter(keys.values())))
    factors, variance = np.zeros((len(terms), count)), np.full(count, found.spread[""] ** 2)
    gate = np.ones(count)
    for level, groups in keys.items():
        known = found.groups.get(level, {})
        table = [known.get(group) for group in groups]
        value = {t: np.array([(entry or {}).get(t, 0.0) for entry in table]) for t in (ALL, DOUBLING, *terms)}
        factors += value[ALL] + value[DOUBLING] * wide + np.stack([value[term] for term in terms])
        missing = np.array([entry is None for entry in table], dtype=bool)
        variance += np.where(missing, found.spread.get(level, 0.0) ** 2, 0.0)
        gate *= np.where(missing, found.gates.get(level, 1.0), 1.0)
    return factors * gate, found.scale * np.sqrt(variance)
