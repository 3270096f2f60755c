"""Every Redis key of the call store, in one place.

All keys share one hash slot, so that one script may move a call and append its event on Redis Cluster too: the tag
``dial`` and the public stream name ``alodial:events`` both hash to slot 1000 (guarded by a test). One slot is one
core of one node, measured at tens of thousands of transitions a second, far above what a PBX can ring.

``PREFIX`` +          type     holds
``c:{extid}``         hash     a call's record, found by the extid of its first attempt
``x:{extid}``         string   a redial's extid -> ``first extid:attempt``
``xo:{owner}:{extid}`` string  an owner's extid that another has -> the extid on the wire, under which the record is kept; the
                               owner is "" for the installation itself
``k:{hash}``          string   idempotency key -> extid; expires some time after its call's end, until then it does not
``q:{account}:{u n b}`` list   ready calls: urgent, normal, bulk
``quota:{key}:{day}`` string   calls that an API key placed in a day; ``quota:{key}:{number}`` list of when it called a number, ms
``turn:{key}:{u n b}`` string  when the next call of a key with a rate may become ready, microseconds
``held:{key}``        hash     its calls and rows that wait ``c``, bytes ``b`` of these and of ended ones, of the ended ones by
                               day ``e{day}``; ``held:{key}:g`` its campaigns -> rows that wait and bytes, ``at``: looked through
``due``               zset     scheduled calls by due time, ms
``exp``               zset     waiting calls that have an ``expires_at``, ms
``lease``             zset     claimed and submitting calls by the end of their lease, ms
``claim:{token}``     string   what a claim took, while its lease lasts: an answer that was lost is given again
``await``             zset     submitted and unconfirmed calls by the deadline of their result, ms
``chan:{account}``    zset     channels in use by the time they are given up, ms
``starts:{account}``  list     when the last calls were armed, microseconds, newest first
``acct:{account}``    hash     limiter (``tat`` in microseconds), ``hold`` until ms, ``why``, breaker ``brk`` opened times,
                               ``bk`` unsent, address or the token, ``probe``; ``ar`` call refused last, ``ak`` proofs of the
                               token after a refusal; ``un`` connections failed in a row since ``uo``, ``ou`` what was
                               ready before is too late; ``rl`` pauses in a row; ``tk`` mark of the address at
                               which a call was taken; ``low`` calls below which a hopper is filled
``refused:{account}`` hash     calls that wait because the token was refused -> due, ms; kept an hour
``bell:{account}``    string   a wake-up is on its way or a worker is attending
``help:{account}``    string   a pacer woke workers for calls that wait, within the last 250 ms
``accounts``          set      names seen
``counts``            hash     calls by state
``index``             stream   every call in order of its creation, for lists
``n: i:{4 digits}``   list     calls whose recipients' (``n``) or initiator's (``i``) number ends so, newest first; with ``:o``
                               behind it those that are older than the retention and still there
``r:{0 to 4095}``     list     calls whose reference's CRC-32 ends so, newest first; ``:o`` as above
``tidied``            hash     how far ``index``, each ``o:`` and ``campaigns`` were looked through for what is gone
``o:{owner}``         stream   calls of an API key that has a name; ``owners`` is the set of them
``unconfirmed``       zset     unconfirmed calls by the time they became so, ms
``e:{state}``         stream   calls that ended so, with the reason as ``y``; ``e:completed:{disposition}`` without
``gi:{campaign}``     list     its calls, newest first; ``ge:{campaign}:{state or completed:disposition}`` those that ended
``tick:{minute}``     hash     counters: a armed, c created, ``e:{end}``, ``d:{disposition}`` of calls, ``r:{disposition}`` of
                               attempts; kept 2 h. ``hour:{hour}`` the same and ``y:{end}:{reason}``; kept 8 days
``inbox``             stream   raw results from AloVoice, group ``collect``
``orphans``           zset     results whose extid is not known yet, by the time they are given up, ms
``orphans:{entry}``   hash     the body ``b`` (type ``t``) of several results of which ``n`` are orphans; ``dl`` is its dead
                               letter, ``more`` counts those given up after the first
``callback``          string   a callback came within the last 7 days: its PTTL says when
``callbacks:refused`` hash     callbacks refused, by reason; kept for 5 minutes after the last
``keys:refused``      string   (HyperLogLog) addresses from which wrong API keys came; kept for 5 minutes after the last
``dead``              stream   results that nobody could use, for replay; ``dead:{id}`` is the body, kept 30 days
``spool:{segment}``   string   bytes of a spool's file that are in the inbox; kept 7 days
``stop``              string   the emergency stop and its reason
``seen``              string   when a pacer last looked at the clock, ms; ``drain`` results may be late for a moment
``epoch``             string   made once; missing while workers run = the store was lost
``primary``           hash     run (id of the server), gen (generation, grows with each server), at, open and until: when
                               claims go on after a change; ``owing`` is the set of workers that they wait for
``confirmed``         string   written so that a ``WAIT`` has something to wait for
``workers``           hash     worker name -> heartbeat JSON
``web``               hash     name of a web process -> heartbeat JSON
``logs``              stream   log lines of all processes as JSON, ``l``; ``p`` is the process, ``n`` the line's number in it
``events:held``       hash     while a group has not read events that were trimmed otherwise: ``group``, ``since`` (ms, of the
                               oldest), ``length``, and the bounds ``age`` (ms) and ``most``
``events:lost``       string   events dropped before every group had read them; kept 7 days after the last
``logs:lost``         string   log lines that did not get there; kept a day after the last
``shared:{work}``     hash     work of one process for all (findings, alerts): holder, until ms, n and state (JSON), digest
``tally``             hash     counters of all worker processes for the metrics, added up. ``tally:{process}`` is the
                               number of its last flush, kept a day
``keys``              hash     name of an API key -> its record, JSON, with hashes in place of secrets; ``keys:used`` when each
                               was last used, ms; ``keys:version`` is another after each change
``audit``, ``audit:own`` stream  acts: ``e`` is the entry, JSON, ``h`` its hash over the entry before; with ``own`` those of
                               keys marked own. ``audit:head``, ``audit:own:head`` are the newest hashes
``session:{hash}``    string   a session of the monitor, JSON, found by the SHA-256 of its cookie; ends when it was idle too long
``sign-in:{hash}``    string   the scope of the API key that a sign-in link opens a session for, found by the SHA-256 of its code;
                               deleted at its use, and 10 minutes later at the latest
``sessions``          zset     those hashes by the second in which the session ends at the latest; ``sessions:{scope}`` those
                               of a key or person
``draft:{id}``        hash     an uploaded file until it is submitted: o owner, v version, s step, r the rest, JSON; ends when
                               nobody looked at it for an hour. ``:work`` behind it while a process works on it; ``drafts`` is
                               the hash of them -> owner, until their files are deleted
``wh``                set      webhook endpoints by their id
``wh:{endpoint}``     hash     url shown, seen, off and off_at, until (throttled), ok failed row parked counters, ok_ms,
                               ok_at fail_at since (nothing but failures), status, why; it and the following are kept 40 days
``wh:{endpoint}:due`` zset     ids of events to be delivered by ms; ``:body`` and ``:tries`` are hashes by that id
``wh:{endpoint}:parked`` stream events that were given up, 30 days
``wh:{endpoint}:tried`` stream the last tries: at, id, type, call, outcome, status, took, why, n, next (ms or "")
``wh:added``          hash     endpoints that operators added at run time by their id: JSON with url, secret, added_at, added_by
``wh:{endpoint}:gone`` string  it was removed within a day: nothing is kept for it
``campaigns``         zset     every campaign's id by the time it was made, ms
``campaigns:live``    set      those scheduled, running or paused
``purge``             set      those that ended with calls still waiting
``wake``              zset     live ones by the ms at which the pacer looks at them: they begin or end, their hours open, their
                               day begins, somebody has changed them. Who has nothing to come is not in it
``hungry``            zset     those whose hopper is to be filled, by the ms from which a pacer may be given it
``patrol``            hash     how far the pacer's round through all live ones is (cursor), and when it goes on (at)
``g:{campaign}``      hash     s state, n name, a account, p priority, w weight, pace, gtat, ch channels, sd seed, start, end,
                               cur cursor, cc co chunk and offset of the next row, nc chunks, tot rows, open (rows are being
                               added until ms), left (what became of rows never called), rd redial, goal, fm failures in a
                               row, dc dm rs day's caps, nz hours in the number's zone, pre prefixes, u on_unconfirmed,
                               vt virtual time, req src cols rows (JSON), kc its key's caps, qt its limits,
                               er chunks rewritten by erasures
``gc:{campaign}``     hash     calls by state, live, attempts, talk seconds, row (failures in a row),
                               ``d:{disposition}`` of calls, ``a:{disposition}`` of attempts
``gq:{campaign}``     list     its ready calls: the hopper
``gchan:{campaign}``  zset     channels that its calls hold, where it has a share
``fair:{account}:{n b}`` zset  campaigns with ready calls that nothing holds back, by virtual time
``full:{account}:{n b}`` set   those with ready calls that wait for one of their channels
``paced:{account}:{n b}`` zset those with ready calls that wait for the next slot of their pace, by microseconds
``rows:{campaign}``   hash     number of a chunk -> packed rows, ``b{number}`` -> place of its first row
``bad:{campaign}``    hash     number of a chunk -> packed problems
``window:{campaign}`` zset     calls that wait for the hours of their own zone, by the ms since when; ``zc`` of ``g`` is when
                               such hours were written last, until the pacer has recalled those that waited before
``zones:{campaign}``  set      zones that have a calendar, where its hours follow the number
``made:@``            string   what the installation's midnights were made from; a campaign's ``cf`` is the same
``cal:{campaign}[:{zone}]`` zset  moments when its hours open (o) and close (c), ms
``day:{campaign}``, ``day:@`` zset  local midnights, ms; @ is the installation's
``out:{campaign}``    string   a byte for each row: how its call ended (row_outcomes.py), kept as long as the campaign
``glog:{campaign}``   stream   activity: actor, action, detail
``ga:{name}``         string   rows were added by this request; kept an hour
``gd: gf: gr:{hash}`` string   a draft (an hour longer), a file, rows in whatever order -> campaign
``gk:{hash}``         string   idempotency key -> campaign and the digest of its request
``names:{campaign}``  set      those of gf, gr and gk that name it: kept as long as the campaign
``maps:{hash}``       hash     of an API key's files: hash of the column names -> what the columns are used for, JSON; 180 days
``dnc``, ``dnc:{campaign}``, ``dnc:~{owner}`` hash numbers that are not called -> why, JSON
``dnc:#``             hash     HMAC-SHA-1 of numbers that were erased and are not called -> why, JSON; ``i`` and ``o`` are its key
``freq:{number}``     list     when it was called, ms, newest first, while frequency caps are set; ``freq:{key}:{number}`` the
                               same of an API key that has caps, ``freq:{key}:first:{number}`` where it was rung first
``use:{scope}:{day}`` hash     c calls, s talk seconds, o calls without a result of a day; scope is ``@account`` or a campaign
"""

import zlib
from typing import Final

from alodial_schemas import ENDS, Disposition, State

EVENTS: Final = "alodial:events"
PREFIX: Final = "alodial:{dial}:"

INDEX: Final = PREFIX + "index"
OLD: Final = ":o"
"""Ends the name of the list of a bucket's old calls."""

DEAD_BYTES: Final = PREFIX + "dead_bytes"
UNCONFIRMED: Final = PREFIX + "unconfirmed"
OWNERS: Final = PREFIX + "owners"
INBOX: Final = PREFIX + "inbox"
CALLBACK_SEEN: Final = PREFIX + "callback"
KEYS_REFUSED: Final = PREFIX + "keys:refused"
CALLBACKS_REFUSED: Final = PREFIX + "callbacks:refused"
INBOX_GROUP: Final = "collect"
ORPHANS: Final = PREFIX + "orphans"
DEAD: Final = PREFIX + "dead"
EVENTS_HELD: Final = PREFIX + "events:held"
EVENTS_LOST: Final = PREFIX + "events:lost"
DUE: Final = PREFIX + "due"
LEASE: Final = PREFIX + "lease"
AWAIT: Final = PREFIX + "await"
COUNTS: Final = PREFIX + "counts"
ACCOUNTS: Final = PREFIX + "accounts"
STOP: Final = PREFIX + "stop"
CONFIRMED: Final = PREFIX + "confirmed"
EPOCH: Final = PREFIX + "epoch"
WORKERS: Final = PREFIX + "workers"
KEYS: Final = PREFIX + "keys"
KEYS_USED: Final = PREFIX + "keys:used"
KEYS_VERSION: Final = PREFIX + "keys:version"
WEB: Final = PREFIX + "web"
SESSIONS: Final = PREFIX + "sessions"
DRAFTS: Final = PREFIX + "drafts"
WEBHOOKS: Final = PREFIX + "wh"
WEBHOOKS_ADDED: Final = PREFIX + "wh:added"
TALLY: Final = PREFIX + "tally"
LOGS: Final = PREFIX + "logs"
LOGS_LOST: Final = PREFIX + "logs:lost"
CAMPAIGNS: Final = PREFIX + "campaigns"
TIDIED: Final = PREFIX + "tidied"
CAMPAIGNS_LIVE: Final = PREFIX + "campaigns:live"
DAYS_MADE: Final = PREFIX + "made:@"
CAMPAIGNS_PURGE: Final = PREFIX + "purge"
DNC: Final = PREFIX + "dnc"
ERASED: Final = DNC + ":#"
INBOX_WAKEUP: Final = PREFIX + "bell:inbox:"

ENDED_LABELS: Final = (
    *(f"completed:{name}" for name in sorted(Disposition)),
    *sorted(ENDS - {State.COMPLETED}),
)
"""The labels under which ended calls are listed."""

BROKER_NAMESPACE: Final = "alodial:broker"
"""Dramatiq's own keys; they may live in another Redis (``ALODIAL_BROKER_URL``)."""

PRIORITY_LETTERS: Final = {"urgent": "u", "normal": "n", "bulk": "b"}


def record(extid: str) -> str:
    return f"{PREFIX}c:{extid}"


def alias(extid: str) -> str:
    return f"{PREFIX}x:{extid}"


def own_extid(owner: str, extid: str) -> str:
    """The key of an owner's extid that was another's before; ``owner`` is "" for the installation itself."""
    return f"{PREFIX}xo:{owner}:{extid}"


def ready(account: str, priority: str) -> str:
    return f"{PREFIX}q:{account}:{PRIORITY_LETTERS[priority]}"


def webhook(endpoint: str, part: str = "") -> str:
    return f"{WEBHOOKS}:{endpoint}:{part}" if part else f"{WEBHOOKS}:{endpoint}"


def by_number(number: str, *, initiator: bool) -> str:
    return f"{PREFIX}{'i' if initiator else 'n'}:{number[-4:]}"


def by_reference(reference: str) -> str:
    return f"{PREFIX}{_reference_bucket(reference)}"


def _reference_bucket(reference: str) -> str:
    return f"r:{zlib.crc32(reference.encode('utf-8', 'surrogatepass')) & 4095}"


def buckets(body: str, reference: str) -> str:
    """The names of the lists that find a call by its numbers and reference, without the prefix, separated by spaces.

    Reads the body as text and not as JSON: 1 microsecond of the 40 that a call takes in bulk. Only alodial writes bodies,
    and a test compares the numbers with those of ``alodial_schemas.numbers_of``.
    """
    head, *phones = body.split('"phone":"')
    if phones:
        names = ["n:" + phone[: phone.find('"')][-4:] for phone in phones]
        if head == '{"callfrom":{':
            names[0] = "i" + names[0][1:]
    else:
        to = body.partition('"callto":"')[2]
        names = ["n:" + to[: to.find('"')][-4:]] if to else []
    if reference:
        names.append(_reference_bucket(reference))
    return " ".join(names)


def audit(*, own: bool) -> str:
    return f"{PREFIX}audit:own" if own else f"{PREFIX}audit"


def audit_head(*, own: bool) -> str:
    return f"{audit(own=own)}:head"


def sessions_of(scope: str) -> str:
    return f"{SESSIONS}:{scope}"


def session(id: str) -> str:
    return f"{PREFIX}session:{id}"


def sign_in_link(id: str) -> str:
    return f"{PREFIX}sign-in:{id}"


def upload_draft(id: str) -> str:
    return f"{PREFIX}draft:{id}"


def draft_work(id: str) -> str:
    return f"{upload_draft(id)}:work"


def dead_body(id: str) -> str:
    return f"{DEAD}:{id}"


def by_owner(owner: str) -> str:
    return f"{PREFIX}o:{owner}"


def ended(label: str) -> str:
    """The stream of calls that ended in a state, or with ``completed:{disposition}``."""
    return f"{PREFIX}e:{label}"


def campaign_calls(id: str) -> str:
    return f"{PREFIX}gi:{id}"


def campaign_ended(id: str, label: str) -> str:
    return f"{PREFIX}ge:{id}:{label}"


def minute(number: int) -> str:
    return f"{PREFIX}tick:{number}"


def hour(number: int) -> str:
    return f"{PREFIX}hour:{number}"


def channels(account: str) -> str:
    return f"{PREFIX}chan:{account}"


def account(name: str) -> str:
    return f"{PREFIX}acct:{name}"


def campaign(id: str) -> str:
    return f"{PREFIX}g:{id}"


def campaign_counts(id: str) -> str:
    return f"{PREFIX}gc:{id}"


def campaign_rows(id: str) -> str:
    return f"{PREFIX}rows:{id}"


def campaign_problems(id: str) -> str:
    return f"{PREFIX}bad:{id}"


def campaign_ready(id: str) -> str:
    return f"{PREFIX}gq:{id}"


def campaign_outcomes(id: str) -> str:
    return f"{PREFIX}out:{id}"


def campaign_log(id: str) -> str:
    return f"{PREFIX}glog:{id}"


def calendar(campaign: str, zone: str = "") -> str:
    return f"{PREFIX}cal:{campaign}:{zone}" if zone else f"{PREFIX}cal:{campaign}"


def campaign_zones(campaign: str) -> str:
    return f"{PREFIX}zones:{campaign}"


def days(campaign: str) -> str:
    return f"{PREFIX}day:{campaign}"


def do_not_call(scope: str = "") -> str:
    return f"{DNC}:{scope}" if scope else DNC


def column_mappings(owner: str) -> str:
    return f"{PREFIX}maps:{owner}"


def campaign_key(hash: str) -> str:
    return f"{PREFIX}gk:{hash}"


def shared_work(name: str) -> str:
    return f"{PREFIX}shared:{name}"


def spool_mark(segment: str) -> str:
    return f"{PREFIX}spool:{segment}"
