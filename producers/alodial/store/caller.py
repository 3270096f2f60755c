"""The API key for which calls and campaigns are stored and looked up."""

from typing import Final, NamedTuple


class Caller(NamedTuple):
    """``owner`` is the key's name: what it stores is its own. ``tenant``: it has extids of its own, sees no others' calls and
    takes turns with others. ``quota`` are its limits, as in NewCall."""

    owner: str = ""
    tenant: bool = False
    quota: str = ""

    @property
    def caps(self) -> str:
        """How often it may call a number, "" for no limit: its name and four figures, as ``enqueue.lua`` describes them."""
        parts = self.quota.partition(";")[0].split()
        return " ".join((parts[0], *parts[2:])) if len(parts) > 2 else ""

    @property
    def extids_of(self) -> str:
        """The owner whose extids come first in its look-ups, "" for the installation's."""
        return self.owner if self.tenant else ""


INSTALLATION: Final = Caller()
"""Programs in Python and the command line, which see everything and have no limits."""
