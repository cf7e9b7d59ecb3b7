"""Linear maps: the operators K of regularizers, gradient and divergence."""
