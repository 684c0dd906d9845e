"""From event files or a data provider to runs: what was found, its tables, and what is sorted out before anybody looks at it."""
