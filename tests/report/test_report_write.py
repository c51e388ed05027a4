"""Writing all formats: whole files or none, and nothing written through a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from solver import report
from solver.errors import InputError
from solver.plan import TABLES, Plan
from solver.problem import Problem
from solver.report.files import write_atomically

EXPECTED = {"plan.json", "plan.xlsx", "finance.xlsx", "report.html"} | {
    f"tables/{t}.{kind}" for t in ("fleet", *TABLES) for kind in ("csv", "parquet")
}


def names(folder: Path) -> set[str]:
    """All files below a folder."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}


def test_writes_every_format_twice_the_same(problem: Problem, plan: Plan, tmp_path: Path) -> None:
    """All files, no leftovers; a second run replaces them with the same bytes."""
    out = tmp_path / "a" / "out"
    written = report.write_all(problem, plan, out)
    assert {str(p.relative_to(out)) for p in written} == names(out) == EXPECTED
    before = {p: p.read_bytes() for p in written}
    assert report.write_all(problem, plan, str(out)) == written
    assert {p: p.read_bytes() for p in written} == before
    assert report.json.from_json((out / "plan.json").read_bytes()).total_usd == plan.total_usd


def test_infeasible_is_written_too(problem: Problem, infeasible: Plan, tmp_path: Path) -> None:
    """What conflicts is worth a report."""
    report.write_all(problem, infeasible, tmp_path)
    assert names(tmp_path) == EXPECTED


def test_refuses_files_and_links(problem: Problem, plan: Plan, tmp_path: Path) -> None:
    """A file or a link in the folder's place, and links or folders in the files' places."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name, said in (("file", "is a file"), ("link", "symbolic link"), ("dangling", "symbolic link")):
        with pytest.raises(InputError, match=said):
            report.write_all(problem, plan, tmp_path / name)
    assert names(tmp_path / "real") == set()
    precious = tmp_path / "precious"
    precious.write_text("keep")
    for place in ("report.html", "tables/fleet.csv", "tables"):
        out = tmp_path / place.replace("/", "-")
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        (out / place).symlink_to(precious)
        with pytest.raises(InputError, match="link"):
            report.write_all(problem, plan, out)
        assert names(out) == {place}
    assert precious.read_text() == "keep"


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fails half way the old content stands and no temporary file is left."""
    target = tmp_path / "plan.json"
    target.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"plan\.json: cannot be written: No space left"):
        write_atomically(target, b"new")
    assert target.read_text() == "old"
    assert names(tmp_path) == {"plan.json"}


def test_failed_render_writes_nothing(
    problem: Problem, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One format that fails keeps all the others from being written by halves."""

    def broken(_: Problem, __: Plan) -> list[tuple[str, bytes]]:
        raise RuntimeError("broken")

    monkeypatch.setattr(report, "FORMATS", (*report.FORMATS, broken))
    with pytest.raises(RuntimeError, match="broken"):
        report.write_all(problem, plan, tmp_path)
    assert names(tmp_path) == set()


def test_files_have_the_users_mode(tmp_path: Path) -> None:
    """As an ordinary program would make them, not readable by the owner alone."""
    old = os.umask(0o022)
    try:
        write_atomically(tmp_path / "a", b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644
