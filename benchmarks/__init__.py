"""What logging and looking cost, side by side with the alternatives: `make bench`."""
