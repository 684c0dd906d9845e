"""The bytes: records, run records, Summary values and event files."""
