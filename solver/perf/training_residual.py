"""What measurements add to the physics of training: a Gaussian process over the logarithm of the step.

A job's correction is a sum of unknown factors, each in proportion to the share of the step it acts on: what a software
adds, what it adds on a kind of accelerator, how far a layer's products of one width are off, and so on. Near measured
jobs the factors are known; far from them the correction fades to none and its variance rises to the prior's.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .training_jobs import KINDS, NUMBERS, Columns
from .training_physics import COMPONENTS, LAYER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .training_jobs import Jobs
    from .training_physics import Step

Array = np.ndarray[Any, np.dtype[np.float64]]
Index = np.ndarray[Any, np.dtype[np.int64]]
Words = np.ndarray[Any, np.dtype[Any]]
GROUPED_SHARES = {"step": COMPONENTS, "layer": LAYER, "products": ("dense", "experts")}
WORDS = ("software", "kind", "accelerator", "number", "model", "task", "note", "nature")
FIGURES = (
    "hidden", "tensor", "tokens", "sequence", "accelerators", "pipeline", "expert", "context", "recompute",
    "micro_batch", "data",
)  # fmt: skip
ONE_NODE = 8  # accelerators: their measurements repeat better


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks(Columns):
    """Names that jobs share: [K], objects (text) but the release."""

    software: Words
    release: Array  # years since 2000, 0 when not stated
    accelerator: Words
    model: Words
    task: Words
    note: Words  # "drop" (tokens over capacity are dropped), "eager" (not compiled) or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One kind of unknown factor: how much it varies, on what share, and which jobs have it in common."""

    sd: float  # of the factor's logarithm
    share: str = "step"  # a component, or one of GROUPED_SHARES
    same: tuple[str, ...] = ()  # of WORDS: jobs that differ in one have nothing in common
    nature: str = ""  # "moe" or "dense": the other jobs have no such factor
    years: float = 0.0  # between releases, over which the factor is forgotten; 0: never
    over: Mapping[str, float] = field(default_factory=dict)  # of FIGURES: distance over which it is forgotten


@dataclass(frozen=True, slots=True)
class Traits:
    """What terms look at, of N jobs."""

    words: Words  # [len(WORDS), N] text
    release: Array  # [N]
    figures: Array  # [len(FIGURES), N], log₂ but recompute
    shares: Array  # [len(COMPONENTS), N]

    def __len__(self) -> int:
        """Jobs, N."""
        return len(self.release)

    def take(self, rows: Any) -> Traits:
        """Jobs by mask or index."""
        return Traits(self.words[:, rows], self.release[rows], self.figures[:, rows], self.shares[:, rows])

    def share(self, name: str) -> Array:
        """Share of the step a term acts on, [N]."""
        rows = [COMPONENTS.index(part) for part in GROUPED_SHARES.get(name, (name,))]
        return np.asarray(self.shares[rows].sum(axis=0))


def traits(jobs: Jobs, marks: Marks, made: Step) -> Traits:
    """Traits of jobs whose step the physics has made."""
    m, g = jobs.models, jobs.layouts
    kinds, numbers = np.array(KINDS, dtype=object), np.array(NUMBERS, dtype=object)
    nature = np.where(m.experts > 0, "moe", "dense").astype(object)
    words = {
        "software": marks.software, "kind": kinds[jobs.machines.kind], "accelerator": marks.accelerator,
        "number": numbers[jobs.recipes.number], "model": marks.model, "task": marks.task, "note": marks.note,
        "nature": nature,
    }  # fmt: skip
    logs = {
        "hidden": m.hidden, "tensor": g.tensor_parallel, "tokens": g.micro_tokens, "sequence": g.sequence_length,
        "accelerators": g.accelerators, "pipeline": g.pipeline_parallel, "expert": g.expert_parallel,
        "context": g.context_parallel, "recompute": 2.0**jobs.recipes.recompute, "micro_batch": g.micro_batch,
        "data": g.data_parallel,
    }  # fmt: skip
    figures = np.stack([np.log2(np.broadcast_to(logs[name], len(jobs))) for name in FIGURES])
    return Traits(np.stack([words[name] for name in WORDS]), marks.release, figures, made.shares)


def prior_variance(terms: Sequence[Term], t: Traits) -> Array:
    """Variance of the correction where nothing is known, [N]."""
    natures = t.words[WORDS.index("nature")]
    total = np.zeros(len(t))
    for term in terms:
        has = (natures == term.nature) if term.nature else np.ones(len(t), dtype=bool)
        total = total + np.where(has, (term.sd * t.share(term.share)) ** 2, 0.0)
    return total


def covariance(terms: Sequence[Term], a: Traits, b: Traits) -> Array:
    """Covariance of the corrections of jobs a [N] and b [M], [N, M]."""
    made = np.zeros((len(a), len(b)))
    (code_a, first_a), (code_b, first_b) = _signatures(a), _signatures(b)
    head_a, head_b = a.take(first_a), b.take(first_b)
    plain: dict[str, Array] = {}
    for term in terms:
        alike = _alike(term, head_a, head_b)
        if term.over:
            _add_near(made, term, alike, (a, code_a), (b, code_b))
        else:
            plain[term.share] = plain.get(term.share, 0.0) + alike
    for code, rows in _rows_by(code_a, len(first_a)) if plain else ():
        left = np.stack([a.share(name)[rows] for name in plain], axis=1)
        right = np.stack([b.share(name) * alike[code, code_b] for name, alike in plain.items()])
        made[rows] += left @ right
    return made


def _signatures(t: Traits) -> tuple[Index, Index]:
    """(which combination of words and release each job has, the first job of each combination)."""
    codes = np.unique(t.release, return_inverse=True)[1].astype(np.int64)
    for row in t.words:
        values = np.unique(row.astype(str), return_inverse=True)[1]
        codes = np.unique(codes * (int(values.max(initial=0)) + 1) + values, return_inverse=True)[1].astype(np.int64)
    return codes, np.unique(codes, return_index=True)[1].astype(np.int64)


def _rows_by(codes: Index, count: int) -> Iterator[tuple[int, Index]]:
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=count))
    for code, end in enumerate(ends):
        yield code, order[ends[code - 1] if code else 0 : end]


def _alike(term: Term, a: Traits, b: Traits) -> Array:
    """Covariance of a term's factor between combinations, before distance in figures."""
    alike = np.full((len(a), len(b)), term.sd**2)
    for name in term.same:
        row = WORDS.index(name)
        alike *= a.words[row][:, None] == b.words[row][None, :]
    if term.nature:
        row = WORDS.index("nature")
        alike *= np.outer(a.words[row] == term.nature, b.words[row] == term.nature)
    if term.years:
        alike *= np.exp(-np.abs(a.release[:, None] - b.release[None, :]) / term.years)
    return alike


def _add_near(made: Array, term: Term, alike: Array, a: tuple[Traits, Index], b: tuple[Traits, Index]) -> None:
    """Add a term that fades with distance; combinations with nothing in common are skipped."""
    rows = [FIGURES.index(name) for name in term.over]
    scale = 1.0 / np.array(list(term.over.values()))[:, None]
    (ta, code_a), (tb, code_b) = a, b
    left, right = ta.figures[rows] * scale, tb.figures[rows] * scale
    share_a, share_b = ta.share(term.share), tb.share(term.share)
    for code, mine in _rows_by(code_a, len(alike)):
        weight = share_b * alike[code, code_b]
        theirs = np.flatnonzero(weight)
        if len(theirs) and len(mine):
            x, y = left[:, mine], right[:, theirs]
            apart = (x**2).sum(axis=0)[:, None] + (y**2).sum(axis=0)[None, :] - 2.0 * x.T @ y
            near = np.exp(-0.5 * np.maximum(apart, 0.0))
            made[np.ix_(mine, theirs)] += near * share_a[mine, None] * weight[theirs]


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is known of the corrections after measurements, held at M landmark jobs."""

    terms: tuple[Term, ...]
    landmarks: Traits
    weights: Array  # [M]
    root: Array  # [M, M]: variance that measurements take away is the squared length of root @ covariance

    def correction(self, t: Traits, rows: int = 65_536) -> tuple[Array, Array]:
        """(mean, variance) of the logarithm of measured ÷ physics, [N]; `rows` are worked on at a time."""
        mean, variance = np.zeros(len(t)), prior_variance(self.terms, t)
        for start in range(0, len(t), rows):
            part = slice(start, start + rows)
            shared = covariance(self.terms, t.take(part), self.landmarks)
            mean[part] = shared @ self.weights
            variance[part] -= ((shared @ self.root.T) ** 2).sum(axis=1)
        return mean, np.maximum(variance, 0.0)


def as_mapping(term: Term) -> dict[str, Any]:
    """A term as JSON holds it: only what is not its default."""
    plain = {f.name: getattr(term, f.name) for f in dataclasses.fields(term)}
    return {k: list(v) if isinstance(v, tuple) else dict(v) if k == "over" else v for k, v in plain.items() if v}
