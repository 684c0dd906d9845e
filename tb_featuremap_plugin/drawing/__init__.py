"""Numbers to pixels, as the tab draws them: what `frontend/src/draw` does in a browser, for notebooks."""
