"""Run by another Python, in which aiconfigurator is installed: questions as JSON on stdin, an answer a line on stdout.

`solver.perf.crosscheck` reads this file as text and starts it with `python -I -c`; nothing of this project is imported.
The first line says {"release": …} or {"missing": why}; each other one has the number of its question and either
tpot_ms, ttft_ms, version and note, or error.
"""

from __future__ import annotations

import functools
import json
import math
import os
import sys
from importlib import import_module, metadata
from typing import Any

PACKAGE = "aiconfigurator"
LENGTH = 300  # characters of a reason


def main() -> None:
    """Answer every question of stdin, in their order."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the package prints is no answer

    def say(**line: Any) -> None:
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    questions = json.load(sys.stdin)
    try:
        estimate = import_module(f"{PACKAGE}.cli.api").cli_estimate
        database = import_module(f"{PACKAGE}.sdk.perf_database")
        models = frozenset(import_module(f"{PACKAGE}.sdk.common").DefaultHFModels)
    except Exception as error:  # noqa: BLE001 (a broken installation may raise anything)
        say(missing=_reason(error))
        return
    say(release=metadata.version(PACKAGE))

    @functools.cache
    def latest(system: str, backend: str) -> Any:
        return database.get_latest_database_version(system=system, backend=backend)

    @functools.cache
    def version(system: str, backend: str, stated: str) -> Any:
        try:
            return database.resolve_query_version(system, backend, stated)
        except ValueError:
            return ""

    for number, question in enumerate(questions):
        try:
            asked = dict(question)
            asked["model_path"] = _known(asked.pop("models"), models)
            system, backend, stated = asked["system_name"], asked["backend_name"], asked.pop("stated")
            asked["backend_version"] = (stated and version(system, backend, stated)) or latest(system, backend)
            say(row=number, **_answer(estimate, asked))
        except Exception as error:  # noqa: BLE001 (one bad row loses no other)
            say(row=number, error=_reason(error))
        except BaseException as error:  # panics of compiled code; but not an interrupt
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            say(row=number, error=_reason(error))


def _known(names: list[str], models: frozenset[str]) -> str:
    """The first name that is packaged; any other would be looked up on the network."""
    for name in names:
        if name in models:
            return name
    raise LookupError(f"it does not know the model {' or '.join(names)}")


def _answer(estimate: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """The estimate from kernels measured on that accelerator, or where some are missing from fitted formulas too."""
    note = ""
    try:
        found = estimate(**asked, database_mode="SILICON")
    except Exception as error:
        if type(error).__name__ != "PerfDataNotAvailableError":
            raise
        try:
            found, note = estimate(**asked, database_mode="HYBRID"), "some kernels by formula, not measured"
        except Exception as formula:
            raise error from formula
    tpot, ttft = float(found.tpot), float(found.ttft)
    if not (math.isfinite(tpot) and math.isfinite(ttft) and tpot > 0 and ttft > 0):
        raise ValueError(f"it answers {tpot:g} ms a token and {ttft:g} ms to the first")
    if found.kv_cache_warning:
        note = "; ".join(filter(None, (note, "more requests than its key-value cache holds")))
    return {"tpot_ms": tpot, "ttft_ms": ttft, "version": str(found.backend_version), "note": note}


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:LENGTH]


if __name__ == "__main__":
    main()
