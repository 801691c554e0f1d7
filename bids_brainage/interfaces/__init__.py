"""Nipype interfaces, each a thin shell over one function of the rooms below."""
