"""Keeping what was promised, and saying what need not be kept."""
