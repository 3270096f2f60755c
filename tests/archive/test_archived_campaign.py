"""A campaign's results are whole after its calls have left Redis, and its rows are in the archive."""

import json

from archive_harness import archive_all, complete, submit
from sqlalchemy import Engine, select

from alodial import CallQueue
from alodial.archive.archiver import Archiver
from alodial.archive.engine import reading
from alodial.archive.schema import CALLS, CAMPAIGNS, ROWS
from alodial.campaigns.archive_rows import ArchivedCampaigns
from alodial.campaigns.queries import CampaignQueries
from alodial.store.call_transitions import HopperNeed
from alodial_schemas.campaigns import parse_campaign
from alodial_workers.hopper import HopperFiller

PHONES = [f"+99890123456{n}" for n in range(4)]


def test_results_of_a_campaign_stay_whole_when_its_calls_leave_redis(queue: CallQueue, engine: Engine) -> None:
    request = parse_campaign(
        {
            "name": "c",
            "call": {"kind": "ivr", "ivrid": 7, "fromline": "712037006"},
            "policy": {"hours": {"windows": "00:00-24:00"}},
        },
        allowed=(),
    )
    campaign = queue.submit_campaign([{"phone": phone, "name": "Aziza"} for phone in PHONES], request)
    HopperFiller(queue.store, queue.settings).fill(HopperNeed(campaign.id, 0, 0, 0, 10))
    complete(queue, submit(queue))
    before = list(queue.campaigns.rows(campaign.id))
    assert {row.talk_seconds for row in before} == {30}
    source = ArchivedCampaigns(CampaignQueries(queue.store, queue.settings))
    archiver = Archiver(queue.store, engine, queue.settings, campaigns=source)
    archiver.begin()
    assert archive_all(archiver) == len(PHONES)
    queue.store.redis.delete(*map(queue.store.keys.record, [str(row.extid) for row in before]))
    assert list(queue.campaigns.rows(campaign.id)) == before
    with reading(engine) as connection:
        stored = connection.execute(select(CAMPAIGNS)).one()
        rows = connection.execute(select(ROWS).order_by(ROWS.c.row_number)).all()
        numbers = connection.execute(select(CALLS.c.row_number).order_by(CALLS.c.row_number)).scalars().all()
    assert (stored.campaign_id, stored.name, stored.state) == (campaign.id, "c", "completed")
    assert numbers == [row.row_number for row in rows] == [0, 1, 2, 3]
    assert [(row.phone, row.outcome) for row in rows] == [(phone, "completed:answered") for phone in PHONES]
    assert "Aziza" in json.loads(rows[0].cells)
