"""Runs the benchmarks: `python -m benchmarks [NAME [ARGUMENTS]]`; all that need no file of measurements by default.

solver_speed          time, memory and gap of planning each packaged example
perf_speed            evaluations a second of the serving model, and the modes of a model over the catalogue
start_up              time until the command helps, the packages are imported, the prices are loaded
costdata_load         the steps of loading the prices
exactness             small problems against a second engine, enumeration and the check; 15 minutes
published             puts the results into docs/benchmarks.md
"""

from __future__ import annotations

import sys
from importlib import import_module

ALONE = ("start_up", "costdata_load", "solver_speed", "perf_speed")
OTHERS = ("exactness", "published")


def main(arguments: list[str]) -> None:
    """Run the named benchmark with the rest of the arguments, or those that need none."""
    if arguments and arguments[0] not in (*ALONE, *OTHERS):
        print((__doc__ or "").strip())
        sys.exit(0 if arguments[0] in ("-h", "--help") else 2)
    for name in arguments[:1] or ALONE:
        sys.argv = [f"python -m benchmarks {name}", *arguments[1:]]
        import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
