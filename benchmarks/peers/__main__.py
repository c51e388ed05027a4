"""Makes the environments of the peers: `python -m benchmarks.peers [NAME ...]`."""

from __future__ import annotations

import sys

from . import PEERS, make

if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - set(PEERS):
        sys.exit(f"no peer {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    for peer in sys.argv[1:] or PEERS:
        print(make(peer))
