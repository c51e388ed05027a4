"""The store of a sweep: one SQLite file with what was begun, what came of it, and which scenarios the last run had.

Only the process that holds the folder's lock writes. Every commit is flushed to disk, so that after a crash or a power
cut the file opens to what was committed. What is read back is JSON; nothing in it is ever executed.

The write-ahead log is folded into the file at once and between commits only: until then the log alone is newer.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, cast

from ..errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "sweep.sqlite"
FORMAT = 1
MOST_ATTEMPTS = 3
FOLD_EVERY = 500  # commits
BUSY_MS = 10_000
TABLES = (
    "CREATE TABLE runs (run INTEGER PRIMARY KEY AUTOINCREMENT, about TEXT NOT NULL) STRICT",
    "CREATE TABLE scenarios (number INTEGER PRIMARY KEY, key TEXT NOT NULL, settings TEXT NOT NULL) STRICT",
    """CREATE TABLE attempts (
        attempt INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL,
        run INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('begun', 'done', 'failed', 'lost', 'forgiven')),
        error TEXT NOT NULL DEFAULT ''
    ) STRICT""",
    "CREATE INDEX attempts_of_key ON attempts (key)",
    """CREATE TABLE results (key TEXT PRIMARY KEY, attempt INTEGER NOT NULL, content TEXT NOT NULL)
    STRICT, WITHOUT ROWID""",
)
ROWS = """SELECT number, s.key, settings, content
    FROM scenarios s LEFT JOIN results r ON r.key = s.key ORDER BY number"""
FAILED = "SELECT key, count(*) FROM attempts WHERE state = 'failed' GROUP BY key"


class StoreError(InputError):
    """The store cannot be read or written; what was committed before is safe."""


class Store:
    """An open store."""

    def __init__(self, folder: Path, *, new: bool = True) -> None:
        """Open it, and make it where there is none and `new` allows.

        Raises:
            StoreError: it is no sound store, or cannot be opened.
        """
        self.path = folder / NAME
        self._commits = 0
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_file()):
            raise StoreError("is a link or not a regular file", where=str(self.path), mend="remove it")
        if not new and not self.path.exists():
            raise StoreError(
                "holds no sweep", where=str(folder), mend="autoparallel sweep SWEEP.yaml --out DIR makes one"
            )
        with self._typed():
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=BUSY_MS / 1000)
        try:
            with self._typed():
                self._open()
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        for pragma in ("trusted_schema = OFF", "cell_size_check = ON", f"busy_timeout = {BUSY_MS}"):
            self._db.execute(f"PRAGMA {pragma}")
        (mode,) = self._db.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreError(
                "is on a file system without shared memory", where=str(self.path), mend="name a local --out"
            )
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA wal_autocheckpoint = 0")
        (health,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if health != "ok":
            raise self._damaged(str(health))
        found = {sql for (sql,) in self._db.execute("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")}
        if not found:
            with self.transaction():
                for table in TABLES:
                    self._db.execute(table)
                self._db.execute(f"PRAGMA user_version = {FORMAT}")
        elif found != set(TABLES):
            raise StoreError(
                "is not the store of a sweep of this version", where=str(self.path), mend="name another --out"
            )

    def __enter__(self) -> Self:
        """The open store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside becomes durable together, or not at all.

        Raises:
            StoreError: the disk is full, or the like; nothing of it is written.
        """
        with self._typed():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
            self._commits += 1
            if self._commits % FOLD_EVERY == 0:
                self.fold()

    def fold(self) -> None:
        """Fold the log into the file; when there is no room, later."""
        with contextlib.suppress(sqlite3.OperationalError):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise self._damaged(str(error)) from None
            if not isinstance(error, sqlite3.OperationalError):
                raise
            mend = "free space or rights, then run the same command again: it goes on where it stopped"
            raise StoreError(f"cannot be used: {error}", where=str(self.path), mend=mend) from None

    def _damaged(self, how: str) -> StoreError:
        mend = "move it away: a new sweep begins afresh"
        return StoreError(f"is damaged: {how.splitlines()[0]:.200}", where=str(self.path), mend=mend)

    # --- what a run writes, inside a transaction -----------------------------------------------------------------

    def start(self, about: str, scenarios: Iterable[tuple[int, str, str]]) -> int:
        """A run begins, with these scenarios (number, key, settings); what another had in work is lost, not failed.

        Returns:
            The number of the run.
        """
        self._db.execute("UPDATE attempts SET state = 'lost' WHERE state = 'begun'")
        wanted = list(scenarios)
        if self._db.execute("SELECT number, key, settings FROM scenarios ORDER BY number").fetchall() != wanted:
            self._db.execute("DELETE FROM scenarios")
            self._db.executemany("INSERT INTO scenarios VALUES (?, ?, ?)", wanted)
        return cast("int", self._db.execute("INSERT INTO runs (about) VALUES (?)", (about,)).lastrowid)

    def begin(self, key: str, run: int) -> int:
        """A scenario is about to be given to a worker; the number of the attempt."""
        row = (key, run, "begun")
        return cast("int", self._db.execute("INSERT INTO attempts (key, run, state) VALUES (?, ?, ?)", row).lastrowid)

    def finish(self, attempt: int, key: str, content: str) -> None:
        """An attempt gave a result. A key has one result for ever."""
        self._db.execute("INSERT INTO results VALUES (?, ?, ?)", (key, attempt, content))
        self._db.execute("UPDATE attempts SET state = 'done' WHERE attempt = ?", (attempt,))

    def fail(self, attempt: int, error: str) -> None:
        """An attempt failed, or its worker died."""
        row = (error.encode("utf-8", "replace").decode(), attempt)
        self._db.execute("UPDATE attempts SET state = 'failed', error = ? WHERE attempt = ?", row)

    def lose(self) -> None:
        """What is in work is given up, through no fault of its own."""
        self._db.execute("UPDATE attempts SET state = 'lost' WHERE state = 'begun'")

    def forgive(self) -> None:
        """What was set aside may be tried again."""
        self._db.execute("UPDATE attempts SET state = 'forgiven' WHERE state = 'failed'")

    # --- what is in it --------------------------------------------------------------------------------------------

    def done(self) -> set[str]:
        """Keys with a result."""
        with self._typed():
            return {key for (key,) in self._db.execute("SELECT key FROM results")}

    def failures(self) -> dict[str, int]:
        """How often keys failed; three times is the end of it."""
        with self._typed():
            return dict(self._db.execute(FAILED))

    def lost(self) -> dict[str, int]:
        """How often keys were in work when a run ended."""
        with self._typed():
            return dict(self._db.execute("SELECT key, count(*) FROM attempts WHERE state = 'lost' GROUP BY key"))

    def rows(self) -> list[tuple[int, str, str, str | None]]:
        """(number, key, settings, result) of every scenario of the last run, by number."""
        with self._typed():
            return self._db.execute(ROWS).fetchall()

    def errors(self) -> dict[str, str]:
        """The last error of each key that failed."""
        with self._typed():
            rows = self._db.execute("SELECT key, error FROM attempts WHERE state = 'failed' ORDER BY attempt")
            return dict(rows.fetchall())

    def about(self) -> dict[str, Any]:
        """What the last run was told; empty before the first."""
        with self._typed():
            row = self._db.execute("SELECT about FROM runs ORDER BY run DESC LIMIT 1").fetchone()
        return dict(json.loads(row[0])) if row else {}
