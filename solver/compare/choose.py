"""For one model: the best way to serve it on each machine, or what stands in its way there."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, significant
from ..perf.advice import words
from ..perf.candidates import RESOURCES, Candidates, shares
from ..perf.hardware import hardware
from ..perf.serving import Load
from ..workloads.base import distinct
from ..workloads.inference import Survey, measured_in, survey
from ..workloads.machines import precisions
from ..workloads.serving import staffing
from .costs import Scheme, monthly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..perf.architectures import Architecture
    from ..perf.constants import Precision
    from .demand import Demand
    from .machines import Machine

Array = np.ndarray[Any, np.dtype[Any]]
QUANTILE = 0.9  # of arrivals that find a free place, as a plan sizes its replicas
NINETY = 1.6448536269514722  # standard deviations that hold 90 % of a normal distribution
OK, MEMORY, TPOT, TTFT, NODES = "ok", "memory", "tpot", "ttft", "nodes"
NEARNESS = (TTFT, TPOT, MEMORY, NODES)  # of two machines that fail, the one that fails later is nearer
ANY = 1 << 40  # nodes, where there is no limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One model on one machine: a cell of a survey."""

    label: str  # the model as it was asked for
    architecture: Architecture
    precision: Precision
    machine: Machine
    status: str  # OK, or the first thing that leaves nothing
    survey: Survey
    units: tuple[Array, Array, Array]  # int [K, G] requests an hour of a replica at its planned load: mean, low, high
    cell: tuple[int, int]

    @property
    def fits(self) -> bool:
        """Whether there is room, however slow it be."""
        return self.status not in {MEMORY, NODES}

    @property
    def nodes(self) -> int:
        """Of a replica."""
        return int(self.survey.nodes[self.cell[0]])

    @property
    def requests_per_hour(self) -> int:
        """Of a replica at its planned load."""
        return int(self.units[0][self.cell])

    @property
    def micro_usd_per_request(self) -> Fraction:
        """Exact, at planned load."""
        return Fraction(self.nodes * self.machine.micro_usd_per_hour, max(1, self.requests_per_hour))

    @property
    def scheme(self) -> Scheme:
        """Whole replicas of it, paid by the month."""
        return Scheme(
            micro_usd_per_month=monthly(self.nodes * self.machine.micro_usd_per_hour),
            requests_per_hour=self.requests_per_hour,
        )

    @property
    def layout(self) -> str:
        """In words."""
        return words(self.survey.layout, self.cell[0], int(self.survey.engines[self.cell[0]]))

    def candidates(self, engine: str) -> tuple[Candidates, Array]:
        """This cell alone, and the sequences of an engine [1, 1]."""
        row = np.array([self.cell[0]])
        one = Candidates(
            architecture=self.architecture,
            precision=self.precision,
            engine=engine,
            accelerators=(self.machine.accelerator.name,),
            hardware=hardware([(self.machine.node, self.machine.accelerator)]),
            layout=self.survey.layout.take(row),
        )
        each = self.survey.concurrency[self.cell] / self.survey.engines[self.cell[0]]
        return one, np.full((1, 1), float(each))


def choices(
    label: str, a: Architecture, machines: Sequence[Machine], demand: Demand, precision: str | None
) -> list[Choice]:
    """The best cell of a model on every machine that can run it at all, in the order of the machines.

    Args:
        label: the model as it was asked for.
        a: the model.
        machines: what it might run on.
        demand: tokens and targets.
        precision: how it is stored; None is as published, "auto" also FP8 where BF16 was published.
    """
    wanted = None if precision == "auto" else precision
    stored: dict[str, tuple[Precision, list[int]]] = {}
    for i, machine in enumerate(machines):
        try:
            found = precisions(a, machine.accelerator, wanted, narrower=precision == "auto")
        except InputError:
            continue
        for p in found:
            stored.setdefault(p.name, (p, []))[1].append(i)
    made: dict[int, Choice] = {}
    for p, rows in stored.values():
        for i, choice in zip(rows, _of_precision(label, a, p, [machines[i] for i in rows], demand), strict=True):
            made[i] = min(made.get(i, choice), choice, key=_order)
    return [made[i] for i in sorted(made)]


def ranked(found: Sequence[Choice]) -> list[Choice]:
    """Those that are answers, the least cost of a request first; then the others as they come."""
    return sorted(found, key=lambda c: (c.status != OK, c.micro_usd_per_request if c.status == OK else 0))


def _order(c: Choice) -> tuple[int, Fraction]:
    return (-1 if c.status == OK else NEARNESS.index(c.status)), c.micro_usd_per_request


def load_of(demand: Demand, concurrency: Array) -> Load:
    """The demand's tokens at a concurrency."""
    return Load(
        concurrency=concurrency,
        input_tokens=np.asarray(float(demand.input_tokens)),
        output_tokens=np.asarray(float(demand.output_tokens)),
    )


def _of_precision(label: str, a: Architecture, p: Precision, machines: list[Machine], demand: Demand) -> list[Choice]:
    shapes = distinct([(m.node, m.accelerator) for m in machines])
    observed = measured_in(demand.measurements)
    s = survey(a, p, shapes, demand.input_tokens, demand.output_tokens, demand.engine, observed)
    share = staffing(s.concurrency, QUANTILE)
    mean, slow, fast = (np.floor(3600 * s.requests_per_s(z) * share).astype(np.int64) for z in (0.0, NINETY, -NINETY))
    known: dict[tuple[int, int], tuple[str, tuple[int, int]]] = {}
    made = []
    for i, machine in enumerate(machines):
        key = (int(shapes.shape_of[i]), ANY if machine.count is None else machine.count)
        if key not in known:
            known[key] = _best(s, mean, key, demand)
        status, cell = known[key]
        made.append(
            Choice(
                label=label,
                architecture=a,
                precision=p,
                machine=machine,
                status=status,
                survey=s,
                units=(mean, slow, fast),
                cell=cell,
            )
        )
    return made


def _best(s: Survey, units: Array, key: tuple[int, int], demand: Demand) -> tuple[str, tuple[int, int]]:
    """(OK, the cell with most requests a node) of a shape; or what leaves nothing, and the cell that comes nearest."""
    shape, most = key
    rows = np.flatnonzero(s.shape == shape)
    mine = rows[s.nodes[rows] <= most]
    if not len(mine):
        return NODES, _cell(rows, s.memory_gib[rows])
    fits = s.fits[mine]
    if not fits.any():
        return MEMORY, _cell(mine, np.where(s.busy[mine], s.memory_gib[mine], np.inf))
    z = NormalDist().inv_cdf(demand.sure)
    tpot = s.tpot_ms[mine] * np.exp(z * s.tpot_sigma[mine])
    ttft = s.ttft_ms[mine] * np.exp(z * s.ttft_sigma[mine])
    quick = fits & (tpot <= (demand.tpot_ms or np.inf))
    if not quick.any():
        return TPOT, _cell(mine, np.where(fits, tpot, np.inf))
    good = quick & (ttft <= (demand.ttft_ms or np.inf)) & (units[mine] > 0)
    if not good.any():
        return TTFT, _cell(mine, np.where(quick, ttft, np.inf))
    rate = np.where(good, units[mine] / s.nodes[mine][:, None], -1.0)
    return OK, _cell(mine, np.where(rate == rate.max(), tpot, np.inf))


def smallest(c: Choice, demand: Demand) -> Choice:
    """The same machine with as few nodes as meet the targets."""
    import dataclasses

    s = c.survey
    for nodes in sorted(set(s.nodes.tolist())):
        if nodes >= c.nodes:
            break
        status, cell = _best(s, c.units[0], (int(s.shape[c.cell[0]]), int(nodes)), demand)
        if status == OK:
            return dataclasses.replace(c, cell=cell)
    return c


def _cell(rows: Array, values: Array) -> tuple[int, int]:
    """Where a value of rows is least."""
    row, column = np.unravel_index(values.argmin(), values.shape)
    return int(rows[row]), int(column)


def reason(c: Choice, demand: Demand) -> str:
    """Why a machine is not an answer, with the resource that is in the way; "" where it is."""
    if c.status == OK:
        return ""
    s, (k, _) = c.survey, c.cell
    if not c.fits:
        nodes = f" over {c.nodes} nodes" if c.nodes > 1 else ""
        have = "" if c.machine.count is None else f"; nodes there are: {c.machine.count}"
        return (
            f"HBM capacity: needs {significant(s.memory_gib[c.cell], 4)} GiB an accelerator at {c.layout}{nodes} in "
            f"{c.precision.name}, {significant(s.usable_gib[k], 4)} GiB usable{have}"
        )
    one, each = c.candidates(demand.engine)
    spent = shares(one, load_of(demand, each))
    parts = (spent.tpot if c.status == TPOT else spent.prefill)[:, 0, 0]
    first = int(parts.argmax())
    taken = f"{RESOURCES[first]} takes {100 * parts[first]:.0f} % of it"
    sure = f" for sure to {100 * demand.sure:.3g} %" if demand.sure > 0.5 else ""  # noqa: PLR2004
    if c.status == TPOT:
        best = f"{significant(s.tpot_ms[c.cell], 4)} ms per output token at best ({c.layout})"
        return f"{best}, target {demand.tpot_ms:g}{sure}: {taken}"
    within = f" within {demand.tpot_ms:g} ms per output token" if demand.tpot_ms else ""
    best = f"{significant(s.ttft_ms[c.cell], 4)} ms to the first token at best ({c.layout}){within}"
    return f"{best}, target {demand.ttft_ms:g}{sure}: {taken.replace('of it', 'of its prefill')}"
