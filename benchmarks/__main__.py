"""Runs benchmarks: `python -m benchmarks [NAME [ARGUMENTS]]`; without a name, those that need no file and few minutes.

`python -m benchmarks published` puts the files of results into docs/benchmarks.md. The benchmarks are:
"""

from __future__ import annotations

import sys

from . import published
from .cases import Case, cases


def listing(known: dict[str, Case]) -> str:
    """Every benchmark in a line; a star runs by default."""
    width = max(map(len, known))
    return "\n".join(f"{'*' if c.alone else ' '} {c.name:{width}}  {c.measures}" for c in known.values())


def main(arguments: list[str]) -> None:
    """Run the named benchmark with the rest of the arguments, or those that need none."""
    if arguments[:1] == ["published"]:
        published.main()
        return
    known = cases()
    if arguments and arguments[0] not in known:
        print(f"{(__doc__ or '').strip()}\n\n{listing(known)}")
        sys.exit(0 if arguments[0] in ("-h", "--help") else 2)
    for name in arguments[:1] or [case.name for case in known.values() if case.alone]:
        known[name].main(arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
