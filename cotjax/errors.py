"""The exceptions that scripts tell in one line, without a traceback."""


class InputError(ValueError):
    """A user's mistake, told in one line that names the file, line, field or config key.

    Scripts print the line and exit with code 2; no traceback is shown.
    """


class NotFiniteError(ArithmeticError):
    """A run's numbers went wrong and it can't go on; the line says where and what to try.

    Scripts print the line and exit with code 3.
    """
