"""The second opinion: what is asked, and what becomes of children that answer, ramble, die or take too long.

Every child is a real process. aiconfigurator itself is asked when the variable below names a Python that has it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from solver.errors import EngineError, InputError
from solver.perf import crosscheck, predict_serving
from solver.perf.crosscheck import ask, cross_check
from solver.perf.frames.rows import Rows
from solver.perf.frames.serving import read
from tests.doors.command import refused, run

VARIABLE = "AICONFIGURATOR_PYTHON"
ROW = {
    "model": "meta-llama/Llama-3.1-70B",
    "system": "h100_sxm",
    "engine": "trtllm",
    "engine_version": "1.0.0rc3",
    "precision": "fp8",
    "gemm_quant": "fp8",
    "moe_quant": "fp8",
    "input_tokens": 1024,
    "output_tokens": 512,
    "concurrency": 16,
    "tensor_parallel": 4,
}
EXPERTS = ROW | {
    "model": "deepseek-ai/DeepSeek-R1",
    "system": "H200",
    "engine": "sglang",
    "gemm_quant": None,
    "moe_quant": None,
    "tensor_parallel": 4,
    "attention_data_parallel": 2,
    "pipeline_parallel": 2,
    "expert_parallel": 8,
    "concurrency": 64,
}
READY = (
    "import json, os, signal, sys, time\nrows = json.load(sys.stdin)\nprint(json.dumps({'release': '1'}), flush=True)\n"
)
EACH = "for n, x in enumerate(rows):\n"
ANSWER = "    print(json.dumps({'row': n, 'x': x['x']}), flush=True)\n"


def put(script: str, count: int = 3, seconds: float = 60.0) -> list[dict[str, Any]]:
    """Answers of a script to questions that are numbered from 10."""
    return ask(sys.executable, script, [{"x": 10 + n} for n in range(count)], seconds)


def asked(*rows: dict[str, Any]) -> tuple[dict[int, dict[str, Any]], list[str]]:
    """(questions by row number, errors by row)."""
    read_rows = Rows(pd.DataFrame(list(rows)))
    return crosscheck._questions(read_rows, read(read_rows)), read_rows.errors


# --- what is asked --------------------------------------------------------------------------------------------------


def test_a_question_is_the_row_in_their_words() -> None:
    """Names as stated and as we know them; the batch is the concurrency of a replica of attention."""
    questions, _ = asked(ROW, EXPERTS)
    assert questions[0] == {
        "models": ["meta-llama/Llama-3.1-70B", "meta-llama/Meta-Llama-3.1-70B"],
        "system_name": "h100_sxm", "backend_name": "trtllm", "stated": "1.0.0rc3",
        "tp_size": 4, "pp_size": 1, "attention_dp_size": 1,
        "gemm_quant_mode": "fp8", "moe_quant_mode": "fp8",
        "isl": 1024, "osl": 512, "batch_size": 16,
    }  # fmt: skip
    assert questions[1] == {
        "models": ["deepseek-ai/DeepSeek-R1"],
        "system_name": "h200_sxm", "backend_name": "sglang", "stated": "1.0.0rc3",
        "tp_size": 4, "pp_size": 2, "attention_dp_size": 2, "moe_ep_size": 8,
        "isl": 1024, "osl": 512, "batch_size": 16,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "types"),
    [
        ({"precision": "bf16", "gemm_quant": None, "moe_quant": None}, {}),  # as Llama is published
        ({"precision": "fp8", "gemm_quant": None, "moe_quant": None}, {"gemm": "fp8", "moe": "fp8"}),
        ({"precision": "fp4", "gemm_quant": None, "moe_quant": None}, {"gemm": "nvfp4", "moe": "nvfp4"}),
        ({"precision": "fp8", "gemm_quant": "fp8_block", "moe_quant": "FP8"}, {"gemm": "fp8_block", "moe": "fp8"}),
        ({"precision": "awq", "gemm_quant": None, "moe_quant": None}, {"gemm": "int4_wo", "moe": "int4_wo"}),
        ({"model": "openai/gpt-oss-120b", "precision": "fp4", "gemm_quant": "nvfp4"}, {}),  # published in MXFP4
    ],
)
def test_types_are_stated_when_they_are_not_the_published_ones(changes: dict[str, Any], types: dict[str, str]) -> None:
    """A checkpoint's own types it knows better."""
    (question,) = asked(ROW | changes)[0].values()
    assert {k.removesuffix("_quant_mode"): v for k, v in question.items() if k.endswith("_quant_mode")} == types


def test_a_few_requests_on_many_replicas_are_one_each() -> None:
    """Never a batch of none."""
    questions, _ = asked(EXPERTS | {"concurrency": 1})
    assert questions[0]["batch_size"] == 1


def test_a_stated_tensor_parallelism_of_experts_is_passed_on() -> None:
    """So that a layout that does not add up is refused rather than mended."""
    questions, _ = asked(EXPERTS | {"moe_tensor_parallel": 4, "expert_parallel": 2})
    assert (questions[0]["moe_tp_size"], questions[0]["moe_ep_size"]) == (4, 2)
    assert "moe_tp_size" not in asked(EXPERTS)[0][0]


def test_rows_it_has_no_words_for_are_not_asked() -> None:
    """No engine, an accelerator it lacks, a row we cannot read: an error each, the others are asked."""
    bad = [ROW | {"engine": None}, ROW | {"system": "MI300X"}, ROW | {"model": "nothing known"}]
    questions, errors = asked(*bad, ROW)
    assert list(questions) == [3]
    for error, field in zip(errors, ("engine", "system", "model"), strict=False):
        assert f": {field}: " in error
    assert errors[3] == ""


# --- children that answer -------------------------------------------------------------------------------------------


def test_answers_come_in_the_order_of_the_questions() -> None:
    """One each."""
    assert put(READY + EACH + ANSWER) == [{"row": n, "x": 10 + n} for n in range(3)]


def test_stray_output_is_read_over() -> None:
    """Words, bytes that are no text, JSON that is no answer, numbers out of place."""
    stray = (
        "    print('hello', 3, [1], 'null', sep='\\n')\n"
        "    print(json.dumps({'row': 99, 'x': 0}))\n"
        "    print(json.dumps({'row': n - 1, 'x': 0}))\n"
        "    print('[' * 100000)\n"
        "    sys.stdout.flush()\n"
        "    os.write(1, b'\\xff\\xfe\\n')\n"
        "    os.write(2, b'x' * 100000)\n"
    )
    before = "print('before')\n"
    assert put(before + READY + EACH + stray + ANSWER) == [{"row": n, "x": 10 + n} for n in range(3)]


def test_many_questions_and_answers_do_not_block_each_other() -> None:
    """More than a pipe holds, both ways."""
    found = put(READY + EACH + ANSWER, count=20_000)
    assert [answer["x"] for answer in found] == list(range(10, 20_010))


def test_the_child_is_isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the folder it is started in nor PYTHONPATH is on its path."""
    (tmp_path / "shadow.py").write_text("raise SystemExit(9)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    look = "import importlib.util\nassert importlib.util.find_spec('shadow') is None\n"
    assert len(put(look + READY + EACH + ANSWER)) == 3


# --- children that do not -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("death", "how"),
    [("os._exit(7)", "exit code 7"), ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"), ("sys.exit()", "stopped")],
)
def test_a_row_that_kills_the_child_costs_itself_only(death: str, how: str) -> None:
    """Another child takes the rows after it."""
    found = put(READY + EACH + f"    if x['x'] in (11, 12): {death}\n" + ANSWER, count=5)
    assert [answer.get("x") for answer in found] == [10, None, None, 13, 14]
    assert how in found[1]["error"]
    assert how in found[2]["error"]


def test_what_was_answered_in_time_is_kept() -> None:
    """The rest say so; and the child is gone."""
    started = time.monotonic()
    found = put(READY + EACH + "    if n == 2: time.sleep(60)\n" + ANSWER, count=4, seconds=3.0)
    assert time.monotonic() - started < 30
    assert [answer.get("x") for answer in found] == [10, 11, None, None]
    assert found[2]["error"] == found[3]["error"] == "not answered within 3 s"


def test_nothing_answered_in_time_is_an_error() -> None:
    """Of the machine's, not the input's."""
    with pytest.raises(EngineError, match=r"nothing was answered within 0\.5 s"):
        put("import time\ntime.sleep(60)\n", seconds=0.5)
    with pytest.raises(EngineError, match=r"nothing was answered within 2 s"):
        put(READY + "time.sleep(60)\n", seconds=2.0)


def test_what_the_child_started_ends_with_it(tmp_path: Path) -> None:
    """A grandchild that holds the pipe open."""
    note = tmp_path / "pid"
    start = f"import subprocess\np = subprocess.Popen(['sleep', '60'])\nopen({str(note)!r}, 'w').write(str(p.pid))\n"
    begun = time.monotonic()
    put(READY + EACH + ANSWER + start + "time.sleep(60)\n", count=1, seconds=4.0)
    assert time.monotonic() - begun < 30
    pid = int(note.read_text(encoding="utf-8"))
    for _ in range(100):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the grandchild outlived the child")


def test_a_child_that_is_no_python_is_told_apart(tmp_path: Path) -> None:
    """It ends at once, with words of its own."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho no such thing >&2\nexit 3\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(EngineError, match=r"gave no answer: exit code 3: no such thing") as caught:
        cross_check(pd.DataFrame([ROW]), program)
    assert "is it a Python?" in caught.value.mend


@pytest.mark.parametrize("name", ["nowhere/python", "", ".", "nul\0l"])
def test_an_interpreter_that_cannot_be_started_is_bad_input(name: str) -> None:
    """With how to make one."""
    with pytest.raises(InputError, match="cannot be started") as caught:
        cross_check(pd.DataFrame([ROW]), name)
    assert "pip install aiconfigurator" in caught.value.mend


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with nothing installed."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


def test_a_python_without_the_package_says_how_to_install_it(bare: Path) -> None:
    """The real script in a real environment that lacks it."""
    with pytest.raises(InputError, match="No module named 'aiconfigurator'") as caught:
        cross_check(pd.DataFrame([ROW]), bare)
    assert "pip install aiconfigurator" in caught.value.mend


def test_no_row_to_ask_about_starts_nothing() -> None:
    """An empty frame, and one whose rows all have errors."""
    columns = ["aic_tpot_ms", "aic_ttft_ms", "tpot_ratio", "ttft_ratio", "tpot_inside", "ttft_inside"]
    columns += ["aic_version", "note", "error"]
    assert list(cross_check(pd.DataFrame([ROW]).iloc[:0], "nowhere").columns) == columns
    found = cross_check(pd.DataFrame([ROW | {"system": "MI300X"}], index=["a"]), "nowhere")
    assert list(found.index) == ["a"]
    assert found.loc["a", "error"] == "row a: system: aiconfigurator does not know MI300X"
    assert np.isnan(found.loc["a", "aic_tpot_ms"])
    assert found["tpot_inside"].isna().all()


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_refuses_in_one_message(tmp_path: Path, bare: Path) -> None:
    """No file, no interpreter, no package, no time."""
    file = tmp_path / "rows.csv"
    pd.DataFrame([ROW]).to_csv(file, index=False)
    assert "cannot be read" in refused(run("cross-check", tmp_path / "none.csv", "--python", sys.executable))
    assert "cannot be started" in refused(run("cross-check", file, "--python", "nowhere/python"))
    assert "pip install aiconfigurator" in refused(run("cross-check", file, "--python", bare))
    assert "--time-limit" in refused(run("cross-check", file, "--python", bare, "--time-limit", "nan"))
    assert "--python" in refused(run("cross-check", file))


def test_the_command_prints_errors_row_by_row(tmp_path: Path) -> None:
    """As JSON, as a table, and into a file; columns of the file are kept."""
    file, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    pd.DataFrame([ROW | {"system": "MI300X", "note": "mine", "site": "x"}]).to_csv(file, index=False)
    done = run("cross-check", file, "--python", "nowhere", "--out", out, "--format", "json")
    assert done.returncode == 0, done
    (row,) = json.loads(done.stdout)
    assert (row["model"], row["aic_tpot_ms"], row["tpot_inside"]) == (ROW["model"], None, None)
    assert row["error"] == "row 0: system: aiconfigurator does not know MI300X"
    written = pd.read_csv(out)
    assert written.loc[0, "site"] == "x"
    assert written.loc[0, "error"] == row["error"]
    assert list(written.columns).count("note") == 1
    table = run("cross-check", file, "--python", "nowhere").stdout
    assert "Llama-3.1-70B" in table
    assert "meta-llama" not in table
    assert "0 of 1 rows answered." in table


# --- aiconfigurator itself ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(VARIABLE not in os.environ, reason=f"{VARIABLE} names no Python that has aiconfigurator")
def test_aiconfigurator_answers() -> None:
    """Plausibly; what it refuses is an error of its row; ratios and intervals are of our predictions."""
    rows = [
        ROW,
        ROW | {"concurrency": 128},
        ROW | {"model": "Qwen/Qwen2.5-7B"},  # not among its models
        ROW | {"input_tokens": 8192, "concurrency": 64, "tensor_parallel": 2, "engine": "vllm"},  # does not fit it
        ROW | {"gemm_quant": "fp7"},
        EXPERTS | {"pipeline_parallel": 1, "moe_tensor_parallel": 4, "expert_parallel": 1},  # 4 × 1 is not 4 × 2
        EXPERTS | {"pipeline_parallel": 1},
        ROW | {"tensor_parallel": 1, "engine": "vllm"},  # hardly room for a cache
    ]
    frame = pd.DataFrame(rows, index=list("abcdefgh"))
    found = cross_check(frame, os.environ[VARIABLE])
    ours = predict_serving(frame)
    good = found["error"].eq("")
    assert good.tolist() == [True, True, False, False, False, False, True, True], found["error"].tolist()
    assert found.loc[good, "aic_version"].str.len().gt(0).all()
    assert found.loc[["a", "b"], "aic_tpot_ms"].is_monotonic_increasing
    assert found.loc[good, "aic_tpot_ms"].between(2, 200).all()
    assert found.loc[good, "aic_ttft_ms"].between(10, 20_000).all()
    for metric in ("tpot", "ttft"):
        theirs, mine = found.loc[good, f"aic_{metric}_ms"], ours.loc[good]
        assert found.loc[good, f"{metric}_ratio"].tolist() == pytest.approx((theirs / mine[f"{metric}_ms"]).tolist())
        inside = theirs.between(mine[f"{metric}_ms_lo"], mine[f"{metric}_ms_hi"])
        assert found.loc[good, f"{metric}_inside"].tolist() == inside.tolist()
    assert found.loc[~good, "aic_tpot_ms"].isna().all()
    assert found["note"].tolist() == [""] * 7 + ["more requests than its key-value cache holds"]
    for row, word in (("c", "model"), ("d", "OOM"), ("e", "fp7"), ("f", "mismatch")):
        assert word in found.loc[row, "error"]
