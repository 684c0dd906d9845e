"""From what a run logged to what is wrong with it: pure functions, series in, findings out."""
