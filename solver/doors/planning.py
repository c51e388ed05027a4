"""The commands about plans: make one, check one, explain one."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from . import guard, screen

if TYPE_CHECKING:
    from ..plan import Plan
    from ..problem import Problem

MAX_PLAN_BYTES = 256 * 2**20
MOST_VIOLATIONS = 50  # printed
# limits that are policy, not physics: where only these give way, exit code 3
POLICY = ("monthly budget", "hourly budget", "upfront cash", "budget", "carbon", "cvar", "unserved cvar", "chance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How long and how well to search.

    Raises:
        InputError: an option out of its range.
    """

    time_limit_s: float
    gap: float
    seed: int
    deterministic: bool
    memory_limit_gib: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges; NaN is in none."""
        if not 0 < self.time_limit_s < math.inf:
            raise InputError(f"{self.time_limit_s:g} is no time limit", where="--time-limit", mend="seconds above 0")
        if not 0 <= self.gap < 1:
            raise InputError(f"{self.gap:g} is no gap", where="--gap", mend="a share from 0 to below 1, such as 0.01")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"{self.seed} is no seed", where="--seed", mend="a whole number from 0 to 2147483647")
        if self.memory_limit_gib is not None and not 0 < self.memory_limit_gib < math.inf:
            where = "--memory-limit"
            raise InputError(f"{self.memory_limit_gib:g} is no limit of memory", where=where, mend="GiB above 0")


def plan(spec: str, out: Path | None, search: Search, *, as_json: bool) -> int:
    """Load, solve, write and print; files are written before anything is printed."""
    with screen.progress() as follow:
        problem = load(spec)

        from ..solve import solve  # slow to import; a fault of the spec is told before

        made = solve(
            problem,
            time_limit_s=search.time_limit_s,
            gap=search.gap,
            seed=search.seed,
            deterministic=search.deterministic,
            progress=follow,
            memory_limit_gib=search.memory_limit_gib,
        )
    if out is not None:
        from ..report import write_all

        paths = write_all(problem, made, out)
        sys.stderr.write(f"wrote {len(paths)} files to {guard.plain(str(out))}\n")
    if as_json:
        from ..report.json import to_json

        sys.stdout.write(to_json(made))
    else:
        from ..report.terminal import show

        show(made, screen.console())
    return exit_code(made)


def exit_code(made: Plan) -> int:
    """0 for a plan; 3 when only budgets or other policies stand in its way; 4 when the requirements do.

    A plan that was interrupted is shown and written, and the code tells the shell that it was: 130.
    """
    if made.termination == "interrupted":
        return guard.INTERRUPTED
    if made.termination != "infeasible":
        return 0
    limits = made.conflicts["limit"].tolist() if len(made.conflicts) else []
    only_policy = bool(limits) and all(str(limit).startswith(POLICY) for limit in limits)
    return guard.BREACHED if only_policy else guard.INFEASIBLE


def check(path: Path) -> int:
    """Recompute a plan and print what is wrong with it."""
    made = read_plan(path)
    if made.termination == "infeasible":
        guard.say("nothing to check: no plan exists, and the file says why", where=str(path), mend="see its conflicts")
        return guard.INFEASIBLE
    problem = rebuild(made, path)
    if problem.digest() != made.provenance.problem_digest:
        guard.say(_changed(problem, made), where=str(path), mend="plan again with the catalogue of today")
        return guard.INTERNAL
    from ..check import check

    found = check(problem, made)
    for violation in found[:MOST_VIOLATIONS]:
        sys.stdout.write(guard.plain(str(violation)) + "\n")
    if len(found) > MOST_VIOLATIONS:
        sys.stdout.write(f"and {len(found) - MOST_VIOLATIONS} more\n")
    if found:
        guard.say(f"{len(found)} violations: this is not a sound plan", where=str(path))
        return guard.INTERNAL
    from ..report import words

    sys.stdout.write(f"Sound: every requirement holds and the bill adds up to {words.usd(made.total_micro_usd)}.\n")
    sys.stdout.write(f"{words.certificate(made)}\n")
    return 0


def explain(path: Path, workload: str, *, as_json: bool, worth: bool = False) -> int:
    """Print why a plan is what it is; without its problem only what stands in the plan itself."""
    from .. import explain as why
    from .. import worth as values

    made = read_plan(path)
    problem: Problem | None = None
    if made.provenance.spec:
        problem = rebuild(made, path)
        if problem.digest() != made.provenance.problem_digest:
            sys.stderr.write(f"note: {_changed(problem, made)}; unit prices are left out\n")
            problem = None
    found = why.explain(problem, made, workload)
    valued = values.worths(problem, workload) if worth and problem is not None else None
    if as_json:
        more = {} if valued is None else {"worth": asdict(valued)}
        sys.stdout.write(json.dumps(asdict(found) | more, indent=1) + "\n" if more else why.to_json(found))
    else:
        sys.stdout.write(why.to_text(found))
        sys.stdout.write("" if valued is None else "\n" + "".join(f"{x}\n" for x in values.to_lines(valued)))
    return 0


def read_plan(path: Path) -> Plan:
    """A plan.json, read strictly.

    Raises:
        InputError: no such file, or not a plan.
    """
    from ..report.json import from_json

    if path.is_dir() and (path / "plan.json").is_file():
        path = path / "plan.json"
    try:
        with path.open("rb") as file:
            content = file.read(MAX_PLAN_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read: {reason}", where=str(path), mend="give a plan.json") from None
    try:
        return from_json(content)
    except InputError as error:
        raise InputError(error.message, where=f"{path}: {error.where}", mend=error.mend) from None


def load(spec: str) -> Problem:
    """The problem of a spec file, or of a packaged example when it begins with @."""
    from ..spec import load

    if not spec.startswith("@"):
        return load(spec)
    from .. import examples

    examples.example_text(spec[1:])  # refuses a name that is none
    with resources.as_file(resources.files(examples) / f"{spec[1:]}{examples.SUFFIX}") as path:
        return load(path)


def rebuild(made: Plan, path: Path) -> Problem:
    """The problem again, from the spec that stands in the plan and the catalogue.

    Raises:
        InputError: the plan was made in Python and holds no spec.
    """
    from ..spec import loads

    if not made.provenance.spec:
        mend = "check it where it was made: solver.check(problem, plan)"
        raise InputError("holds no spec: its problem was built in Python", where=str(path), mend=mend)
    return loads(made.provenance.spec, overrides=made.provenance.overrides or None)


def _changed(problem: Problem, made: Plan) -> str:
    """What differs between the plan's problem and the one rebuilt."""
    then, now = made.provenance.catalog_digest, problem.provenance.get("catalog_digest", "")
    if then != now:
        return (
            f"the catalogue has changed since this plan was made: {then[:12]} as of {made.provenance.as_of}, now "
            f"{now[:12]} as of {problem.provenance.get('as_of', '?')}"
        )
    return f"was made by version {made.provenance.version}, whose problem differs from the one built now"
