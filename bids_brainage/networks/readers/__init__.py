"""Readers of networks that other programs made; nothing in their files is executed."""
