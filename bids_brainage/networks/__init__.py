"""What a network is: a list of layers and a readout, its weights, and readers of foreign files."""
