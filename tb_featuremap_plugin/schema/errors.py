"""What the package raises. Every class is a ValueError, so callers need to know no more than that."""


class FormatError(ValueError):
    """Stored bytes do not follow the record format: corrupt, cut off, hostile or of another kind."""


class NewerVersionError(FormatError):
    """Stored bytes follow a later version of the record format than this package reads."""


class LayoutError(ValueError):
    """A layout string does not fit the array it was given with."""
