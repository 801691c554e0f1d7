"""Multi-level ensembles of 3D CNNs: base models, heads, bundles, training, uncertainty."""
