"""What is sent to others: a logdir thinned into a zip, and a report that is one page."""
