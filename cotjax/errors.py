"""The one exception that means: the user can mend this."""


class InputError(ValueError):
    """A user's mistake, told in one line that names the file, line, field or config key.

    Scripts print the line and exit with code 2; no traceback is shown.
    """
