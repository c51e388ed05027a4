"""The commands compare and advise, as processes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.doors.command import refused, run

CLUSTER = "accelerators: [{accelerator: H100, count: 8, usd_per_hour: 2.5}]"


def test_compare_prints_and_writes(tmp_path: Path) -> None:
    """A cluster from a file, a table, and files."""
    (tmp_path / "c.yaml").write_text(CLUSTER)
    done = run("compare", "llama-3.1-8b", "gpt-oss-20b", "--cluster", "c.yaml", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done
    assert "Models compared on cluster" in done.stdout
    assert "Meta-Llama-3.1-8B" in done.stdout
    assert "wrote 5 files to out" in done.stderr
    made = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [r["usd_per_node_hour"] for r in made["models"]] == ["20.000000"] * 2


def test_compare_as_json() -> None:
    """Only JSON on stdout; filters narrow the catalogue."""
    done = run("compare", "llama-3.1-8b", "--format", "json", "--provider", "aws", "--runners-up", "1")
    made = json.loads(done.stdout)
    assert {r["provider"] for r in made["models"]} == {"aws"}
    assert [r["role"] for r in made["models"]][:2] == ["best", "runner-up"]


def test_compare_out_of_reach() -> None:
    """Exit code 4, and what comes nearest with the resource in the way."""
    done = run("compare", "llama-3.1-70b", "--tpot-ms", "0.2")
    assert done.returncode == 4
    assert "Nothing serves Meta-Llama-3.1-70B as asked" in done.stdout


def test_compare_refuses() -> None:
    """Exit code 2 and the nearest name."""
    assert "nearest are llama-3.1-8b" in refused(run("compare", "lama-3.1-8b"))
    assert "no such file" in refused(run("compare", "llama-3.1-8b", "--cluster", "absent.yaml"))
    assert "did you mean aws" in refused(run("compare", "llama-3.1-8b", "--provider", "asw"))
    assert "Missing argument" in refused(run("compare"))


def test_advise_prints() -> None:
    """Text with settings of three engines; JSON with the same point."""
    asked = ("advise", "llama-3.1-70b", "--accelerator", "H100", "--accelerators", "8", "--tpot-ms", "40")
    text = run(*asked)
    assert text.returncode == 0, text
    for part in ("vllm serve", "sglang.launch_server", "trtllm-serve", "What would move it", "+20 % HBM bandwidth"):
        assert part in text.stdout
    made = json.loads(run(*asked, "--format", "json").stdout)
    assert made["schema"] == "autoparallel.advice/1"
    assert made["point"]["layout"] in text.stdout
    assert made["point"]["tpot"]["ms"] <= 40
    slow = run("advise", "deepseek-v3", "--node", "aws/p5.48xlarge", "--nodes", "2").stdout
    assert re.search(r"TTFT +\d,\d+ ms", slow), slow
    assert not re.search(r"\de[+-]\d", text.stdout + slow)


def test_advise_refuses() -> None:
    """Bad names are 2, what cannot be reached is 4 and names the resource."""
    assert "nearest are H100" in refused(run("advise", "llama-3.1-8b", "--accelerator", "H1000"))
    assert "an accelerator or a node is needed" in refused(run("advise", "llama-3.1-8b"))
    done = run("advise", "llama-3.1-70b", "--accelerator", "H100", "--tpot-ms", "0.5")
    assert done.returncode == 4
    assert "ms per output token at best" in done.stderr
    done = run("advise", "deepseek-v3", "--accelerator", "L4", "--accelerators", "1")
    assert done.returncode == 4
    assert "HBM capacity: needs" in done.stderr
