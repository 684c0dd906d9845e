"""Networks of Flax, Equinox and plain JAX as users write them, with what is known of their layers."""
