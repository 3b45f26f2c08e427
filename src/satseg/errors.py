"""The one exception whose message is written for the user: one line, no traceback."""


class UserError(Exception):
    """A mistake the user can fix; the message says which file or key, what is wrong and what to
    do."""
