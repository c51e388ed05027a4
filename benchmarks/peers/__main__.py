"""Makes the environments of the peers: `python -m benchmarks.peers [NAME ...] [--python PYTHON]`."""

from __future__ import annotations

import argparse
import sys

from . import PEERS, make

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*PEERS, []], metavar="NAME", help=", ".join(PEERS))
    parser.add_argument("--python", default=sys.executable, metavar="PYTHON", help="interpreter to make them with")
    asked = parser.parse_args()
    for peer in asked.names or PEERS:
        print(make(peer, asked.python))
