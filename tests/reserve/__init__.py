"""Tests of commitment planning."""
