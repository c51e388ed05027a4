"""Tests of solver/forecast."""
