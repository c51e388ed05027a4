"""What a result belongs to: a hash of code, prices, spec, files it names and search. Change any, and it is another."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .document import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costdata import Catalog

    from .document import Setting, Sweep

LIBRARIES = ("ortools", "numpy", "scipy")  # whose versions may change a plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How long and how well each scenario is searched: the options of `solve`."""

    time_limit_s: float = 60.0
    gap: float = 0.01
    seed: int = 0
    deterministic: bool = False

    def __post_init__(self) -> None:
        """Check the ranges; NaN is in none."""
        sound = 0 < self.time_limit_s < float("inf") and 0 <= self.gap < 1 and 0 <= self.seed < 2**31
        if not sound:
            mend = "seconds above 0, a gap from 0 to below 1, a seed from 0 to 2147483647"
            raise InputError("no such time limit, gap or seed", where="sweep", mend=mend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that a worker needs to know of a scenario, and the digests that say what its result belongs to."""

    key: str
    spec: str  # canonical JSON
    overrides: str  # folder, "" for none
    search: Search
    code: str
    prices: str
    inputs: str
    keep_plan: bool = False


class Jobs:
    """Makes the jobs of a sweep. Prices are read once, when a scenario first asks for them."""

    def __init__(self, sweep: Sweep, search: Search, *, keep_plans: bool = False) -> None:
        """Of this sweep, searched so."""
        self._sweep, self._search, self._keep_plans = sweep, search, keep_plans
        self._searched = asdict(search)
        self._files: dict[str, str] = {}
        self._prices: dict[tuple[str, str], str] = {}

    def __call__(self, settings: Setting) -> Job:
        """The job of a scenario.

        Raises:
            InputError: prices or overrides that cannot be read.
        """
        plain = self._sweep.plain(settings)
        spec, overrides = canonical(plain), self._sweep.overrides(plain)
        day = str((plain.get("prices") or {}).get("as_of") or "")
        if (day, overrides) not in self._prices:
            self._prices[day, overrides] = prices(read_catalogue(day, overrides))
        parts = {"code": code(), "prices": self._prices[day, overrides], "inputs": inputs(plain, self._files)}
        whole = canonical([spec, self._searched, *parts.values()])
        key = hashlib.sha256(whole.encode()).hexdigest()
        return Job(
            key=key, spec=spec, overrides=overrides, search=self._search, keep_plan=self._keep_plans, **parts
        )  # fmt: skip


@functools.cache
def code() -> str:
    """Digest of every file of the planner and its tables, and of the libraries that decide on plans."""
    made = hashlib.sha256()
    root = Path(__file__).parents[2]
    for package in ("costdata", "solver"):
        for path in sorted((root / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                made.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    for library in LIBRARIES:
        try:
            made.update(f"{library} {version(library)}\n".encode())
        except PackageNotFoundError:
            continue
    return made.hexdigest()


def read_catalogue(as_of: str, overrides: str) -> Catalog:
    """The catalogue of a day, "" for the latest, with a folder of overrides, "" for none.

    Raises:
        InputError: it cannot be read.
    """
    import costdata
    from costdata.errors import DataError

    try:
        return costdata.load(as_of=as_of or None, overrides=overrides or None)
    except DataError as error:
        raise InputError(error.message, where=f"prices: {error.where}", mend=error.mend) from None


def prices(catalog: Catalog) -> str:
    """Digest of a catalogue, its day included."""
    return f"{catalog.as_of.isoformat()} {catalog.digest}"


def inputs(plain: Any, files: dict[str, str] | None = None) -> str:
    """Digest of the files that a spec's texts name, such as a model's config.json or measurements; "" for none.

    Args:
        plain: the spec.
        files: which texts name which files, "" for none; what is not in it yet is looked up and kept.
    """
    known = {} if files is None else files
    named = set()
    for text in _texts(plain):
        if text not in known:
            known[text] = _file(text)
        if known[text]:
            named.add(text)
    if not named:
        return ""
    return hashlib.sha256(canonical([(text, _content(known[text])) for text in sorted(named)]).encode()).hexdigest()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(item)


def _file(text: str) -> str:
    """The file that a text names, of a folder its config.json; "" for none."""
    if not text or not text.isprintable():
        return ""
    paths = (Path(text), Path(text, "config.json"))
    try:
        return next((str(path) for path in paths if path.is_file()), "")
    except (OSError, ValueError):
        return ""


def _content(path: str) -> str:
    try:
        about = Path(path).stat()
        return _digest(path, about.st_mtime_ns, about.st_size)
    except OSError as error:
        return f"unreadable: {error.strerror}"


@functools.lru_cache(maxsize=64)
def _digest(path: str, changed_ns: int, size: int) -> str:  # noqa: ARG001 (the cache looks at them)
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
