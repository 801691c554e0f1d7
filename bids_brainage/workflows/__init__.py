"""Nipype graphs, and running them."""
