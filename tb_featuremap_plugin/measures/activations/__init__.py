"""Statistics of what layers put out, which can be joined over blocks and workers."""
