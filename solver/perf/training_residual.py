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
WORDS = ("software", "kind", "accelerator", "number", "model", "task", "note", "nature", "extent", "chip", "board")
FIGURES = (
    "hidden", "tensor", "tokens", "sequence", "accelerators", "pipeline", "expert", "context", "recompute",
    "micro_batch", "data",
)  # fmt: skip
BLOCK = 2048  # jobs worked on at a time: their covariances fit in a cache
LEAST_SHARE = 1e-20  # of a step, so that it has a logarithm
ULTRA = frozenset({"B300", "GB300"})  # the later chip of their kind
GRACE, CARD = ("GH", "GB2", "GB3"), ("PCIe", "NVL")
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
    extent = np.where(g.accelerators <= ONE_NODE, "node", "cluster").astype(object)
    words = {
        "software": marks.software, "kind": kinds[jobs.machines.kind], "accelerator": marks.accelerator,
        "number": numbers[jobs.recipes.number], "model": marks.model, "task": marks.task, "note": marks.note,
        "nature": nature, "extent": extent, "chip": _chips(marks.accelerator, kinds[jobs.machines.kind]),
        "board": _boards(marks.accelerator),
    }  # fmt: skip
    logs = {
        "hidden": m.hidden, "tensor": g.tensor_parallel, "tokens": g.micro_tokens, "sequence": g.sequence_length,
        "accelerators": g.accelerators, "pipeline": g.pipeline_parallel, "expert": g.expert_parallel,
        "context": g.context_parallel, "recompute": 2.0**jobs.recipes.recompute, "micro_batch": g.micro_batch,
        "data": g.data_parallel,
    }  # fmt: skip
    figures = np.stack([np.log2(np.broadcast_to(logs[name], len(jobs))) for name in FIGURES])
    return Traits(np.stack([words[name] for name in WORDS]), marks.release, figures, made.shares)


def _chips(accelerators: Words, kinds: Words) -> Words:
    """Which chip: accelerators on different boards share one."""
    later = np.array([name in ULTRA for name in accelerators.tolist()], dtype=bool)
    return np.where(later, "ultra", kinds).astype(object)


def _boards(accelerators: Words) -> Words:
    """What the chip sits on: beside a Grace CPU, on a card, or on a baseboard of eight."""
    names = [
        "grace" if name.startswith(GRACE) else "card" if name.endswith(CARD) else "module"
        for name in accelerators.tolist()
    ]
    return np.array(names, dtype=object)


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
    for rows, block in _blocks(terms, a, b):
        made[rows] = block
    return made


def _blocks(terms: Sequence[Term], a: Traits, b: Traits) -> Iterator[tuple[Index, Array]]:
    """(jobs of a, their covariance with all of b), a few jobs of one combination of words at a time."""
    (code_a, first_a), (code_b, first_b) = _signatures(a), _signatures(b)
    head_a, head_b = a.take(first_a), b.take(first_b)
    alike = [(term, _alike(term, head_a, head_b)) for term in terms]
    plain = [(term.share, covariances) for term, covariances in alike if not term.over]
    near = [(_sides(term, a, b), covariances) for term, covariances in alike if term.over]
    shares_a = {term.share: a.share(term.share) for term in terms}
    shares_b = {term.share: b.share(term.share) for term in terms}
    for code, mine in _rows_by(code_a, len(first_a)):
        together = {share: np.zeros(len(b)) for share, _ in plain}
        for share, covariances in plain:
            together[share] += shares_b[share] * covariances[code, code_b]
        right = np.array(list(together.values())).reshape(len(together), len(b))
        fading = [(left, *_weighted(side, covariances[code, code_b])) for (left, side), covariances in near]
        for start in range(0, len(mine), BLOCK):
            rows = mine[start : start + BLOCK]
            block = np.array([shares_a[share][rows] for share in together]).reshape(len(together), len(rows)).T @ right
            for left, side, theirs in fading:
                if side.shape[1]:
                    block[:, theirs] += np.exp(left[rows] @ side)
            yield rows, block


def _sides(term: Term, a: Traits, b: Traits) -> tuple[Array, Array]:
    """Matrices [N, D] and [D, M] whose product is a fading term's logarithm: of the shares, less half the distance."""
    figures = [FIGURES.index(name) for name in term.over]
    scale = 1.0 / np.array(list(term.over.values()))[:, None]
    x, y = a.figures[figures] * scale, b.figures[figures] * scale
    log_a, log_b = (np.log(np.maximum(t.share(term.share), LEAST_SHARE)) for t in (a, b))
    left = np.vstack([x, np.ones(len(a)), log_a - 0.5 * (x**2).sum(axis=0)])
    return left.T, np.vstack([y, log_b - 0.5 * (y**2).sum(axis=0), np.ones(len(b))])


def _weighted(side: Array, weights: Array) -> tuple[Array, Any]:
    """The right side of a fading term with weights [M] put in, and the jobs that have one (neighbours: a slice)."""
    theirs = np.flatnonzero(weights)
    chosen = side[:, theirs].copy()
    chosen[-2] += np.log(weights[theirs])
    joined = len(theirs) > 0 and theirs[-1] - theirs[0] + 1 == len(theirs)
    return chosen, slice(theirs[0], theirs[-1] + 1) if joined else theirs


def _signatures(t: Traits) -> tuple[Index, Index]:
    """(which combination of words and release each job has, the first job of each combination)."""
    codes = _codes(t.release.tolist())
    for row in t.words:
        more = _codes(row.tolist())
        codes = np.unique(codes * (int(more.max(initial=0)) + 1) + more, return_inverse=True)[1].astype(np.int64)
    return codes, np.unique(codes, return_index=True)[1].astype(np.int64)


def _codes(values: list[Any]) -> Index:
    """A number for each distinct value."""
    known = {value: code for code, value in enumerate(dict.fromkeys(values))}
    return np.fromiter(map(known.__getitem__, values), dtype=np.int64, count=len(values))


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


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is known of the corrections after measurements, held at M landmark jobs."""

    terms: tuple[Term, ...]
    landmarks: Traits
    weights: Array  # [M]
    root: Array  # [M, M]: variance that measurements take away is the squared length of root @ covariance

    def correction(self, t: Traits, *, variance: bool = True) -> tuple[Array, Array]:
        """(mean, variance; NaN when not asked for) of the logarithm of measured ÷ physics, [N]."""
        mean, left = np.zeros(len(t)), prior_variance(self.terms, t) if variance else np.full(len(t), np.nan)
        for rows, shared in _blocks(self.terms, t, self.landmarks):
            mean[rows] = shared @ self.weights
            if variance:
                known = shared @ self.root.T
                left[rows] -= np.einsum("ij,ij->i", known, known)
        return mean, np.maximum(left, 0.0)


def as_mapping(term: Term) -> dict[str, Any]:
    """A term as JSON holds it: only what is not its default."""
    plain = {f.name: getattr(term, f.name) for f in dataclasses.fields(term)}
    return {k: list(v) if isinstance(v, tuple) else dict(v) if k == "over" else v for k, v in plain.items() if v}
