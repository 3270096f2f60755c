"""Who sits at this terminal."""

import getpass


def who() -> str:
    """Whose name the activity log gets."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"
