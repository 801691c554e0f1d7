"""Model bundles: what is on disk, checked before use, and what a reader must know about an estimate."""
