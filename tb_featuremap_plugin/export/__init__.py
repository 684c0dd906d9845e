"""A logdir packed to be sent, and the dashboard exported as one page."""
