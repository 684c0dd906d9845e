"""Facts: what stands here stands nowhere else, and does nothing."""
