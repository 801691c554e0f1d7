"""Architectures of published networks: which arrays their files hold, and the layers that these make."""
