"""What people do with webhook endpoints: look how they fare, switch on and off, try, send again."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from alodial_schemas import new_ids

from ..errors import NoEndpoint
from ..settings import Settings
from ..store import webhooks
from ..store.client import Store
from ..store.sansio import run
from ..store.webhooks import EndpointHealth
from .config import endpoints_of

CHUNK = 500

TEST_TYPE = "alodial.webhook.test"
"""A test's event: like any other, but of nothing that happened."""

Progress = Callable[[int], object]


class WebhookAdmin:
    """The endpoints of ALODIAL_WEBHOOKS and those that workers served lately. All methods block; StoreUnavailable."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def list(self) -> list[EndpointHealth]:
        """By URL, without its query. One that no worker has served yet is there with zeros."""
        known = self._store.call(run, webhooks.health_steps())
        served = {one.id for one in known}
        fresh = [webhooks.unserved(one.id, one.shown) for one in endpoints_of(self._settings) if one.id not in served]
        return sorted([*known, *fresh], key=lambda one: (one.url, one.id))

    def find(self, name: str) -> EndpointHealth:
        """By its id or the beginning of it, four letters at least. Raises NoEndpoint."""
        found = [one for one in self.list() if one.id == name or (len(name) >= 4 and one.id.startswith(name))]
        if len(found) != 1:
            raise NoEndpoint(f"no webhook endpoint {name[:20]}")
        return found[0]

    def enable(self, name: str) -> EndpointHealth:
        """It gets events again from now on; what was parked stays parked until :meth:`resend_parked`."""
        one = self.find(name)
        self._store.call(webhooks.enable, one.id)
        return self.find(one.id)

    def disable(self, name: str) -> EndpointHealth:
        """It gets nothing more; events are parked meanwhile."""
        one = self.find(name)
        self._store.call(webhooks.disable, one.id)
        return self.find(one.id)

    def resend_parked(self, name: str, *, progress: Progress | None = None) -> int:
        """Sends what was parked, in the order in which it was. Answers how many events wait for it now by this."""
        one = self.find(name)
        done = 0
        while chunk := self._store.call(webhooks.parked_page, one.id, CHUNK):
            # Put first: cut off in between, an event is sent twice and none is lost.
            done += self._store.call(webhooks.put, one.id, [(id, event) for _, id, event in chunk])
            self._store.call(webhooks.unpark, one.id, [place for place, _, _ in chunk])
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
        """Sends events that the stream still has once more, with the ids that they had.

        ``since`` and ``until`` are Unix ms; ``call`` is a call's id or extid, for its events alone.
        """
        one = self.find(name)
        wanted = self._wanted(call)
        done, after = 0, "-" if since is None else str(since)
        last = "+" if until is None else str(until)
        while True:
            after, chunk = self._store.call(
                webhooks.events_page,
                after,
                last,
                CHUNK,
            )
            if not after:
                return done
            chosen = [(id, event) for id, event in chunk if wanted(event)]
            if chosen:
                done += self._store.call(webhooks.put, one.id, chosen)
            if progress:
                progress(done)

    @staticmethod
    def _wanted(call: str) -> Callable[[bytes], bool]:
        if not call:
            return lambda _event: True
        marks = [json.dumps({key: call}, separators=(",", ":"))[1:-1].encode() for key in ("subject", "extid")]
        return lambda event: any(mark in event for mark in marks)

    def test(self, name: str) -> str:
        """Sends an event that tells of nothing. Answers its id; how it went is in :meth:`find`."""
        one = self.find(name)
        id, _ = new_ids()
        event = {
            "specversion": "1.0",
            "id": str(id),
            "source": "/alodial",
            "type": TEST_TYPE,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": {"endpoint": one.id},
        }
        body = json.dumps(event, separators=(",", ":")).encode()
        self._store.call(webhooks.put, one.id, [(str(id), body)])
        return str(id)
