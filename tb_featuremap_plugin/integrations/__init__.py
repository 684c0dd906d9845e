"""The only modules that import a framework."""
