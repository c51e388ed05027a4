"""The store: attempts are counted before work starts, and after any crash it opens to what was committed."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from solver.errors import InputError
from solver.sweep.store import MOST_ATTEMPTS, NAME, Store, StoreError

ROWS = [(0, "a", "{}"), (1, "b", "{}"), (2, "a", "{}")]


def started(folder: Path) -> Store:
    """An open store in which a run has begun."""
    store = Store(folder)
    with store.transaction():
        store.start('{"fields": []}', ROWS)
    return store


def test_what_was_in_work_is_lost_and_not_failed(tmp_path: Path) -> None:
    """When its run is gone; what failed stays failed."""
    with started(tmp_path) as store, store.transaction():
        store.fail(store.begin("a", 1), "why")
        store.begin("a", 1)
        store.begin("b", 1)
    with started(tmp_path) as store:
        assert store.failures() == {"a": 1}
        assert store.lost() == {"a": 1, "b": 1}
        assert store.errors() == {"a": "why"}
        assert store.done() == set()


def test_attempts_that_failed_add_up_over_runs(tmp_path: Path) -> None:
    """And can be forgiven."""
    for _ in range(MOST_ATTEMPTS):
        with started(tmp_path) as store, store.transaction():
            store.fail(store.begin("a", 1), "why")
    with started(tmp_path) as store:
        assert store.failures() == {"a": MOST_ATTEMPTS}
        with store.transaction():
            store.forgive()
        assert store.failures() == {}


def test_a_key_has_one_result(tmp_path: Path) -> None:
    """The database itself refuses a second; nothing of that transaction stays."""
    with started(tmp_path) as store:
        with store.transaction():
            store.finish(store.begin("a", 1), "a", "{}")
        with pytest.raises(sqlite3.IntegrityError), store.transaction():
            list(map(store.finish, (8, 9), ("b", "a"), ("{}", "{}")))
        assert store.done() == {"a"}
        assert [row[3] for row in store.rows()] == ["{}", None, "{}"]


def test_a_log_cut_anywhere_opens_to_a_committed_prefix(tmp_path: Path) -> None:
    """Two hundred cuts and two hundred tails of zeros: results 0 to k − 1 for some k, each with its attempt done."""
    live, copy = tmp_path / "live", tmp_path / "copy"
    live.mkdir()
    with started(live) as store:
        for i in range(40):
            with store.transaction():
                store.finish(store.begin(f"{i:03d}", 1), f"{i:03d}", "x" * 900)
        shutil.copytree(live, copy, ignore=shutil.ignore_patterns("*-shm"))
    log = (copy / f"{NAME}-wal").read_bytes()
    assert len(log) > 100_000
    seen, rng = set(), random.Random(1)  # noqa: S311 (cuts, no secrets)
    for i in range(400):
        at = rng.randrange(len(log))
        torn = tmp_path / f"torn{i}"
        shutil.copytree(copy, torn)
        (torn / f"{NAME}-wal").write_bytes(log[:at] + bytes(len(log) - at if i % 2 else 0))
        with Store(torn) as store:
            done = sorted(store.done())
            assert done == [f"{n:03d}" for n in range(len(done))]
            assert store._db.execute("SELECT count(*) FROM attempts WHERE state = 'done'").fetchone() == (len(done),)
            assert store._db.execute("SELECT count(*) FROM attempts WHERE state = 'begun'").fetchone() == (0,)
            assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        seen.add(len(done))
        shutil.rmtree(torn)
    assert len(seen) > 20


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + bytes(5000)])
def test_a_file_that_is_no_store_is_refused(tmp_path: Path, content: bytes) -> None:
    """And left as it is."""
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        Store(tmp_path)
    assert (tmp_path / NAME).read_bytes()[: len(content)] == content


def test_damage_within_is_found(tmp_path: Path) -> None:
    """A page that is overwritten."""
    with started(tmp_path) as store:
        for i in range(50):
            with store.transaction():
                store.finish(store.begin(f"{i}", 1), f"{i}", "x" * 2000)
        store.fold()
    content = bytearray((tmp_path / NAME).read_bytes())
    content[-20000:-10000] = b"\xff" * 10000
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        Store(tmp_path)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE other (x)",
        "CREATE TRIGGER t AFTER INSERT ON results BEGIN DELETE FROM results; END",
        "CREATE VIEW v AS SELECT 1",
        "ALTER TABLE results ADD COLUMN more TEXT",
    ],
)
def test_a_store_with_anything_else_in_it_is_refused(tmp_path: Path, sql: str) -> None:
    """Triggers and views of strangers never run."""
    started(tmp_path).__exit__()
    with sqlite3.connect(tmp_path / NAME) as db:
        db.execute(sql)
    with pytest.raises(StoreError, match="not the store of a sweep"):
        Store(tmp_path)


def test_links_are_refused(tmp_path: Path) -> None:
    """They might lead anywhere."""
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / NAME).symlink_to(tmp_path / "real")
    with pytest.raises(InputError, match="is a link"):
        Store(tmp_path)


def test_reading_makes_nothing(tmp_path: Path) -> None:
    """Where there is no sweep."""
    with pytest.raises(StoreError, match="holds no sweep"):
        Store(tmp_path, new=False)
    assert list(tmp_path.iterdir()) == []
