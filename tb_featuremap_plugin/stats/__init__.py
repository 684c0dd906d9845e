"""Statistics of activations and of variables."""
