"""Bugs planted in the Lua, one at a time: the comparison with the model finds every one, so it would find a real one."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import redis.exceptions
from changed_script import changed, places
from model_past import live_past
from model_quotas import live_under_quotas
from store_harness import ClockedStore
from store_pair import Pair, live, worlds
from test_late_information import Late
from test_late_information import (
    test_an_answer_of_the_first_attempt_ends_the_call_while_the_second_is_out as first_attempt_answers,
)

from alodial.store.call_transitions import NewCall
from alodial.testing.redis_server import EmbeddedRedis

PLANTED = {
    "an id counts for whoever sends it": (
        "enqueue",
        "if r[1] and found == x and not is_mine(r, owner, tenant) then",
        "if r[1] and found == x and r[1] ~= id and not is_mine(r, owner, tenant) then",
    ),
    "a list that no worker empties is taken for a wake-up": (
        "enqueue",
        "redis.call('RPUSH', P .. 'woken', account) > 1",
        "redis.call('RPUSH', P .. 'woken', account) > 9",
    ),
    "nobody listens and no message is sent": (
        "enqueue",
        "return redis.call('EXISTS', P .. 'listening') == 0 or",
        "return",
    ),
    "claim takes traces of canceled calls": ("claim", "if r[1] == 'queued' and not r[2] then", "if not r[2] then"),
    "claim does not look at expires_at": (
        "claim",
        "late = expires_by(gone, ms)",
        "late = false",
    ),
    "claim sets no lease": ("claim", "leased[#leased + 1], leased[#leased + 2] = ms + lease, x", ""),
    "claim does not count channels": ("claim", "free = cap - redis.call('ZCARD', chan)", "free = cap"),
    "claim forgets the slots it gave": ("claim", "if rate > 0 then tat = slot + gap end", ""),
    "a slot that is far ahead is waited for": ("claim", "us + math.max(horizon, second) + gap", "math.huge"),
    "workers under a limit take no turns": ("claim", "number(state[11]) + math.max(step, horizon / 2)", "0"),
    "claim ignores a pause": ("claim", "if hold > ms then", "if false then"),
    "claim lets several probes through": ("claim", "if probing and max > 1 then max = 1 end", ""),
    "claim forgets what it took": ("claim", "if before then return again(before) end", ""),
    "claim puts nothing back": ("claim", "for _, x in ipairs(back) do give_back(load(x)) end", ""),
    "a suspect takes others along": ("claim", "if r[12] then break end", ""),
    "a suspect is taken among others": ("claim", "if r[12] and #taken > 0 then", "if false then"),
    "confirm takes anybody's word": ("confirm", "if r[1] ~= 'queued' or r[2] ~= token then return 0 end", ""),
    "arm leaves a suspicion": ("arm", "unsuspect(r)\n  move(r, 'submitting'", "move(r, 'submitting'"),
    "arm does not look at the token": ("arm", "if not r or r.tok ~= token then", "if not r then"),
    "arm does not look at the lease": ("arm", "if not ends or tonumber(ends) <= ms then", "if not ends then"),
    "arm does not look at the stop": (
        "arm",
        "  if stopped then return { 'stop', 0, 0 } end\n  local ends",
        "  local ends",
    ),
    "arm counts a start twice that was held up": (
        "arm",
        "redis.call('LREM', P .. 'starts:' .. r.a, 1, int(-slot))",
        "",
    ),
    "arm starts before its slot": ("arm", "if rate > 0 and us < slot - early then", "if false then"),
    "arm does not write its start down": (
        "arm",
        "if redis.call('LPUSH', starts, us_text) > 2 * most then",
        "if redis.call('LLEN', starts) > 2 * most then",
    ),
    "arm lets a second hold one start too many": (
        "arm",
        "local most = math.max(1, math.ceil(rate))",
        "local most = math.ceil(rate) + 1",
    ),
    "settle does not look at the token": (
        "settle",
        "if r.tok == token and (r.s == 'submitting' or r.s == 'queued') then return true end",
        "if r.s == 'submitting' or r.s == 'queued' then return true end",
    ),
    "settle leaves the lease of what was taken": ("settle", "redis.call('ZREM', LEASE, unpack(calls))", ""),
    "settle waits for no result": ("settle", "redis.call('ZADD', AWAIT, unpack(awaiting))", ""),
    "settle counts every refusal": (
        "settle",
        "local function is_probe(a, token) return a.probe == token or a.hold <= ms end",
        "local function is_probe(a, token) return true end",
    ),
    "one refused call opens the breaker": ("settle", "elseif a.ar and a.ar ~= r.x then", "else"),
    "a call's own refusals are never at an end": ("settle", "if counted >= OWN_REFUSALS and", "if false and"),
    "refusals count without anything taken between": (
        "settle",
        "if tonumber(at) ~= proofs then counted",
        "if true then counted",
    ),
    "calls refused for the token's sake wait on": ("settle", "let_refused_go(a.name)", ""),
    "resume leaves them waiting": ("resume", "let_refused_go(account)", ""),
    "a POST that never left is a try": (
        "settle",
        "return out_of_reach(r, token, delay, json, code)",
        "redis.call('HINCRBY', key, 'rt', 1)\n    return out_of_reach(r, token, delay, json, code)",
    ),
    "an outage opens no breaker": ("settle", "if a.un < OUT_OF_REACH then", "if true then"),
    "an answer leaves the breaker of an outage open": (
        "settle",
        "if a.brk and a.bk == 'unsent' then close_breaker(a) end",
        "",
    ),
    "a wrong address is each call's own end": (
        "settle",
        "  elseif outcome == 'address' then\n",
        "  elseif false then\n",
    ),
    "the address is doubted for ever": (
        "settle",
        "if outcome == 'address' and account_of(r.a).tk == address then outcome = 'rejected' end",
        "",
    ),
    "a wrong address stops nobody": (
        "settle",
        "    open_breaker(a, 'address', code, ms + 5000)\n    return true\n  end\n  if is",
        "    return true\n  end\n  if is",
    ),
    "a redirect stops nobody": ("settle", "if a.tk ~= address and string.find(code, '^status_3')", "if false"),
    "release frees the channel of a call that is being submitted": (
        "release",
        "if r and (r.s == 'submitted' or r.s == 'unconfirmed') then",
        "if r then",
    ),
    "nobody waits too long": ("claim", "return since and since <= stale", "return false"),
    "each refusal for now is a step": ("settle", "if a.hold > ms then return end", ""),
    "settle never gives up": ("settle", "if tries >= max_tries then", "if false then"),
    "settle forgets what it said": ("settle", "redis.call('HSET', key, 'st', mark .. answer)", ""),
    "apply takes results of what was never sent": ("apply", "if not known[1] then", "if false then"),
    "apply takes a duplicate for new": ("apply", "if said then return says(said) end", ""),
    "apply redials without end": (
        "apply",
        "if r.n >= policy.max_attempts then return nil end\n    delay = nth_delay(",
        "delay = nth_delay(",
    ),
    "cancel reaches what is being submitted": (
        "cancel",
        "elseif r.s == 'scheduled' or r.s == 'queued' then",
        "elseif not ENDS[r.s] then",
    ),
    "a full store takes new calls": ("enqueue", "  elseif store_full(alone, looked) then", "  elseif false then"),
    "a full store forgets the calls that it has": (
        "enqueue",
        "  if r and r[1] then\n    local outcome = 'conflict'",
        "  if r and r[1] and not store_full() then\n    local outcome = 'conflict'",
    ),
    "the pacer takes it for calm while calls wait": ("pace", "    busy = 1\n", ""),
    "the pacer forgets the ready list": ("pace", "push_ready(r, r.g and 'LPUSH' or 'RPUSH')", ""),
    "the sweeper puts back what may have rung": ("sweep", "if r and r.s == 'queued' then", "if r then"),
    "the sweeper blames a call for any death": (
        "sweep",
        "if r.cr and redis.call('HGET', key, 'al') == r.tok then",
        "if r.cr then",
    ),
    "the sweeper never gives up": ("sweep", "if crashes >= poison then", "if false then"),
    "the sweeper leaves overdue results": (
        "sweep",
        "if r and (r.s == 'submitted' or r.s == 'unconfirmed') then",
        "if false then",
    ),
    "an end keeps its channel": (
        "settle",
        "redis.call('ZREM', P .. 'chan:' .. r.a, r.x)\n    if r.g and redis.call('ZREM', P .. 'gchan:'",
        "if r.g and redis.call('ZREM', P .. 'gchan:'",
    ),
    "a live call's idempotency key runs out": (
        "enqueue",
        "redis.call('SET', P .. 'k:' .. idem, x) end",
        "redis.call('SET', P .. 'k:' .. idem, x, 'PX', keep) end",
    ),
    "a further key of a live call runs out": (
        "enqueue",
        "if ENDS[state] or #names >= MOST_NAMES then",
        "if true then",
    ),
    "an ended call keeps its idempotency key for ever": (
        "settle",
        "redis.call('PEXPIRE', P .. 'k:' .. name, KEEP)",
        "local _ = name",
    ),
    "another owner's extid is the same call": ("enqueue", "and not is_mine(r, owner, tenant) then", "and false then"),
    "an owner's extid on the wire of another is forgotten": ("enqueue", "redis.call('SET', P .. 'xo:' .. name, x)", ""),
    "an event pushes out unread ones": (
        "settle",
        "XADD', EVENTS, '*', 'event', '{",
        "XADD', EVENTS, 'MAXLEN', 8, '*', 'event', '{",
    ),
    "an unconfirmed call has no deadline": ("settle", "redis.call('ZADD', AWAIT, ms + timeout, r.x)", ""),
    "a certain outcome does not win over the sweeper": (
        "settle",
        "if r.s == 'unconfirmed' then return certain and r.tok == token end",
        "if r.s == 'unconfirmed' then return false end",
    ),
    "an uncertain outcome wins over the sweeper": (
        "settle",
        "if r.s == 'unconfirmed' then return certain and r.tok == token end",
        "if r.s == 'unconfirmed' then return r.tok == token end",
    ),
    "a stranger wins over the sweeper": (
        "settle",
        "if r.s == 'unconfirmed' then return certain and r.tok == token end",
        "if r.s == 'unconfirmed' then return certain end",
    ),
    "a redial goes out beside an outcome that is certain": (
        "settle",
        "    withdraw_redial(r)\n    return true",
        "    return false",
    ),
    "a withdrawn redial stays due": (
        "settle",
        "'lt', 'tok')\n  redis.call('ZREM', DUE, r.x)",
        "'lt', 'tok')",
    ),
    "a POST whose arm is forgotten goes out again": (
        "settle",
        "if attempt == r.n and (outcome == 'taken' or outcome == 'unconfirmed' or outcome == 'rejected') then",
        "if false then",
    ),
    "an unconfirmed call that was refused still waits for a result": (
        "settle",
        "if r.s == 'unconfirmed' then redis.call('ZREM', AWAIT, r.x) end",
        "",
    ),
    "an answer after another result cancels no redial": (
        "apply",
        "if disposition == 'answered' and was ~= 'answered' then",
        "if false then",
    ),
    "an answer frees the channel of an attempt that is out": (
        "apply",
        "if chan then redis.call('ZADD', P .. 'chan:' .. r.a, chan, r.x) end",
        "",
    ),
    "an outage of Redis ends leases": ("sweep", "local wait = clock_step() ~= 0", "local wait = false"),
    "the pacer extends no leases after an outage": ("pace", "  shift(LEASE, step)\n", ""),
    "a clock that goes back holds the account": (
        "pace",
        "if number(state[1]) > ms then redis.call('HSET', acct, 'hold', int(math.max(ms, number(state[1]) + step))) end",
        "",
    ),
    "a clock that goes back holds the rate": (
        "pace",
        "if number(state[2]) > us then redis.call('HSET', acct, 'tat', int(math.max(us, number(state[2]) + step * 1000))) end",
        "",
    ),
    "a clock that goes back leaves starts in the future": (
        "pace",
        "redis.call('DEL', P .. 'starts:' .. account, ",
        "redis.call('DEL', ",
    ),
    "a move is not counted": ("settle", "counted[to] = (counted[to] or 0) + 1", ""),
    "an event's id does not tell what it says": (
        "settle",
        "string.sub(redis.sha1hex(says), 1, 8)",
        "'00000000'",
    ),
}

SELDOM = {
    "an answer of an earlier attempt is only kept": (
        "apply",
        "if n < r.n and disposition ~= 'answered' then return 'kept' end",
        "if n < r.n and (disposition ~= 'answered' or r.s ~= 'scheduled' and r.s ~= 'queued') then return 'kept' end",
    ),
}
"""Random lives come seldom where these show: the tests of late information find them."""

TICKS = {
    "claim takes a part of a tick": (
        "claim",
        "math.ceil((us + ahead) / tick) * tick - us or horizon",
        "horizon or horizon",
    ),
    "a turn comes before its tick": ("claim", "(math.ceil(slot / tick) - 1) * tick + 1 or slot", "slot - tick or slot"),
    "slots of a missed turn are lost": ("claim", "us - 2 * tick or us", "us or us"),
    "whoever finds the rate free makes slots good for": ("claim", "number(state[11]) > us - 2 * tick and", "true and"),
    "turns are a slot apart and no tick": ("claim", "local step = math.max(gap, tick)", "local step = gap"),
}

QUOTAS = {
    "a key's day has room for one more": (
        "number(redis.call('GET', used)) >= daily",
        "number(redis.call('GET', used)) > daily",
    ),
    "a key's calls are not counted": ("redis.call('INCR', used)", ""),
    "a key's days are all one day": ("name .. ':' .. int(day)", "name .. ':day'"),
    "a number may be called once more": ("':' .. n, cap - 1)", "':' .. n, cap)"),
    "a number's cap never ends": ("if at and ms - at < seconds * 1000 then", "if at then"),
    "a number's cap ends a moment late": ("ms - at < seconds * 1000", "ms - at <= seconds * 1000"),
    "only the first recipient is looked at": (
        "for _, n in ipairs(recipients) do\n      local at",
        "for _, n in ipairs({ recipients[1] }) do\n      local at",
    ),
    "your own number counts as a recipient": (
        "then return table.remove(numbers, 1), numbers end",
        "then return nil, numbers end",
    ),
    "whoever is called alone, by a menu or for a queue, is taken for your own number": (
        "if #numbers > 1 then return",
        "if true then return",
    ),
    "a number's caps are shared by all keys": (
        "local calls = P .. 'quota:' .. name .. ':' .. n",
        "local calls = P .. 'quota:b:' .. n",
    ),
    "a refused call counts for the day": (
        "  local recipients = {}\n  if cap > 0 then",
        "  if daily > 0 then redis.call('INCR', used) end\n  local recipients = {}\n  if cap > 0 then",
    ),
    "a call sent again counts twice": (
        "if r and r[1] then\n    local outcome = 'conflict'",
        "if quota ~= '' then over_quota(quota, values[i + 2]) end\n  if r and r[1] then\n    local outcome = 'conflict'",
    ),
    "a number's last calls are kept for ever": ("redis.call('LTRIM', calls, 0, cap - 1)", ""),
    "a key has room for one more waiting call": ("number(held[1]) + calls > q.live", "number(held[1]) > q.live"),
    "a key's rate is not kept": ("if at > ms then state, not_before = 'scheduled', int(at) end", ""),
    "a refusal does not say for how long": ("int(math.ceil(wait))", "0"),
}
"""What limits the calls of an API key, in enqueue: lives under such limits find them."""

PAST = {
    "a call that changed is let go": (
        "archived",
        "if not ENDS[r[1]] or number(r[2]) ~= tonumber(ARGV[i + 1]) then",
        "if not ENDS[r[1]] then",
    ),
    "a call that left is forgotten": ("archived", "redis.call('HSET', key, x, value)", ""),
    "an extid is known as long as a key": ("archived", "local keep = math.max(RETAIN, KEEP)", "local keep = KEEP"),
    "what somebody has to remember is thrown away": (
        "archived",
        "if all[i] ~= 't' and is_forgotten(all[i + 1]) then",
        "if all[i] ~= 't' then",
    ),
    "a call that left is anybody's": ("archived", "(tenant and '+' or '')", "''"),
    "a call that left is nobody's": ("archived", "(owner or '')", "''"),
    "its owner's extid is another's": ("archived", "(shown and ' ' .. shown or '')", "''"),
    "what left is known for ever": ("enqueue", "if is_forgotten(value) then return nil end", ""),
    "every request is the same": ("enqueue", "string.sub(hex, 1, 16), owner", "'d1d1d1d1d1d1d1d1', owner"),
    "a call that came back has no redials": ("restore", "if r['x' .. n] then", "if false then"),
    "a call comes back in place of a new one": ("restore", "if here == 0 and ENDS", "if ENDS"),
    "a call that came back stays for ever": ("restore", "redis.call('PEXPIRE', key, life)", ""),
    "a call that came back leaves before it is read": ("apply", "redis.call('PEXPIRE', P .. 'c:' .. r.x, RETAIN)", ""),
    "a key finds no call that left": (
        "enqueue",
        "local r = record_of(found, digest ~= '')",
        "local r = record_of(found)",
    ),
}
"""What is known of calls that left Redis for the archive."""


def planted(store: ClockedStore, name: str) -> ClockedStore:
    script, old, new = (
        PLANTED | SELDOM | TICKS | PAST | {quota: ("enqueue", *change) for quota, change in QUOTAS.items()}
    )[name]
    kept = store._scripts[script]
    assert places(kept, old) == 1, f"the place of {name!r} has changed"
    store._scripts[script] = changed(kept, old, new)
    return store


FOUND = (AssertionError, redis.exceptions.ResponseError, KeyError)


def lives(stores: Sequence[ClockedStore]) -> None:
    for seed in range(200):
        live(stores[seed % len(stores)], seed, Counter())


@pytest.mark.search
@pytest.mark.slow
@pytest.mark.timeout(1800)  # hundreds of lives: minutes on a slow machine
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(redis_server: EmbeddedRedis, name: str) -> None:
    stores = [planted(ClockedStore(world), name) for world in worlds(redis_server.url)]
    with pytest.raises(FOUND):
        lives(stores)


@pytest.mark.parametrize("name", SELDOM)
def test_a_planted_bug_that_random_lives_seldom_meet_is_found(
    redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    begin = Late.__init__

    def plant(late: Late, *args: Any, **given: Any) -> None:
        begin(late, *args, **given)
        planted(late.store, name)

    monkeypatch.setattr(Late, "__init__", plant)
    with pytest.raises(FOUND):
        first_attempt_answers(redis_server, "submitted")


def claims_of_ticks(store: ClockedStore) -> None:
    pair = Pair(store, lambda options: options[-1], Counter())
    calls = [NewCall(str(n), f"id-{n}", "{}") for n in range(201, 231)]
    pair.extids += [call.extid for call in calls]
    pair.enqueue(calls)
    for step in range(30):
        pair.claim("default", usual=True, tick=102_000)
        pair.pass_time(170 if step % 8 == 7 else 20)


def test_claims_of_ticks_agree_with_the_model(redis_server: EmbeddedRedis) -> None:
    claims_of_ticks(ClockedStore(worlds(redis_server.url)[2]))


@pytest.mark.parametrize("name", TICKS)
def test_a_planted_bug_in_the_claims_of_ticks_is_found(redis_server: EmbeddedRedis, name: str) -> None:
    with pytest.raises(FOUND):
        claims_of_ticks(planted(ClockedStore(worlds(redis_server.url)[2]), name))


def lives_under_quotas(store: ClockedStore) -> None:
    for seed in range(40):
        live_under_quotas(Pair(store, random.Random(seed).choice, Counter()), seed)


@pytest.mark.parametrize("name", QUOTAS)
def test_a_planted_bug_in_the_limits_of_keys_is_found(redis_server: EmbeddedRedis, name: str) -> None:
    store = planted(ClockedStore(worlds(redis_server.url)[0]), name)
    with pytest.raises(FOUND):
        lives_under_quotas(store)


def lives_with_an_archive(store: ClockedStore) -> None:
    for seed in range(30):
        live_past(Pair(store, random.Random(seed).choice, Counter()), seed)


@pytest.mark.search
@pytest.mark.slow
@pytest.mark.parametrize("name", PAST)
def test_a_planted_bug_in_what_is_known_of_archived_calls_is_found(redis_server: EmbeddedRedis, name: str) -> None:
    store = planted(ClockedStore(worlds(redis_server.url)[0]), name)
    with pytest.raises(FOUND):
        lives_with_an_archive(store)
