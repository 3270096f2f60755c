"""The first two national digits that Uzbekistan's operators and regions use, as data with its date."""

from __future__ import annotations

from typing import Final

AS_OF: Final = "2026-11"
"""When the list was last compared with the operators' tariffs and with libphonenumber's ranges."""

MOBILE_CODES: Final[frozenset[str]] = frozenset(
    {"20", "33", "50", "55", "77", "80", "87", "88", "90", "91", "92", "93", "94", "95", "97", "98", "99"}
)
REGION_CODES: Final[frozenset[str]] = frozenset(
    {"61", "62", "65", "66", "67", "69", "70", "71", "72", "73", "74", "75", "76", "78", "79"}
)
OPERATOR_CODES: Final[frozenset[str]] = MOBILE_CODES | REGION_CODES
