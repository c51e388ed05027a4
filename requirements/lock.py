"""Pins every dependency with the hashes of all its files, for every supported Python and machine; no addresses.

`make lock` runs it. `run.txt` is what a plan needs, `dev.txt` that and the tools, `pandas2.txt` what differs from
`dev.txt` on the oldest pandas supported. Pins stay as they are unless `--upgrade` is given.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
OLDEST_PANDAS = "pandas==2.2.3"
COMPILE = ("uv", "pip", "compile", "--quiet", "--universal", "--python-version=3.11", "--fork-strategy=fewest")
PLAIN = ("--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate")


def pin(target: str, *sources: str, given: str = "") -> None:
    """Compile one file; `given` is its standard input.

    Raises:
        SystemExit: the resolver fails, or the file names an address.
    """
    file = HERE / target
    command = (*COMPILE, *PLAIN, f"--output-file={file}", *sources, *sys.argv[1:])
    if subprocess.run(command, check=False, input=given, text=True, cwd=HERE.parent).returncode:  # noqa: S603
        raise SystemExit(f"{target}: no set of versions was found")
    if found := re.search(r".*(://| @ |--(extra-)?index|--find-links).*", file.read_text()):
        raise SystemExit(f"{target} must hold no address: {found[0]}")


def main() -> None:
    """All three files, the later ones on the pins of the earlier."""
    pin("run.txt", "pyproject.toml", "--extra=build")
    pin("dev.txt", "pyproject.toml", "--all-extras", "--constraint=requirements/run.txt")
    pins = re.findall(r"^[\w-]+==.+?(?= \\$)", (HERE / "dev.txt").read_text(), flags=re.MULTILINE)
    same = [f"--no-emit-package={line.split('==')[0]}" for line in pins if not line.startswith("pandas==")]
    pinned = "\n".join(line for line in pins if not line.startswith("pandas=="))
    pin("pandas2.txt", "-", *same, given=f"{OLDEST_PANDAS}\n{pinned}\n")


if __name__ == "__main__":
    main()
