"""The rules, one a file. A new file with a RULE in it is a new rule; nothing else needs to change."""
