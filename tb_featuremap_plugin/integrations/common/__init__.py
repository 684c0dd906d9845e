"""What the integrations share: the meaning of axes, random numbers and Python objects as they were before a probe pass."""
