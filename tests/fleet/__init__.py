"""Tests of solver/fleet."""
