"""Finished sessions of a dataset as one: its table of estimates, its stacks of maps, its analyses."""
