"""Errors of campaigns and of the files that they are made from."""

from alodial_schemas.errors import InvalidCampaign as InvalidCampaign  # noqa: PLC0414  # exported from here too

from ..errors import AlodialError, Conflict, NotFound


class BadFile(AlodialError):
    """The file cannot be used at all, and a retry with the same file will fail too."""

    def __init__(self, code: str, problem: str, remedy: str) -> None:
        self.code = code  # type: ignore[misc]  # one class for every problem of a file
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}; {remedy}")


class DamagedRows(AlodialError):
    """Stored rows of a campaign are missing or cannot be read. Submit its file again; code ``campaign_rows_damaged``."""

    code = "campaign_rows_damaged"


class CampaignDuplicate(AlodialError):
    """The same rows were submitted before, as the campaign ``id``."""

    code = "campaign_duplicate"
    remedy = "send `again` to submit them once more"

    def __init__(self, id: str, name: str) -> None:
        self.id = id
        self.name = name
        super().__init__("these rows were submitted before" + (f", as campaign {name!r} ({id})" if id else ""))


class CampaignRetried(CampaignDuplicate):
    """The campaign was retried before, as the campaign ``id``, whose rows may ring or have been answered."""

    remedy = "retry that campaign once it has ended"

    def __init__(self, id: str, name: str) -> None:
        super().__init__(id, name)
        self.args = ("this campaign was retried before" + (f", as campaign {name!r} ({id})" if id else ""),)


class CampaignKeyConflict(Conflict):
    """The idempotency key came before with another request, which made campaign ``id`` or added rows to it."""

    def __init__(self, id: str) -> None:
        super().__init__("idempotency_conflict", "", id, kind="campaign")
        self.id = id


class CampaignNotFound(NotFound):
    """No campaign has this name or id, or several have this name."""


class CampaignNotAllowed(AlodialError):
    """The campaign's state does not allow the request."""

    code = "campaign_state"


def closed_to_rows(name: str, state: str) -> CampaignNotAllowed:
    """The error of adding rows to a campaign in this state; ``ended``: its end has passed."""
    if state == "ended":
        problem = f"the end of campaign {name!r} has passed, so rows that are added would not be called"
    else:
        problem = f"campaign {name!r} is {state or 'deleted'}: rows cannot be added"
    return CampaignNotAllowed(f"{problem}; submit them as a new campaign")
