"""Every Redis key of the call store, in one place.

All keys of a namespace share one hash slot, so that one script may move a call and append its event on Redis Cluster too:
the tag in the prefix is chosen so that the public stream's name hashes to the same slot. One slot is one core of one node,
measured at tens of thousands of transitions a second, far above what a PBX can ring.

prefix +              type     holds
``c:{extid}``         hash     a call's record, found by the extid of its first attempt; its fields are in RECORDS.md
``x:{extid}``         string   a redial's extid -> ``first extid:attempt``
``xo:{owner}:{extid}`` string  an owner's extid that another has -> the extid on the wire, under which the record is kept; the
                               owner is "" for the installation itself
``k:{hash}``          string   idempotency key -> extid; expires some time after its call's end, until then it does not
``past:{0 to 1048572}`` hash    extid -> what makes a repeated request the same call, packed (archived.lua), of calls whose record
                               has left Redis for the archive; ``t`` is the day on which it was looked through last
``q:{account}:{u n b}`` list   ready calls: urgent, normal, bulk
``q:{account}:{u n b}:{owner}`` list those of a tenant, a line of its own; ``turns:{account}:{u n b}`` list of the tenants that
                               have one, or campaigns there, whoever is next first
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
``woken``             list     accounts with new calls, for the workers that wait in Redis for it; ``listening`` is there while
                               some do
``help:{account}``    string   a pacer woke workers for calls that wait: for 250 ms, for 1 s while somebody attends, and for 3 s
                               while only the rate is in the way
``room:{Unix ms/10}`` string   at a look in these 10 ms Redis was not full
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
``gm:{campaign}:{hour}`` hash  how many of its calls ended: ``{minute}:{state or completed:disposition}``; kept 2 h.
``gh:{campaign}:{day}`` hash   the same by hour, ``{hour}:{...}``; kept 9 days. Hours and days are those of UTC
``tick:{minute}``     hash     counters: a armed, c created, ``e:{end}``, ``d:{disposition}`` of calls, ``r:{disposition}`` of
                               attempts; kept 2 h. ``hour:{hour}`` the same and ``y:{end}:{reason}``; kept 8 days
``inbox``             stream   raw results from AloVoice, group ``collect``
``orphans``           zset     results whose extid is not known yet, by the time they are given up, ms
``orphans:{entry}``   hash     the body ``b`` (type ``t``) of several results of which ``n`` are orphans; ``dl`` is its dead
                               letter, ``more`` counts those given up after the first
``callback``          string   a callback came within the last 7 days: its PTTL says when
``callbacks:refused`` hash     callbacks refused, by reason; kept for 5 minutes after the last
``keys:limits``       hash     name of an API key -> what is counted of it by now: quota, tab, caps, as in enqueue.lua
``keys:refused``      string   (HyperLogLog) addresses from which wrong API keys came; kept for 5 minutes after the last
``dead``              stream   results that nobody could use, for replay; ``dead:{id}`` is the body, kept 30 days
``spool:{segment}``   string   bytes of a spool's file that are in the inbox; kept 7 days
``stop``              string   the emergency stop and its reason
``seen``              string   when a pacer last looked at the clock, ms; ``drain`` results may be late for a moment
``epoch``             string   made once; missing while workers run = the store was lost
``mark``              hash     v form of the data, env sandbox or live, host of the provider's address; see mark.py
``primary``           hash     run (id of the server), gen (generation, grows with each server), at, open and until: when
                               claims go on after a change, seen: when a worker asked last, was: the generation and `seen`
                               before it; ``owing`` is the set of workers that they wait for
``confirmed``         string   written so that a ``WAIT`` has something to wait for
``workers``           hash     worker name -> heartbeat JSON
``web``               hash     name of a web process -> heartbeat JSON
``logs``              stream   log lines of all processes as JSON, ``l``; ``p`` is the process, ``n`` the line's number in it
``events:held``       hash     while a group has not read events that were trimmed otherwise: ``group``, ``since`` (ms, of the
                               oldest), ``length``, and the bounds ``age`` (ms) and ``most``
``events:lost``       string   events dropped before every group had read them; kept 7 days after the last
``archive``           hash     how far the archiver is: read (ms up to which it has everything), calls, url, error, trouble
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
``filters:{screen}:{scope}`` hash a key's or person's saved filters of a list: name -> query; 20 at the most
``provider-check``    hash     the newest check of AloVoice from the monitor: id, actor, phone (masked), account, at (ms),
                               ``rang:{number}`` what was answered to its questions; with ``:entries`` behind it the list of
                               what it showed, JSON; kept 30 days. ``:running`` is the id of the one that runs, for 30 s at
                               a time, ``:used:{id}`` a confirmation that was used, for a day, ``:cassette`` the newest exchange
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
``campaigns:~{owner}`` zset    those of an API key that has a name; ``campaigns:owners`` hash of the ids -> owner
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
                               vt virtual time, req src cols rows (JSON), kc its key's caps, qt its limits, tn its
                               tenant, er chunks rewritten by erasures, ow owner, by who made it, why reason of its state,
                               cr made, st started, en ended, re when the latest redial planned is due, ms, from campaign
                               that it was made from
``gc:{campaign}``     hash     calls by state, live, attempts, talk seconds, row (failures in a row),
                               ``d:{disposition}`` of calls, ``a:{disposition}`` of attempts
``gq:{campaign}``     list     its ready calls: the hopper
``gchan:{campaign}``  zset     channels that its calls hold, where it has a share
``fair:{account}:{n b}`` zset  campaigns with ready calls that nothing holds back, by virtual time; ``:{owner}`` behind it: those
                               of a tenant, who is among ``turns`` then
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
from binascii import crc_hqx
from collections.abc import Mapping
from functools import cache
from itertools import count
from typing import ClassVar, Final

from alodial_schemas import ENDS, Disposition, State

from ..settings import DEFAULT_NAMESPACE, Settings

SLOTS: Final = 16384
PRIORITY_LETTERS: Final = {"urgent": "u", "normal": "n", "bulk": "b"}


def slot_of(key: str) -> int:
    """The hash slot of a key on Redis Cluster: CRC-16/XMODEM of the part in its first braces, or of the whole key."""
    _, brace, rest = key.partition("{")
    tag, closed, _ = rest.partition("}")
    return crc_hqx((tag if brace and closed and tag else key).encode(), 0) % SLOTS


@cache
def _tag(namespace: str) -> str:
    """A text whose slot is that of ``NAMESPACE:events``: ``dial`` by default, else the smallest ``NAMESPACE-N``."""
    if namespace == DEFAULT_NAMESPACE:
        return "dial"
    slot = slot_of(f"{namespace}:events")
    return next(tag for n in count() if slot_of(tag := f"{namespace}-{n}") == slot)


@cache
def _made(namespace: str, broker_on_cluster: bool) -> "Keys":  # cached by place
    return Keys(namespace, broker_on_cluster=broker_on_cluster)


def keys_of(settings: Settings) -> "Keys":
    """The names of the keys that these settings are about."""
    url = (settings.broker_url or settings.redis_url).get_secret_value()
    return _made(settings.namespace, url.startswith("redis+cluster:"))


class Keys:
    """The names of one namespace's keys; a store carries them as ``keys``. Immutable.

    The prefix is ``NAMESPACE:{tag}:``, the stream ``NAMESPACE:events``, Dramatiq's own keys begin with
    ``BROKER_NAMESPACE``; these may live in another Redis (``ALODIAL_BROKER_URL``).
    """

    OLD: Final = ":o"
    """Ends the name of the list of a bucket's old calls."""

    INBOX_GROUP: Final = "collect"
    PRIORITY_LETTERS: ClassVar[Mapping[str, str]] = PRIORITY_LETTERS
    ENDED_LABELS: Final = (
        *(f"completed:{name}" for name in sorted(Disposition)),
        *sorted(ENDS - {State.COMPLETED}),
    )
    """The labels under which ended calls are listed."""

    def __init__(  # noqa: PLR0915  # a list of names
        self, namespace: str = DEFAULT_NAMESPACE, *, broker_on_cluster: bool = False
    ) -> None:
        self.namespace: Final = namespace
        self.EVENTS: Final = f"{namespace}:events"
        prefix = f"{namespace}:{{{_tag(namespace)}}}:"
        self.PREFIX: Final = prefix
        # The default's name is older than namespaces: messages under way keep it. On a Cluster a script of Dramatiq's that
        # touched several slots was refused, so that there are none.
        kept = namespace == DEFAULT_NAMESPACE and not broker_on_cluster
        self.BROKER_NAMESPACE: Final = "alodial:broker" if kept else prefix + "broker"
        self.INDEX: Final = prefix + "index"
        self.DEAD_BYTES: Final = prefix + "dead_bytes"
        self.UNCONFIRMED: Final = prefix + "unconfirmed"
        self.OWNERS: Final = prefix + "owners"
        self.INBOX: Final = prefix + "inbox"
        self.CALLBACK_SEEN: Final = prefix + "callback"
        self.KEYS_REFUSED: Final = prefix + "keys:refused"
        self.CALLBACKS_REFUSED: Final = prefix + "callbacks:refused"
        self.ORPHANS: Final = prefix + "orphans"
        self.DEAD: Final = prefix + "dead"
        self.EVENTS_HELD: Final = prefix + "events:held"
        self.EVENTS_LOST: Final = prefix + "events:lost"
        self.ARCHIVE: Final = prefix + "archive"
        self.ERASURES: Final = prefix + "erasures"
        self.DUE: Final = prefix + "due"
        self.LEASE: Final = prefix + "lease"
        self.AWAIT: Final = prefix + "await"
        self.COUNTS: Final = prefix + "counts"
        self.ACCOUNTS: Final = prefix + "accounts"
        self.STOP: Final = prefix + "stop"
        self.CONFIRMED: Final = prefix + "confirmed"
        self.EPOCH: Final = prefix + "epoch"
        self.MARK: Final = prefix + "mark"
        self.WORKERS: Final = prefix + "workers"
        self.KEYS: Final = prefix + "keys"
        self.KEYS_USED: Final = prefix + "keys:used"
        self.KEYS_VERSION: Final = prefix + "keys:version"
        self.KEYS_LIMITS: Final = prefix + "keys:limits"
        self.WEB: Final = prefix + "web"
        self.SESSIONS: Final = prefix + "sessions"
        self.DRAFTS: Final = prefix + "drafts"
        self.WEBHOOKS: Final = prefix + "wh"
        self.WEBHOOKS_ADDED: Final = prefix + "wh:added"
        self.TALLY: Final = prefix + "tally"
        self.LOGS: Final = prefix + "logs"
        self.LOGS_LOST: Final = prefix + "logs:lost"
        self.CAMPAIGNS: Final = prefix + "campaigns"
        self.TIDIED: Final = prefix + "tidied"
        self.CAMPAIGN_OWNERS: Final = prefix + "campaigns:owners"
        self.CAMPAIGNS_LIVE: Final = prefix + "campaigns:live"
        self.DAYS_MADE: Final = prefix + "made:@"
        self.CAMPAIGNS_PURGE: Final = prefix + "purge"
        self.DNC: Final = prefix + "dnc"
        self.ERASED: Final = self.DNC + ":#"
        self.INBOX_WAKEUP: Final = prefix + "bell:inbox:"
        self.WOKEN: Final = prefix + "woken"
        self.LISTENING: Final = prefix + "listening"

    def record(self, extid: str) -> str:
        return f"{self.PREFIX}c:{extid}"

    def past(self, extid: str) -> str:
        """Where it is remembered which request made a call whose record is in the archive alone."""
        return f"{self.PREFIX}past:{int(extid) % 1048573}"

    def alias(self, extid: str) -> str:
        return f"{self.PREFIX}x:{extid}"

    def own_extid(self, owner: str, extid: str) -> str:
        """The key of an owner's extid that was another's before; ``owner`` is "" for the installation itself."""
        return f"{self.PREFIX}xo:{owner}:{extid}"

    def ready(self, account: str, priority: str) -> str:
        return f"{self.PREFIX}q:{account}:{self.PRIORITY_LETTERS[priority]}"

    def line(self, account: str, priority: str, owner: str) -> str:
        """The ready calls of a tenant."""
        return f"{self.ready(account, priority)}:{owner}"

    def turns(self, account: str, priority: str) -> str:
        """The tenants with ready calls, in the order of their turns."""
        return f"{self.PREFIX}turns:{account}:{self.PRIORITY_LETTERS[priority]}"

    def webhook(self, endpoint: str, part: str = "") -> str:
        return f"{self.WEBHOOKS}:{endpoint}:{part}" if part else f"{self.WEBHOOKS}:{endpoint}"

    def by_number(self, number: str, *, initiator: bool) -> str:
        return f"{self.PREFIX}{'i' if initiator else 'n'}:{number[-4:]}"

    def by_reference(self, reference: str) -> str:
        return f"{self.PREFIX}{Keys._reference_bucket(reference)}"

    @staticmethod
    def _reference_bucket(reference: str) -> str:
        return f"r:{zlib.crc32(reference.encode('utf-8', 'surrogatepass')) & 4095}"

    @staticmethod
    def buckets(body: str, reference: str) -> str:
        """The names of the lists that find a call by its numbers and reference, without the prefix, separated by spaces.

        Reads the body as text and not as JSON: 1 microsecond of the 40 that a call takes in bulk. Only alodial writes bodies,
        and a test compares the numbers with those of ``alodial_schemas.numbers_of``.
        """
        if body.startswith('{"callfrom":') and '","' not in body and '"queue"' not in body and "*" not in body:
            # Nothing but whole phones, as in most: each ends an object.
            names = "i:" + " n:".join([phone[-4:] for phone in body.split('"}')[:-1]])
            return f"{names} {Keys._reference_bucket(reference)}" if reference else names
        head, *phones = body.split('"phone":"')
        if phones:
            digits = " n:".join([phone.partition('"')[0][-4:] for phone in phones])
            names = f"i:{digits}" if head == '{"callfrom":{' else f"n:{digits}"
        else:
            to = body.partition('"callto":"')[2]
            names = "n:" + to[: to.find('"')][-4:] if to else ""
        return f"{names} {Keys._reference_bucket(reference)}".lstrip() if reference else names

    def audit(self, *, own: bool) -> str:
        return f"{self.PREFIX}audit:own" if own else f"{self.PREFIX}audit"

    def audit_head(self, *, own: bool) -> str:
        return f"{self.audit(own=own)}:head"

    def session(self, id: str) -> str:
        return f"{self.PREFIX}session:{id}"

    def sign_in_link(self, id: str) -> str:
        return f"{self.PREFIX}sign-in:{id}"

    def saved_filters(self, scope: str, screen: str) -> str:
        return f"{self.PREFIX}filters:{screen}:{scope}"

    def provider_check(self, part: str = "") -> str:
        return f"{self.PREFIX}provider-check:{part}" if part else f"{self.PREFIX}provider-check"

    def upload_draft(self, id: str) -> str:
        return f"{self.PREFIX}draft:{id}"

    def draft_work(self, id: str) -> str:
        return f"{self.upload_draft(id)}:work"

    def dead_body(self, id: str) -> str:
        return f"{self.DEAD}:{id}"

    def by_owner(self, owner: str) -> str:
        return f"{self.PREFIX}o:{owner}"

    def ended(self, label: str) -> str:
        """The stream of calls that ended in a state, or with ``completed:{disposition}``."""
        return f"{self.PREFIX}e:{label}"

    def campaign_calls(self, id: str) -> str:
        return f"{self.PREFIX}gi:{id}"

    def campaign_ended(self, id: str, label: str) -> str:
        return f"{self.PREFIX}ge:{id}:{label}"

    def campaign_minutes(self, id: str, hour: int) -> str:
        return f"{self.PREFIX}gm:{id}:{hour}"

    def campaign_hours(self, id: str, day: int) -> str:
        return f"{self.PREFIX}gh:{id}:{day}"

    def minute(self, number: int) -> str:
        return f"{self.PREFIX}tick:{number}"

    def hour(self, number: int) -> str:
        return f"{self.PREFIX}hour:{number}"

    def channels(self, account: str) -> str:
        return f"{self.PREFIX}chan:{account}"

    def account(self, name: str) -> str:
        return f"{self.PREFIX}acct:{name}"

    def campaigns_of(self, owner: str) -> str:
        """The ids of an owner's campaigns by the time they were made; "" for those of all."""
        return f"{self.CAMPAIGNS}:~{owner}" if owner else self.CAMPAIGNS

    def campaign(self, id: str) -> str:
        return f"{self.PREFIX}g:{id}"

    def campaign_counts(self, id: str) -> str:
        return f"{self.PREFIX}gc:{id}"

    def campaign_rows(self, id: str) -> str:
        return f"{self.PREFIX}rows:{id}"

    def campaign_problems(self, id: str) -> str:
        return f"{self.PREFIX}bad:{id}"

    def campaign_ready(self, id: str) -> str:
        return f"{self.PREFIX}gq:{id}"

    def campaign_outcomes(self, id: str) -> str:
        return f"{self.PREFIX}out:{id}"

    def campaign_log(self, id: str) -> str:
        return f"{self.PREFIX}glog:{id}"

    def calendar(self, campaign: str, zone: str = "") -> str:
        return f"{self.PREFIX}cal:{campaign}:{zone}" if zone else f"{self.PREFIX}cal:{campaign}"

    def campaign_zones(self, campaign: str) -> str:
        return f"{self.PREFIX}zones:{campaign}"

    def days(self, campaign: str) -> str:
        return f"{self.PREFIX}day:{campaign}"

    def do_not_call(self, scope: str = "") -> str:
        return f"{self.DNC}:{scope}" if scope else self.DNC

    def column_mappings(self, owner: str) -> str:
        return f"{self.PREFIX}maps:{owner}"

    def campaign_key(self, hash: str) -> str:
        return f"{self.PREFIX}gk:{hash}"

    def shared_work(self, name: str) -> str:
        return f"{self.PREFIX}shared:{name}"

    def spool_mark(self, segment: str) -> str:
        return f"{self.PREFIX}spool:{segment}"
