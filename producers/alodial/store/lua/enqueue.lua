-- Stores calls, each once for its id, and for its owner's extid and idempotency key.
-- ARGV: retention of idempotency keys in ms, deadline in ms by Redis' clock (0: none), then for each call 20 values:
--   extid id body account priority reference metadata not_before expires on_unconfirmed redial campaign digest key owner redial_of
--   tenant spare quota buckets
--   key: the idempotency key, and behind a space the one under which an older version stored the same row
--   tenant: 1 when the owner has extids of its own, '' when it shares those of the installation
--   spare: "extid id" of ours, for an extid of the caller's choice that another owner has
--   quota: "key daily_calls" of the API key that it comes by and, where it has such, " cap_calls cap_seconds first_calls first_seconds":
--     how often it may call a number and ring it first, 0 for no limit; campaign.lua looks at them again when it is armed.
--     What follows behind a semicolon is described in quota.lua
-- Answer: { {accounts to ring}, row, ... }; a row is 1 (stored and queued), 2 (stored and scheduled) or
--   {outcome, extid of the record, id, state, the caller's extid} of the call that was there: created (by this very request, or just
--   now under the spare), same or conflict, which is of this owner; full: there is no room for a new one; or
--   limit, with the limit's name for the id and the seconds to wait for the caller's extid.
-- After the deadline nothing is stored and the answer is Redis' clock in ms: whoever asked was told so by then.
local keep, deadline = ARGV[1], tonumber(ARGV[2])
if deadline > 0 and ms > deadline then return ms end
local answer, ring, touched = { {} }, {}, {}
local ready, scheduled, queued = {}, 0, 0
local OPTIONAL = { [5] = 'r', [6] = 'm', [7] = 'nb', [8] = 'x', [9] = 'u', [10] = 'rd', [11] = 'g', [12] = 'd', [14] = 'w', [15] = 'of' }
local MOST_NAMES = 528 -- characters: 16 keys
local NAME_BYTES = 150 -- of one more

-- A key has no expiry of its own while its call lives: `move` gives it one at the end, whenever that is. Further keys of a
-- call come with its extid, which names it too; beyond 16 they are kept for the retention from now on, as long as the key that
-- asks may store more.
local function name_by(idem, x, state, q)
  local names = redis.call('HGET', P .. 'c:' .. x, 'ik') or ''
  if ENDS[state] or #names >= MOST_NAMES then
    if q and over_store(q, 0, NAME_BYTES) then return end
    if redis.call('SET', P .. 'k:' .. idem, x, 'PX', keep, 'NX') and q then hold_for_a_while(q, NAME_BYTES) end
  elseif not string.find(names, idem, 1, true) then
    redis.call('SET', P .. 'k:' .. idem, x)
    redis.call('HSET', P .. 'c:' .. x, 'ik', names == '' and idem or names .. ' ' .. idem)
  end
end

-- The call that a key names: "" when there is none. What an older version stored counts for the very same row only.
local function named(idem, former, digest)
  local x = redis.call('GET', P .. 'k:' .. idem)
  if x or former == '' then return x end
  x = redis.call('GET', P .. 'k:' .. former)
  return x and redis.call('HGET', P .. 'c:' .. x, 'd') == digest and x
end

-- Whether a record belongs to whoever asks. A call of an older version names its owner and no tenant: both may find it.
local function is_mine(r, owner, tenant)
  if tenant ~= '' then return r[4] == owner end
  return not r[5]
end

-- The limit of its API key that a new call would exceed and the seconds until there is room again; nil when it is counted.
local function over_quota(quota, body)
  local name, daily, cap, seconds = string.match(quota, '^(%S+) (%d+) ?(%d*) ?(%d*)')
  daily, cap, seconds = tonumber(daily), tonumber(cap) or 0, tonumber(seconds) or 0
  local day, tomorrow = today()
  local used = P .. 'quota:' .. name .. ':' .. int(day)
  if daily > 0 and number(redis.call('GET', used)) >= daily then return 'daily_calls', (tomorrow - ms) / 1000 end
  local recipients = {}
  if cap > 0 then
    recipients = select(2, roles_of(body))
    for _, n in ipairs(recipients) do
      local at = redis.call('LINDEX', P .. 'quota:' .. name .. ':' .. n, cap - 1)
      if at and ms - at < seconds * 1000 then return 'recipient_cap', seconds - (ms - at) / 1000 end
    end
  end
  if daily > 0 then
    redis.call('INCR', used)
    redis.call('PEXPIRE', used, 172800000)
  end
  for _, n in ipairs(recipients) do
    local calls = P .. 'quota:' .. name .. ':' .. n
    redis.call('LPUSH', calls, ms)
    redis.call('LTRIM', calls, 0, cap - 1)
    redis.call('PEXPIRE', calls, seconds * 1000)
  end
end

local function read(x) return redis.call('HMGET', P .. 'c:' .. x, 'id', 's', 'd', 'w', 'tn', 'ox') end

for i = 3, #ARGV, 20 do
  local x, id, account, priority = ARGV[i], ARGV[i + 1], ARGV[i + 3], ARGV[i + 4]
  local digest, owner, tenant, spare = ARGV[i + 12], ARGV[i + 14], ARGV[i + 16], ARGV[i + 17]
  local shown, theirs = x, nil
  local name = (tenant ~= '' and owner or '') .. ':' .. x
  if spare ~= '' then x = redis.call('GET', P .. 'xo:' .. name) or x end
  local idem, former = string.match(ARGV[i + 13], '^(%S*) ?(%S*)$')
  local found = x
  if idem ~= '' then found = named(idem, former, digest) or x end
  local r = read(found)
  if not r[1] and found ~= x then
    -- The key outlived its call's record; the extid may still be somebody's.
    found = x
    r = read(x)
  end
  if r[1] and found == x and not is_mine(r, owner, tenant) then
    r, theirs = { false }, true
  elseif not r[1] and digest ~= '' then
    -- Only an extid of the caller's choice can meet one that a redial was given: ours have 50 random bits.
    local redialed = redis.call('GET', P .. 'x:' .. x)
    if redialed then
      theirs = true
      if is_mine(read(string.match(redialed, '^%d+')), owner, tenant) then spare = '' end
    end
  end
  if r[1] then
    local outcome = 'conflict'
    if r[1] == id or spare ~= '' and spare == found .. ' ' .. r[1] then outcome = 'created'
    elseif digest ~= '' and r[3] == digest then outcome = 'same' end
    -- A key that comes with an extid stored before names that call from now on.
    if idem ~= '' and outcome ~= 'conflict' then name_by(idem, found, r[2], quota_of(ARGV[i + 18])) end
    answer[#answer + 1] = { outcome, found, r[1], r[2], r[6] and string.match(r[6], '%d+$') or found }
  elseif theirs and spare == '' then
    answer[#answer + 1] = { 'conflict', x, '', '', x }
  elseif store_full() then
    answer[#answer + 1] = { 'full', x, '', '', x }
  else
    local q, limit, wait, bytes = quota_of(ARGV[i + 18]), nil, 60, nil
    if q then
      bytes = CALL_BYTES + #ARGV[i + 2] + #ARGV[i + 5] + #ARGV[i + 6]
      limit = over_store(q, 1, bytes)
      if not limit then limit, wait = over_quota(ARGV[i + 18], ARGV[i + 2]) end
    end
    if limit then
      answer[#answer + 1] = { 'limit', x, limit, '', int(math.ceil(wait)) }
    else
      if theirs then x, id = string.match(spare, '^(%d+) (.+)$') end
      local key = P .. 'c:' .. x
      local not_before, expires = ARGV[i + 7], ARGV[i + 8]
      local state = (not_before ~= '' and tonumber(not_before) > ms) and 'scheduled' or 'queued'
      local paced = q and q.gap > 0 and state
      if paced == 'queued' then
        local at = next_turn(q.name .. ':' .. priority, q.gap)
        if at > ms then state, not_before = 'scheduled', int(at) end
      end
      local fields, n = { 's', state, 'id', id, 'b', ARGV[i + 2], 'tl', state .. ' ' .. ms }, 8
      if state == 'queued' then fields[9], fields[10], n = 'v', 1, 10 end
      if account ~= 'default' then fields[n + 1], fields[n + 2], n = 'a', account, n + 2 end
      if priority ~= 'n' then fields[n + 1], fields[n + 2], n = 'p', priority, n + 2 end
      for at, name in pairs(OPTIONAL) do
        local value = ARGV[i + at]
        if value ~= '' then fields[n + 1], fields[n + 2], n = name, value, n + 2 end
      end
      local capping, caps = string.match(ARGV[i + 18], '^(%S+) %d+( %d+ %d+ %d+ %d+)')
      if caps then fields[n + 1], fields[n + 2], n = 'kc', capping .. caps, n + 2 end
      if tenant ~= '' then fields[n + 1], fields[n + 2], n = 'tn', 1, n + 2 end
      if theirs then
        fields[n + 1], fields[n + 2], n = 'ox', name, n + 2
        redis.call('SET', P .. 'xo:' .. name, x)
      end
      if paced == 'scheduled' then fields[n + 1], fields[n + 2], n = 'pg', q.name .. ':' .. priority .. ' ' .. int(q.gap), n + 2 end
      if q and (q.live > 0 or q.bytes > 0) then fields[n + 1], fields[n + 2], n = 'hb', hold_call(q, bytes), n + 2 end
      if idem ~= '' then fields[n + 1], fields[n + 2] = 'ik', idem end
      redis.call('HSET', key, unpack(fields))
      if idem ~= '' then redis.call('SET', P .. 'k:' .. idem, x) end
      if expires ~= '' then redis.call('ZADD', EXP, expires, x) end
      listed(x, ARGV[i + 19], owner, ARGV[i + 11] ~= '' and ARGV[i + 11], not_before)
      if not touched[account] then
        redis.call('SADD', P .. 'accounts', account)
        touched[account] = true
      end
      if state == 'queued' then
        queued = queued + 1
        local list = account .. ':' .. priority
        local waiting = ready[list]
        if not waiting then
          waiting = {}
          ready[list] = waiting
        end
        waiting[#waiting + 1] = x
        ring[account] = true
        append_event({ x = x, id = id, s = state, r = ARGV[i + 5], m = ARGV[i + 6], g = ARGV[i + 11], w = owner, ox = theirs and name or nil, v = 1, n = 1 }, 'queued')
        answer[#answer + 1] = theirs and { 'created', x, id, state, shown } or 1
      else
        scheduled = scheduled + 1
        redis.call('ZADD', DUE, not_before, x)
        answer[#answer + 1] = theirs and { 'created', x, id, state, shown } or 2
      end
    end
  end
end
for list, waiting in pairs(ready) do redis.call('RPUSH', P .. 'q:' .. list, unpack(waiting)) end
if queued > 0 then redis.call('HINCRBY', COUNTS, 'queued', queued) end
if scheduled > 0 then redis.call('HINCRBY', COUNTS, 'scheduled', scheduled) end
for account in pairs(ring) do
  if bell(account) then answer[1][#answer[1] + 1] = account end
end
return answer
