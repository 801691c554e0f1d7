"""Simulated brains, cohorts and tori whose truth is known."""
