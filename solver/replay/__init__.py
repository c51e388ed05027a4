"""Policies for spot capacity, replayed over what markets really had."""
