"""Manages webhook endpoints: health, enable and disable, test events, resending."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from alodial_schemas import new_ids

from ..errors import InvalidEndpoint, NoEndpoint
from ..settings import Settings
from ..store import added_endpoints, webhooks
from ..store.added_endpoints import AddedEndpoint
from ..store.client import Store
from ..store.webhooks import EndpointHealth, EndpointHistory
from .config import endpoints_of, new_secret, parse_endpoint

CHUNK = 500

TEST_TYPE = "alodial.webhook.test"
"""The type of a test event, which reports no call."""

Progress = Callable[[int], object]


class WebhookAdmin:
    """The endpoints of ALODIAL_WEBHOOKS, those that were added at run time, and those that workers served lately.

    ``name`` is an endpoint's id or its first characters, four or more. Every method blocks, raises StoreUnavailable
    when Redis does not answer and, where it takes a name, NoEndpoint when no single endpoint has it.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def list(self) -> list[EndpointHealth]:
        """Returns the health of all endpoints by URL; those that no worker has served yet have zeros."""
        served = self._store.run_steps(webhooks.health_steps)
        ids = {endpoint.id for endpoint in served}
        added = [parse_endpoint(e.url.get_secret_value(), private=True) for e in self.added()]
        known = {e.id: e.display_url for e in [*endpoints_of(self._settings), *added] if e.id not in ids}
        fresh = [EndpointHealth(id, url) for id, url in known.items()]
        return sorted([*served, *fresh], key=lambda endpoint: (endpoint.url, endpoint.id))

    def added(self) -> tuple[AddedEndpoint, ...]:
        """Returns the endpoints that were added at run time, the oldest first."""
        return tuple(self._store.run_steps(added_endpoints.read_all))

    def add(self, url: str, *, actor: str = "") -> tuple[str, str]:
        """Adds an endpoint, which workers serve within seconds. Returns its id and the secret that signs its events.

        Raises InvalidEndpoint for a URL that is unusable, is an endpoint already, or would be one too many.
        """
        endpoint = parse_endpoint(url, private=self._settings.webhook_private)
        outcome: str = "known"
        secret = new_secret()
        if endpoint.id not in {e.id for e in endpoints_of(self._settings)}:
            outcome = self._store.call(added_endpoints.add, endpoint.id, url, secret, actor)
        if outcome == "known":
            raise InvalidEndpoint("url_known", "is an endpoint already", "give another URL")
        if outcome == "full":
            raise InvalidEndpoint("url_full", f"is above {added_endpoints.MAX_ADDED} endpoints", "remove others first")
        return endpoint.id, secret

    def remove(self, name: str) -> str:
        """Removes an added endpoint with all its waiting and parked events, and returns its id.

        Raises NoEndpoint for another, those of ALODIAL_WEBHOOKS too.
        """
        endpoint = self.find(name)
        if not self._store.call(added_endpoints.remove, endpoint.id):
            raise NoEndpoint(f"no webhook endpoint {name[:20]} was added")
        return endpoint.id

    def history(self, name: str, limit: int = 100) -> EndpointHistory:
        """Returns the last tries of an endpoint and its first waiting and parked events, up to ``limit`` of each."""
        return self._store.run_steps(webhooks.history_steps, self.find(name).id, limit)

    def find(self, name: str) -> EndpointHealth:
        """Returns the health of one endpoint."""
        matches = [e for e in self.list() if e.id == name or (len(name) >= 4 and e.id.startswith(name))]
        if len(matches) != 1:
            raise NoEndpoint(f"no webhook endpoint {name[:20]}")
        return matches[0]

    def enable(self, name: str) -> EndpointHealth:
        """Delivers events from now on; parked events stay parked until :meth:`resend_parked`."""
        endpoint = self.find(name)
        self._store.call(webhooks.enable, endpoint.id)
        return self.find(endpoint.id)

    def disable(self, name: str) -> EndpointHealth:
        """Stops deliveries; events are parked meanwhile."""
        endpoint = self.find(name)
        self._store.call(webhooks.disable, endpoint.id)
        return self.find(endpoint.id)

    def resend_parked(self, name: str, *, progress: Progress | None = None) -> int:
        """Sends the parked events in their order and returns how many now wait for delivery because of it.

        ``progress`` is called with that number after each chunk.
        """
        endpoint = self.find(name).id
        done = 0
        while chunk := self._store.call(webhooks.parked_page, endpoint, CHUNK):
            # Put first: interrupted in between, an event is sent twice and none is lost.
            done += self._store.call(webhooks.put, endpoint, [(id, event) for _, id, event in chunk])
            self._store.call(webhooks.unpark, endpoint, [place for place, _, _ in chunk])
            if progress:
                progress(done)
        return done

    def resend(
        self,
        name: str,
        *,
        since: int | None = None,
        until: int | None = None,
        call: str = "",
        progress: Progress | None = None,
    ) -> int:
        """Sends events that the stream still has once more, with their ids, and returns how many now wait.

        ``since`` and ``until`` are in Unix milliseconds; ``call`` is a call's id or extid and limits it to its events.
        """
        endpoint = self.find(name).id
        # An event names its call by id and by extid.
        marks = [json.dumps({key: call}, separators=(",", ":"))[1:-1].encode() for key in ("subject", "extid") if call]
        done, after, last = 0, "-" if since is None else str(since), "+" if until is None else str(until)
        while True:
            after, chunk = self._store.call(webhooks.events_page, after, last, CHUNK)
            if not after:
                return done
            if chosen := [(id, event) for id, event in chunk if not marks or any(mark in event for mark in marks)]:
                done += self._store.call(webhooks.put, endpoint, chosen)
            if progress:
                progress(done)

    def test(self, name: str) -> str:
        """Sends a test event and returns its id; :meth:`find` shows later how its delivery went."""
        endpoint = self.find(name).id
        id, _ = new_ids()
        event = {
            "specversion": "1.0",
            "id": str(id),
            "source": "/alodial",
            "type": TEST_TYPE,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": {"endpoint": endpoint},
        }
        body = json.dumps(event, separators=(",", ":")).encode()
        self._store.call(webhooks.put, endpoint, [(str(id), body)])
        return str(id)
