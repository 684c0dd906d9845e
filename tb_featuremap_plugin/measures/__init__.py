"""One definition of each column: statistics of activations and of weights."""
