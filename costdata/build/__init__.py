"""Compiles the packaged tables from a folder of raw facts: `python -m costdata.build --facts DIR [--check]`."""
