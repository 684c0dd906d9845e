"""From a logging call to an event file: requests checked, a queue, files, locks, and the tf.summary writer."""
