"""How good a bundle is on people it has never seen."""
