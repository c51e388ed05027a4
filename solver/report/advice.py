"""Advice as text for a terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import significant
from .cells import clean
from .words import MINUS, number, percent, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..perf.advice import Advice, Latency, Point


def to_json(advice: Advice) -> str:
    """Everything, floats with six figures."""
    return json.dumps(advice.to_dict(), indent=2) + "\n"


def to_text(advice: Advice) -> str:
    """Everything as lines."""
    return "".join(f"{clean(line)}\n" if line else "\n" for line in _lines(advice))


def _lines(a: Advice) -> Iterator[str]:
    q = a.question
    yield f"{a.model} on {a.machine}"
    targets = (("TPOT", q.tpot_ms), ("TTFT", q.ttft_ms))
    wanted = (
        ", ".join(f"{name} at most {ms:g} ms" for name, ms in targets if ms is not None)
        or "no targets: most throughput for the latency"
    )
    yield f"prompts of {q.input_tokens:,} tokens, answers of {q.output_tokens:,}; {wanted}"
    yield ""
    yield from _point(a)
    yield ""
    yield from _shares(a)
    yield ""
    yield "What would move it"
    yield from _table(
        ("", "TPOT", "TTFT", "best" if q.targets else "best*", ""),
        [
            (m.change, _change(m.tpot_percent), _change(m.ttft_percent), _change(m.best_percent), m.best)
            for m in a.moves
        ],
    )
    yield "  TPOT and TTFT with as many sequences in flight; best is what can be had when all is chosen anew"
    if not q.targets:
        yield "  * tokens a second ÷ latency of a request"
    yield from _points("Other layouts, the best of each", a.alternatives)
    yield from _points("This layout with other numbers in flight", a.trade_off)
    yield ""
    yield from _settings(a)
    for note in a.notes:
        yield f"Note: {note}"


def _point(a: Advice) -> Iterator[str]:
    p = a.point
    each = f" ({p.engine_concurrency:,} an engine)" if p.engines > 1 else ""
    rows = (
        ("Best", f"{p.layout} in {p.precision} on {p.engine}, {p.concurrency:,} sequences in flight{each}"),
        ("TPOT", _latency(p.tpot)),
        ("TTFT", _latency(p.ttft)),
        ("Throughput", f"{number(p.output_tokens_per_s)} output tokens/s, {number(p.requests_per_s, 1)} requests/s"),
        ("Evidence", p.evidence),
        ("Limited by", f"{a.limited_by}; binding: {a.binding}"),
        ("Memory", _memory(a.memory_gib, a.kv_capacity_used)),
    )
    yield from (f"{name:11} {text}" for name, text in rows)


def _memory(memory: Mapping[str, float], used: float) -> str:
    parts = ", ".join(f"{name} {size:.1f}" for name, size in memory.items() if name != "usable")
    return f"{parts} of {memory['usable']:.1f} GiB an accelerator; the cache fills {percent(100 * used, 0)} of its room"


def _shares(a: Advice) -> Iterator[str]:
    yield "Where the time goes"
    heads = ("", *a.tpot_shares)
    rows = [
        ("an output token", *(percent(100 * v, 0) for v in a.tpot_shares.values())),
        ("a prompt", *(percent(100 * v, 0) for v in a.prefill_shares.values())),
    ]
    yield from _table(heads, rows)
    for name, terms in (("TPOT", a.tpot_terms_ms), ("TTFT", a.ttft_terms_ms)):
        yield f"  {name}: " + ", ".join(f"{term} {significant(ms)} ms" for term, ms in terms.items())


def _points(title: str, points: Sequence[Point]) -> Iterator[str]:
    if points:
        yield ""
        yield title
        rows = [
            (
                p.layout,
                f"{p.concurrency:,}",
                significant(p.tpot.ms),
                significant(p.ttft.ms, 4),
                number(p.output_tokens_per_s),
            )
            for p in points
        ]
        yield from _table(("layout", "in flight", "TPOT ms", "TTFT ms", "tokens/s"), rows)


def _settings(a: Advice) -> Iterator[str]:
    yield "Settings"
    for name, s in a.settings.items():
        yield f"  {name}: {s.command}"
        yield from (f"    {line}" for line in s.config_yaml.splitlines())
        yield from (f"    {sentence(note)}" for note in s.notes)
    first = next(iter(a.settings.values()))
    yield (
        f"  {first.max_sequences:,} sequences an attention rank, cache in {first.kv_dtype}; a decode step beside a "
        f"chunk of {first.chunk_tokens:,} tokens of a prompt waits {significant(first.chunk_ms)} ms"
    )


def _latency(found: Latency) -> str:
    return f"{significant(found.ms)} ms (90 %: {significant(found.lo_ms)} to {significant(found.hi_ms)})"


def _change(value: float | None) -> str:
    if value is None:
        return "–"
    shown = f"{abs(value):.0f} %"
    return "0 %" if shown == "0 %" else f"{'+' if value > 0 else MINUS}{shown}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell; the first to the left, numbers to the right, a last text to the left."""
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    for row in (heads, *rows):
        cells = [
            f"{cell:{width}}" if i == 0 or not heads[i] else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  " + "  ".join(cells).rstrip()
