"""What can be wrong with a campaign, a file or a request about one."""

from alodial_schemas.errors import InvalidCampaign as InvalidCampaign  # noqa: PLC0414  # exported from here too

from ..errors import AlodialError, NotFound


class BadFile(AlodialError):
    """The file cannot be read as a whole. Not worth a retry with the same file."""

    def __init__(self, code: str, problem: str, remedy: str) -> None:
        self.code = code  # type: ignore[misc]  # one class for everything that a file can be
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}; {remedy}")


class CampaignDuplicate(AlodialError):
    """The same rows were submitted before, as the campaign that is named."""

    code = "campaign_duplicate"

    def __init__(self, id: str, name: str) -> None:
        self.id = id
        self.name = name
        super().__init__(f"these rows were submitted before, as campaign {name!r} ({id})")


class CampaignNotFound(NotFound):
    """No campaign of that name or id."""


class CampaignNotAllowed(AlodialError):
    """The campaign's state does not permit it."""

    code = "campaign_state"
