"""Finds one phone number in text, however it is written there."""

import re
from collections.abc import Callable
from typing import Final

_UZBEK: Final = "+998"
_BETWEEN: Final = r"[ \u00a0().\[\]-]{0,3}"
"""What people put between digits."""

_BETWEEN_BYTES: Final = " \u00a0().[]-".encode()


def number_pattern(number: str) -> re.Pattern[str]:
    """Returns a pattern that finds an E.164 number: with or without its country code, and with separators between digits.

    Digits within a longer number, a decimal or an id are not it. Linear time.
    """
    if number.startswith(_UZBEK):
        code = rf"(?:\+?{_BETWEEN.join(_UZBEK[1:])}{_BETWEEN}|[08][ ()-]{{0,2}})?"
        digits = number[len(_UZBEK) :]
    else:
        code, digits = r"\+?", number[1:]
    # A letter beside it would be a hexadecimal digit of an id; "%2b" is a plus sign in a form.
    return re.compile(rf"(?:(?<![0-9a-f])(?<![0-9]\.)|(?<=%2b)){code}{_BETWEEN.join(digits)}(?![0-9a-f])")


def number_finder(number: str) -> Callable[[str], bool]:
    """Returns a function that says whether a text holds the number, as :func:`number_pattern` finds it.

    For many texts most of which do not: their digits alone are compared first, at a thirtieth of the pattern's time.
    """
    pattern = number_pattern(number)
    digits = number.removeprefix(_UZBEK).removeprefix("+").encode()

    def holds(text: str) -> bool:
        return digits in text.encode("utf-8", "surrogatepass").translate(None, _BETWEEN_BYTES) and bool(
            pattern.search(text)
        )

    return holds
