"""Benchmarks: each is a command that prints the figures it stands for."""
