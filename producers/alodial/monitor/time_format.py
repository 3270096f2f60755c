"""Times to the second and below, for what happens within one call."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import pairwise

from .call_timeline import unix
from .i18n import Translator

_NBSP = "\u00a0"


@dataclass(frozen=True, slots=True)
class TimeFormatter:
    """One language and one zone."""

    words: Translator
    zone: tzinfo

    def at(self, iso: str, form: str = "%H:%M:%S") -> str:
        return datetime.fromisoformat(iso).astimezone(self.zone).strftime(form)

    def exact(self, iso: str) -> str:
        """With thousandths."""
        moment = datetime.fromisoformat(iso).astimezone(self.zone)
        return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"

    def fitting(self, iso: str, all_of_them: Sequence[str]) -> str:
        """As fine as the moments beside it need: with thousandths, with seconds, or with the day."""
        times = sorted(unix(one) or 0.0 for one in all_of_them)
        if times and times[-1] - times[0] > 20 * 3600:
            return self.at(iso, "%d.%m %H:%M")
        if any(0 < b - a < 1 for a, b in pairwise(times)):
            moment = datetime.fromisoformat(iso).astimezone(self.zone)
            return f"{moment:%H:%M:%S}.{moment.microsecond // 100_000}"
        return self.at(iso)

    def short(self, seconds: float) -> str:
        """A length of time; below ten seconds with a tenth, below one with thousandths."""
        if seconds < 1:
            return f"{round(seconds * 1000)}{_NBSP}{self.words('unit.ms')}"
        if seconds < 10:
            return f"{self.words.number(round(seconds, 1))}{_NBSP}{self.words('unit.s')}"
        return self.words.span(seconds)
