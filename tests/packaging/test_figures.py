"""Figures that the pages tell in words are those of the code; tables of results are generated, and held elsewhere."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from solver.perf import architecture
from solver.perf.constants import constants

ROOT = Path(__file__).parents[2]
WORDS = {
    1: "one",
    2: "two",
    3: "three",
    4: "four",
    6: "six",
    10: "ten",
    1000: "a thousand",
    0.1: "a tenth",
    0.5: "half",
}
TOLD = [  # page, what it says, and the constant that it is
    ("mathematics.md", "at most {:,} candidates × blocks begin with all", "engine.relaxation.ALL_OPEN"),
    ("mathematics.md", "for {} times the peak", "engine.relaxation.AMPLE"),
    ("mathematics.md", "more than {:d} blocks", "engine.relaxation.THIN"),
    ("mathematics.md", "up to {} candidates of a workload enter", "engine.relaxation.MOST_NEW"),
    ("mathematics.md", "there are {:d} or more open", "engine.relaxation.MANY"),
    ("mathematics.md", "after {:d} rounds", "engine.relaxation.MOST_ROUNDS"),
    ("mathematics.md", "{} of the gap asked for is all that is left", "engine.relaxation.LITTLE"),
    ("mathematics.md", "{} the time is gone", "engine.run.FOR_ROOT"),
    ("mathematics.md", "at most {:,} candidates × blocks is given whole", "engine.run.SMALL"),
    ("mathematics.md", "search repeated, {} times at most", "engine.run.TRIES"),
    ("mathematics.md", "({} times the unit's cost", "engine.press.PRESS"),
    ("mathematics.md", "at {} times what a unit costs", "engine.press.BEYOND_DOUBT"),
    ("mathematics.md", "at most {:,} columns", "engine.primal.MOST_COLUMNS"),
    ("mathematics.md", "at most {:,} candidates × blocks. A Lagrangian", "engine.proof.MOST_COLUMNS"),
    ("mathematics.md", "worst case, at most {} in all", "engine.guard.TURNS"),
    ("uncertainty.md", "{:,} candidates × blocks", "engine.guard.MOST_WHOLE"),
    ("command-line.md", "the latest {0[0]:g} s", "engine.host.GRACE_S", "engine.host.GRACE"),
    ("command-line.md", "s and {0[1]:.0%} later", "engine.host.GRACE_S", "engine.host.GRACE"),
    ("command-line.md", "takes about {} seconds", "conflicts.SECONDS"),
    ("command-line.md", "or {} times the dearest way", "enumerate.build.DEARER"),
    ("scheduling.md", "the {:d} that would be", "schedule.requests.MOST_OPTIONS"),
    ("scheduling.md", "falls, {} at most", "schedule.exchange.ROUNDS"),
    ("sweeps.md", "At most {:,}.", "sweep.document.MAX_SCENARIOS"),
    ("sweeps.md", "fails {} times", "sweep.store.MOST_ATTEMPTS"),
    ("sweeps.md", "after {} times `--time-limit`", "sweep.worker.PATIENCE"),
    ("fleets.md", "Up to {:d} slots", "fleet.certify.FEW"),
    ("fleets.md", "confidence={:g}", "fleet.certify.CONFIDENCE"),
    ("performance-model.md", "{:d} levels deep", "perf.huggingface.MAX_DEPTH"),
    ("comparing-models.md", "at most {:.0%} longer", "perf.engine_settings.CHUNK_COST"),
    ("comparing-models.md", "{:d} hours, at least one", "compare.machines.HOURS_PER_MONTH"),
]


def page(name: str) -> str:
    """Its words in a row."""
    return " ".join((ROOT / "docs" / name).read_text(encoding="utf-8").split())


def constant(path: str) -> Any:
    """A constant of `solver`."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(f"solver.{module}"), name)


@pytest.mark.parametrize("told", TOLD, ids=lambda told: told[2])
def test_constants_in_words(told: tuple[str, ...]) -> None:
    """Small numbers in letters, where the page has them so."""
    name, sentence, *paths = told
    values = [constant(path) for path in paths]
    value: Any = values if len(values) > 1 else values[0]
    said = WORDS.get(value, "") if sentence.count("{}") else value
    assert sentence.format(said).replace("%", " %") in page(name)


def test_shares_of_memory_and_spreads() -> None:
    """What may be filled, and how requests spread."""
    text, assumed = page("performance-model.md"), constants().assumed
    assert f"within {100 * assumed.usable_hbm_share:.0f} % of the device memory" in text
    assert f"within {100 * assumed.trainable_hbm_share:.0f} % of the device memory" in text
    spreads = assumed.tpot_log_sigma, assumed.ttft_log_sigma
    assert "({:.2f}² for TPOT, {:.2f}² for TTFT)".format(*spreads) in text
    fitted = json.loads((ROOT / "solver" / "perf" / "fitted" / "training.json").read_text(encoding="utf-8"))
    assert f"{len(fitted['constants'])} constants, each with" in text


@pytest.mark.parametrize(
    ("row", "names", "embedded"),
    [
        ("Llama-3.1 8B / 70B / 405B", ("llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b"), True),
        ("DeepSeek-V3", ("deepseek-v3",), False),
        ("Mixtral 8x7B", ("mixtral-8x7b-v0.1",), True),
        ("Qwen3-235B-A22B", ("qwen3-235b-a22b",), True),
        ("gpt-oss-120b", ("gpt-oss-120b",), False),
        ("Kimi-K2", ("kimi-k2-instruct",), True),
    ],
)
def test_parameters_counted(row: str, names: tuple[str, ...], embedded: bool) -> None:
    """In billions, as far as the page has digits; active ones with the input embedding, or without."""
    (cell,) = re.findall(rf"\| {re.escape(row)} \| ([^|]*) \|", page("performance-model.md"))
    whole, _, active = cell.partition(" B")
    for told, name in zip(whole.split(" / "), names, strict=True):
        assert as_told(told, architecture(name).parameters), name
    for told in re.findall(r"([\d.]+) B active", active):
        a = architecture(names[0])
        assert as_told(told, a.active_parameters - (0 if embedded else a.embedding_parameters)), names[0]


def as_told(told: str, count: int) -> bool:
    """Whether a count is the one told, to its last digit."""
    digits = len(told.partition(".")[2])
    return f"{count / 1e9:,.{digits}f}" == told
