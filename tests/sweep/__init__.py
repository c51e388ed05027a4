"""Sweeps: the file, the store, workers that die, and what is in the report."""
