"""Tests of gang scheduling."""
