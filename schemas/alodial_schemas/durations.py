"""Durations as people read them."""

from typing import Final

UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def split_duration(seconds: float) -> list[tuple[int, str]]:
    """The two largest units of a duration as (count, unit): 7530 is ``[(2, "h"), (5, "min")]``.

    Whole seconds; a second unit of zero is left out. Zero and negative durations are ``[(0, "s")]``.
    """
    rest = max(0, round(seconds))
    parts = []
    for unit, size in UNITS:
        count, rest = divmod(rest, size)
        parts.append((count, unit))
    first = next((at for at, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return [part for part in parts[first : first + 2] if part[0]] or [(0, "s")]


def duration_text(seconds: float) -> str:
    """A duration in English, such as "2 h 5 min"; see :func:`split_duration`."""
    return " ".join(f"{count} {unit}" for count, unit in split_duration(seconds))
