"""Errors of campaigns and of the files that they are made from."""

from alodial_schemas.errors import InvalidCampaign as InvalidCampaign  # noqa: PLC0414  # exported from here too

from ..errors import AlodialError, NotFound


class BadFile(AlodialError):
    """The file cannot be used at all, and a retry with the same file will fail too."""

    def __init__(self, code: str, problem: str, remedy: str) -> None:
        self.code = code  # type: ignore[misc]  # one class for every problem of a file
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}; {remedy}")


class CampaignDuplicate(AlodialError):
    """The same rows were submitted before, as the campaign ``id``."""

    code = "campaign_duplicate"

    def __init__(self, id: str, name: str) -> None:
        self.id = id
        self.name = name
        super().__init__(f"these rows were submitted before, as campaign {name!r} ({id})")


class CampaignNotFound(NotFound):
    """No campaign has this name or id, or several have this name."""


class CampaignNotAllowed(AlodialError):
    """The campaign's state does not allow the request."""

    code = "campaign_state"
