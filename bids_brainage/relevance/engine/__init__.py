"""The fast engine: explains blocks of convolution and max pooling at their winners alone."""
