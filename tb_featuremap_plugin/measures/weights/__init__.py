"""Statistics of variables and of how they change."""
