"""Studies of simulated data with known truth, from simulation to page: tori, and maps of brains."""
