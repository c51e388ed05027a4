"""A second opinion on serving predictions: NVIDIA's aiconfigurator, in a Python and a process of its own.

It is optional and never imported here: a child of the interpreter you name asks it (`crosscheck_child.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineError, InputError
from .frames.rows import Rows
from .frames.serving import predict_serving, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from .corrections import Label
    from .frames.serving import Read

INSTALL = "python -m venv ENV && ENV/bin/pip install aiconfigurator, then name ENV/bin/python"
TIME_LIMIT_S = 3600.0
SHOWN = 300  # last characters of what a failed child said
SYSTEMS = {
    "A100-80": "a100_sxm",
    "A100-80-PCIe": "a100_pcie",
    "A30": "a30",
    "Arc-Pro-B60": "b60",
    "B200": "b200_sxm",
    "B300": "b300_sxm",
    "GB200": "gb200",
    "GB300": "gb300",
    "H100": "h100_sxm",
    "H100-PCIe": "h100_pcie",
    "H200": "h200_sxm",
    "L4": "l4",
    "L40S": "l40s",
    "RTX-PRO-6000": "rtx_pro_6000_server",
}
QUANTS = {"bf16": "bfloat16", "fp16": "bfloat16", "float16": "bfloat16", "fp4": "nvfp4", "int4": "int4_wo"}


def cross_check(frame: pd.DataFrame, interpreter: str | Path, *, time_limit_s: float = TIME_LIMIT_S) -> pd.DataFrame:
    """What aiconfigurator says of the rows of `predict_serving`, beside what that says.

    Args:
        frame: as `predict_serving` takes it, K rows; engine must be stated.
        interpreter: a Python in whose environment aiconfigurator is installed.
        time_limit_s: seconds for all rows; those not answered by then have an error.

    Returns:
        On the frame's index, K rows: aic_tpot_ms and aic_ttft_ms; tpot_ratio and ttft_ratio, what it says ÷ what
        predict_serving says; tpot_inside and ttft_inside, whether it lies in predict_serving's 90 % interval;
        aic_version, the release of the engine whose measurements it used (it holds few, most often not the one
        stated); note, what it says about its answer; and error. A row with an error has no answer.

    Raises:
        InputError: no such interpreter; aiconfigurator is not installed there; not a DataFrame.
        EngineError: the child ended before it was ready, or nothing was answered in time.
    """
    import pandas as pd

    ours = predict_serving(frame)
    rows = Rows(frame)
    found = read(rows)
    rows.errors = [error or known for error, known in zip(rows.errors, ours["error"], strict=True)]
    questions = _questions(rows, found)
    script = resources.files(__package__).joinpath("crosscheck_child.py").read_text(encoding="utf-8")
    answers = ask(interpreter, script, list(questions.values()), time_limit_s)
    said: list[Mapping[str, Any]] = [{}] * len(rows)
    for row, answer in zip(questions, answers, strict=True):
        said[row] = answer
        if "error" in answer:
            rows.fail(row, "aiconfigurator", answer["error"])
    columns: dict[str, Any] = {}
    for metric in ("tpot", "ttft"):
        columns[f"aic_{metric}_ms"] = np.array([answer.get(f"{metric}_ms", np.nan) for answer in said])
    for metric in ("tpot", "ttft"):
        columns[f"{metric}_ratio"] = columns[f"aic_{metric}_ms"] / ours[f"{metric}_ms"].to_numpy()
    for metric in ("tpot", "ttft"):
        theirs = columns[f"aic_{metric}_ms"]
        inside = (ours[f"{metric}_ms_lo"].to_numpy() <= theirs) & (theirs <= ours[f"{metric}_ms_hi"].to_numpy())
        columns[f"{metric}_inside"] = pd.array(np.where(np.isnan(theirs), None, inside), dtype="boolean")
    for name, key in (("aic_version", "version"), ("note", "note")):
        columns[name] = np.array([answer.get(key, "") for answer in said], dtype=object)
    columns["error"] = np.array(rows.errors, dtype=object)
    return pd.DataFrame(columns, index=rows.index)


def _questions(rows: Rows, found: Read) -> dict[int, dict[str, Any]]:
    """Arguments of aiconfigurator's estimate by row number; a row it has no words for is failed in `rows`."""
    expert_tensor = rows.numbers("moe_tensor_parallel", 1.0, whole=True)
    models, gemm, moe = (rows.texts(name) for name in ("model", "gemm_quant", "moe_quant"))
    made = {}
    for row in np.flatnonzero(rows.good):
        label = found.labels[found.which[row]]
        if not label.engine:
            rows.fail(int(row), "engine", "is not stated", "give trtllm, sglang or vllm")
        elif label.accelerator not in SYSTEMS:
            rows.fail(int(row), "system", f"aiconfigurator does not know {label.accelerator}")
        else:
            load = found.load
            made[int(row)] = {
                **_set_up(label, int(expert_tensor[row])),
                **_quants(label, gemm[row], moe[row]),
                "models": list(dict.fromkeys((models[row], label.architecture.name))),
                "isl": round(float(load.input_tokens[row])),
                "osl": round(float(load.output_tokens[row])),
                "batch_size": max(1, round(float(load.concurrency[row]) / (label.layout[1] * label.layout[2]))),
            }
    return made


def _set_up(label: Label, expert_tensor: int) -> dict[str, Any]:
    """Where it runs. It works out the tensor parallelism of experts from the rest, unless one is stated."""
    tensor, pipeline, data, expert = label.layout
    asked = {
        "system_name": SYSTEMS[label.accelerator],
        "backend_name": label.engine,
        "stated": label.version,
        "tp_size": tensor,
        "pp_size": pipeline,
        "attention_dp_size": data,
    }
    if label.architecture.experts:
        asked["moe_ep_size"] = expert
        if expert_tensor > 1:
            asked["moe_tp_size"] = expert_tensor
    return asked


def _quants(label: Label, gemm: str, moe: str) -> dict[str, str]:
    """Types in its words; none when the weights are as published, which it knows better."""
    if label.precision == "mxfp4":
        return {}
    if not (gemm or moe) and label.precision != label.architecture.native_precision:
        gemm = moe = label.precision
    stated = {"gemm_quant_mode": gemm.lower(), "moe_quant_mode": moe.lower()}
    return {name: QUANTS.get(text, text) for name, text in stated.items() if text}


@dataclass(frozen=True, slots=True)
class Said:
    """What one child said before it ended, and how that was."""

    lines: list[dict[str, Any]]
    end: str  # "" when it ended well
    late: bool
    errors: str


def ask(
    interpreter: str | Path, script: str, questions: Sequence[Mapping[str, Any]], time_limit_s: float
) -> list[dict[str, Any]]:
    """Put questions to a script that another Python runs; a question that kills it costs that question only.

    Args:
        interpreter: the Python, run isolated (-I).
        script: its text; reads the questions, a JSON list, from stdin; prints {"release": text} or {"missing": text},
            then {"row": number, …} a question, in order. Any other output is read over.
        questions: N of them.
        time_limit_s: seconds for all.

    Returns:
        N answers; those without one have "error".

    Raises:
        InputError: the interpreter cannot be started, or lacks what the script needs.
        EngineError: the script ended before it was ready, or nothing was answered in time.
    """
    until = time.monotonic() + time_limit_s
    answers: list[dict[str, Any]] = []
    while len(answers) < len(questions):
        start = len(answers)
        said = _run(interpreter, script, questions[start:], until - time.monotonic())
        if not start:
            _ready(said, interpreter, time_limit_s)
        for line in said.lines:
            if line.get("row") == len(answers) - start and len(answers) < len(questions):
                answers.append(line)
        if said.late and not answers:
            raise _late(interpreter, time_limit_s)
        if said.late:
            rest = {"error": f"not answered within {time_limit_s:g} s"}
            return [*answers, *(dict(rest) for _ in questions[len(answers) :])]
        if len(answers) < len(questions):
            answers.append({"error": f"the child died of this row: {said.end or 'it stopped answering'}"})
    return answers


def _ready(said: Said, interpreter: str | Path, time_limit_s: float) -> None:
    """Raise unless the script said that it was ready."""
    missing = next((str(line["missing"]) for line in said.lines if "missing" in line), "")
    if missing:
        raise InputError(f"aiconfigurator cannot be used there: {missing}", where=str(interpreter), mend=INSTALL)
    if any("release" in line for line in said.lines):
        return
    if said.late:
        raise _late(interpreter, time_limit_s)
    words = f": {said.errors}" if said.errors else ""
    message = f"the child gave no answer: {said.end or 'it just ended'}{words}"
    raise EngineError(message, where=str(interpreter), mend=f"is it a Python? {INSTALL}")


def _late(interpreter: str | Path, time_limit_s: float) -> EngineError:
    return EngineError(
        f"nothing was answered within {time_limit_s:g} s", where=str(interpreter), mend="give more time, or fewer rows"
    )


def _run(interpreter: str | Path, script: str, questions: Sequence[Mapping[str, Any]], seconds: float) -> Said:
    """Run a child to its end, or until its time is over; nothing that it started outlives it.

    Raises:
        InputError: it cannot be started.
    """
    try:
        child = subprocess.Popen(  # noqa: S603 (the user names it)
            [str(interpreter), "-I", "-c", script],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be started: {reason}", where=str(interpreter), mend=INSTALL) from None
    late = False
    try:
        out, errors = child.communicate(json.dumps(list(questions)).encode(), timeout=max(seconds, 0.0))
    except subprocess.TimeoutExpired:
        late = True
        _end(child)
        out, errors = child.communicate()
    finally:
        if child.poll() is None:  # interrupted
            _end(child)
            child.wait()
    lines = [line for line in map(_line, out.splitlines()) if line]
    return Said(lines, _ending(child.returncode), late, errors.decode(errors="replace").strip()[-SHOWN:])


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child, which was not waited for yet, and what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}" if code else ""
    with contextlib.suppress(ValueError):
        return f"ended by {signal.Signals(-code).name}"
    return f"ended by signal {-code}"


def _line(raw: bytes) -> dict[str, Any]:
    """A line of the protocol; empty for anything else."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
