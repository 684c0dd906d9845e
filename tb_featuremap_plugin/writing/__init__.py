"""What happens behind a logging call: the queue and its thread, one event file a folder, local and remote paths."""
