"""Designs from a table of people: formulas, BIDS Stats Models, the paper's analyses, and checks."""
