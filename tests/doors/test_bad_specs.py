"""Specs that cannot be planned: the real command refuses each in one message, before any search."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.doors.command import refused, run

GOOD = """\
name: small
horizon: {start: 2027-01-01, months: 1}
prices: {providers: [aws]}
workloads:
  - {name: chat, kind: serving, model: llama-3.1-8b, input_tokens: 500, output_tokens: 100, ttft_ms: 2000, tpot_ms: 80,
     traffic: [{origin: paris, requests_per_hour: 1000}]}
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("months: 1}", "months: 1, mnths: 2}", ("mnths", "months")),
        ("name: small", "name: [small", ("line",)),
        ("name: small", "name: &a small\nother: *b", ("stands for nothing",)),
        ("months: 1}", "months: 0}", ("months",)),
        ("months: 1}", "months: many}", ("months",)),
        ("2027-01-01", "2027-02-30", ("start", "YYYY-MM-DD")),
        ("[aws]", "[awss]", ("provider", "aws")),
        ("llama-3.1-8b", "lama-3.1-8b", ("model", "llama-3.1-8b")),
        ("kind: serving", "kind: servng", ("kind", "serving")),
        ("input_tokens: 500", "input_tokens: 5e2", ("input_tokens",)),
        ("input_tokens: 500", "input_tokens: 1_000", ("input_tokens", "1000")),
        ("input_tokens: 500", "input_tokens: -5", ("input_tokens",)),
        ("input_tokens: 500", "input_tokens: .nan", ("input_tokens",)),
        ("input_tokens: 500", "input_tokens: true", ("input_tokens",)),
        ("ttft_ms: 2000", "ttft_ms: .inf", ("ttft_ms",)),
        ("origin: paris", "origin: pariss", ("paris",)),
        ("requests_per_hour: 1000", "requests_per_hour: !!python/object:os.system 1", ("tag",)),
    ],
)
def test_a_fault_names_the_file_the_field_and_the_mend(
    old: str, new: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    """What is wrong stands in the message, and so does the file."""
    path = tmp_path / "fleet.yaml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    message = refused(run("plan", path))
    assert all(word in message for word in ("fleet.yaml", *words)), message


def test_several_faults_are_told_at_once(tmp_path: Path) -> None:
    """A line each."""
    path = tmp_path / "fleet.yaml"
    path.write_text(GOOD.replace("500", "none").replace("100,", "few,"), encoding="utf-8")
    done = run("plan", path)
    assert done.returncode == 2
    assert "2 faults" in done.stderr
    assert len(done.stderr.splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.yaml", b""),
        ("binary.yaml", bytes(range(256))),
        ("nul.yaml", b"name: a\x00b"),
        ("latin.yaml", "name: caf\xe9".encode("latin-1")),
        ("deep.json", b"[" * 100_000),
        ("bomb.yaml", b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]\n".encode() for i in range(8)
        )),
        ("list.yaml", b"- 1\n- 2\n"),
        ("twice.json", b'{"name": "a", "name": "b"}'),
        ("nan.json", b'{"name": NaN}'),
        ("spec.txt", b"name: a"),
        ("two.yaml", b"name: a\n---\nname: b\n"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused(name: str, content: bytes, tmp_path: Path) -> None:
    """In one message, quickly."""
    path = tmp_path / name
    path.write_bytes(content)
    assert name in refused(run("plan", path))


def test_paths_that_are_no_spec_are_refused(tmp_path: Path) -> None:
    """A missing file, a folder, a link, a pipe, a device."""
    (tmp_path / "real.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    for name, why in (
        ("missing.yaml", "no such file"),
        ("link.yaml", "symbolic link"),
        ("pipe.yaml", "not a regular file"),
        (".", "not a regular file"),
        ("/dev/zero", "not a regular file"),
    ):
        assert why in refused(run("plan", tmp_path / name))
    assert "no such file" in refused(run("plan", ""))


def test_an_example_that_is_not_packaged_is_refused() -> None:
    """After the @."""
    assert "no example" in refused(run("plan", "@no-such-example"))
