"""Model bundles: what is on disk, checked before it is used, and what a reader must know of an estimate."""
