"""Readers of networks made by other programs; nothing in their files is executed."""
