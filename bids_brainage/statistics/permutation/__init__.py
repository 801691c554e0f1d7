"""Permutation tests of general linear models at many voxels or regions at once."""
