"""Where tables of counts are printed."""

from rich.console import Console

FILE_WIDTH = 200  # characters


def wide_console() -> Console:
    """Returns a console of the terminal's width, or one with room for a table if it is a file."""
    console = Console()
    return console if console.is_terminal else Console(width=FILE_WIDTH)
