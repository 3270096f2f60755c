"""Counts as people read them."""


def count_text(count: int, singular: str, plural: str = "") -> str:
    """A count with its noun in English, such as "1 row" or "3 rows are"; the plural of a bare noun ends in s."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"
