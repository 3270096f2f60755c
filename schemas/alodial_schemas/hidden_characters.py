"""Characters that texts for people must not hold, and how texts are cleaned of them."""

import re
from typing import Final

_CONTROL: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_INVISIBLE: Final = r"\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff"

HIDDEN: Final = _CONTROL + _INVISIBLE
"""Inside [] of a pattern: control characters and the two Unicode line ends, which forge log lines, CSV rows and headers further
on, and characters that turn the direction of a text or are seen by nobody: two texts that look alike would be two. The joiners
U+200C and U+200D, which Persian and emoji need, are none."""

NO_HIDDEN: Final = f"^[^{HIDDEN}]*$"
"""The pattern of a text without such characters."""

_controls: Final = re.compile(f"[{_CONTROL}]")
_invisible: Final = re.compile(f"[{_INVISIBLE}]")


def has_control(text: str) -> bool:
    """Whether a text holds a control character or a line end."""
    return not text.isprintable() and _controls.search(text) is not None


def without_controls(text: str) -> str:
    """The text with a space for each control character and line end."""
    return _controls.sub(" ", text)


def without_invisible(text: str) -> str:
    """The text without characters that nobody sees, as programs put them around copied numbers and names."""
    return text if text.isascii() else _invisible.sub("", text)
