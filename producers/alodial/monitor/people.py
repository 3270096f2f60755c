"""People whom the company's own sign-in knows: a trusted proxy names them and their groups in headers. No I/O."""

from starlette.requests import Request

from ..api_keys import ROLES, ApiKey
from ..errors import ConfigurationError
from ..settings import Settings
from ..web.client_address import FROM_PROXY

MAX_NAME = 128


def read_group_roles(entries: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """The roles of each group of ALODIAL_GROUP_ROLES. Raises ConfigurationError."""
    groups: dict[str, frozenset[str]] = {}
    for entry in entries:
        group, equals, text = entry.partition("=")
        roles = frozenset(role.strip() for role in text.split("+"))
        if not equals or not group.strip() or not roles <= set(ROLES):
            raise ConfigurationError(
                f"ALODIAL_GROUP_ROLES: {entry[:40]!r} is not a group with roles; write dispatchers=submit+read"
            )
        groups[group.strip()] = groups.get(group.strip(), frozenset()) | roles
    return groups


class TrustedPeople:
    """Reads the person of a request. Raises ConfigurationError for settings that would trust everybody."""

    def __init__(self, settings: Settings) -> None:
        self._user_header = settings.trusted_user_header
        self._groups_header = settings.trusted_groups_header
        self._roles = read_group_roles(settings.group_roles)
        if self._user_header and not settings.trusted_proxies:
            raise ConfigurationError(
                "ALODIAL_TRUSTED_USER_HEADER: needs ALODIAL_TRUSTED_PROXIES, or anybody could send the header"
            )
        if self._user_header and not self._roles:
            raise ConfigurationError(
                "ALODIAL_GROUP_ROLES: is not set, so that nobody named by ALODIAL_TRUSTED_USER_HEADER could do anything"
            )

    def __bool__(self) -> bool:
        return bool(self._user_header)

    def find(self, request: Request) -> ApiKey | None:
        """The person whom a trusted proxy named, with the roles of their groups; None without one.

        A header from anywhere else, one that comes twice, and a name that is no plain text name nobody.
        """
        if not self._user_header or not request.scope.get(FROM_PROXY):
            return None
        names = request.headers.getlist(self._user_header)
        if len(names) != 1:
            return None
        name = names[0].encode("latin-1").decode("utf-8", "replace").strip()
        if not name or len(name) > MAX_NAME or not name.isprintable() or set(name) & set("()<>\"'"):
            return None
        groups = [part.strip() for line in request.headers.getlist(self._groups_header) for part in line.split(",")]
        roles = frozenset().union(*(self._roles.get(group, frozenset()) for group in groups))
        return ApiKey(f"user:{name}", "", roles, own=False, person=name)
