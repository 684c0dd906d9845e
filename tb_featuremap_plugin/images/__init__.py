"""Feature maps and kernels to pixels, and pixels to records."""
