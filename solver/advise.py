"""Advice in terms of names: a model, an accelerator or a node, and targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import InputError
from .perf import architecture
from .perf.advice import Advice, Machine, Question
from .perf.advice import advise as _advise
from .perf.engine_settings import ENGINES
from .perf.hardware import hardware
from .perf.labels import accelerator as accelerator_of
from .workloads import fields
from .workloads.inference import layouts
from .workloads.machines import precisions, usual_node

if TYPE_CHECKING:
    from pathlib import Path

    from costdata import Accelerator, Catalog, Node

    from .perf.architectures import Architecture

MOST_NODES = 4  # pipeline stages that layouts know
MOST_ACCELERATORS = 72


def advise(  # noqa: PLR0913 (what is asked, each by keyword)
    model: str | Path,
    accelerator: str | Accelerator = "",
    *,
    accelerators: int = 8,
    nodes: int = 1,
    node: str = "",
    precision: str | None = None,
    engine: str = "vllm",
    input_tokens: int = 1000,
    output_tokens: int = 300,
    tpot_ms: float | None = None,
    ttft_ms: float | None = None,
    catalog: Catalog | None = None,
) -> Advice:
    """How best to serve a model on a machine, what holds it back there, and what would move it.

    Args:
        model: a name of the registry, or the path of a Hugging Face config.json.
        accelerator: its name ("H100", "MI300X", …), or one of your own making.
        accelerators: in a node; joined by the accelerator's own links.
        nodes: of the machine; more than one are pipeline stages, or copies.
        node: a node of the catalogue instead, as "aws/p5.48xlarge".
        precision: how weights are stored; by default as published, or in FP8 where BF16 was published and that is
            better (FP8 units given).
        engine: whose measurements count: vllm, sglang or trtllm.
        input_tokens: of a prompt.
        output_tokens: of an answer.
        tpot_ms: target for the mean time per output token.
        ttft_ms: target for the mean time to the first token.
        catalog: where `node` is looked up; by default the packaged one.

    Raises:
        InputError: an unknown name (with the nearest), or an argument out of its range.
        InfeasibleError: does not fit, or a target is out of reach; says which resource is in the way.
    """
    a = architecture(model)
    question = _question(a, input_tokens, output_tokens, tpot_ms, ttft_ms)
    fields.choice("advise", "engine", engine, ENGINES)
    fields.whole("advise", "accelerators", accelerators, (1, MOST_ACCELERATORS))
    fields.whole("advise", "nodes", nodes, (1, MOST_NODES))
    if bool(node) == bool(accelerator):
        raise InputError("an accelerator or a node is needed, not both", where="advise", mend='such as "H100"')
    made, kind = _of_catalogue(node, catalog) if node else _of_accelerator(accelerator, accelerators)
    machine = Machine(
        accelerator=kind.name, accelerators=made.accelerators, nodes=nodes, hardware=hardware([(made, kind)])
    )
    stored = precisions(a, kind, precision, narrower=precision is None)
    return _advise(a, machine, layouts(a, made), question, precisions=stored, engine=engine)


def _question(
    a: Architecture, input_tokens: int, output_tokens: int, tpot_ms: float | None, ttft_ms: float | None
) -> Question:
    for name, count in (("input_tokens", input_tokens), ("output_tokens", output_tokens)):
        fields.whole("advise", name, count, (1, 10**8))
    for name, target in (("tpot_ms", tpot_ms), ("ttft_ms", ttft_ms)):
        if target is not None:
            fields.number("advise", name, target, (0, 1e9), above=True)
    if input_tokens + output_tokens > a.max_context:
        text = f"{input_tokens + output_tokens:,} tokens, {a.name} takes {a.max_context:,}"
        raise InputError(text, where="input_tokens + output_tokens", mend="shorten the prompt or the answer")
    return Question(input_tokens=input_tokens, output_tokens=output_tokens, tpot_ms=tpot_ms, ttft_ms=ttft_ms)


def _of_accelerator(accelerator: str | Accelerator, count: int) -> tuple[Node, Accelerator]:
    """A node of the usual make."""
    kind = accelerator_of(accelerator) if isinstance(accelerator, str) else accelerator
    return usual_node(kind, count), kind


def _of_catalogue(name: str, catalog: Catalog | None) -> tuple[Node, Accelerator]:
    import costdata

    from .enumerate.names import nearest

    known = catalog or costdata.load()
    provider, _, rest = name.partition("/")
    made = known.nodes.get((provider, rest))
    if made is None:
        names = [f"{p}/{n}" for (p, n), found in known.nodes.items() if found.accelerators]
        raise InputError(f"unknown node {name!r:.80}", where="node", mend=nearest(name, names))
    kind = known.accelerators.get(made.accelerator)
    if kind is None:
        raise InputError(f"{name} has no accelerator", where="node", mend="see `autoparallel prices`")
    return made, kind
