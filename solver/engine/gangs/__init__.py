"""Gang scheduling: bound by prices, plans by insertion, ruin and repair, and CP-SAT. See docs/scheduling.md."""
