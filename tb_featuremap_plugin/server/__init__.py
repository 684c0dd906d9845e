"""The backend of the tab: HTTP answers from runs."""
