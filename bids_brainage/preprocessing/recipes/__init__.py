"""Inputs of published networks: named steps from a person's images to an array, and back."""
