"""Group statistics: designs, permutation tests, regions, biomarkers, norms; NumPy in, NumPy out."""
