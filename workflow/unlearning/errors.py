"""Errors that a user can mend."""


class UserError(ValueError):
    """Bad input; the message names the value, what is allowed and what to do. No traceback."""
