"""A person estimated and explained in one pass: inputs, networks, heads, maps, regions."""
