"""How an export speaks to people. Without it, exports have the names and times that programs read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo


@dataclass(frozen=True, slots=True)
class ExportTexts:
    """``headings`` are the names of our columns by their names for programs; ``word`` translates a state or a disposition,
    ``problem`` the code, problem and remedy of a rejected row; times are written in ``zone``."""

    headings: Mapping[str, str]
    word: Callable[[str, str], str]
    problem: Callable[[str, str, str], tuple[str, str]]
    zone: tzinfo

    def moment(self, iso: str) -> str:
        """A moment in the reader's zone, as spreadsheet programs read it."""
        return f"{datetime.fromisoformat(iso).astimezone(self.zone):%Y-%m-%d %H:%M:%S}"
