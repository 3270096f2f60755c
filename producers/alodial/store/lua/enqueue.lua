-- Stores calls, each once for its id, and for its owner's extid and idempotency key.
-- ARGV: retention of idempotency keys in ms, deadline in ms by Redis' clock (0: none), then for each call 10 values:
--   extid id body account priority reference metadata not_before expires buckets
--   and where buckets begin with a space 10 more:
--   on_unconfirmed redial campaign digest key owner redial_of tenant spare quota
--   key: the idempotency key, and behind a space the one under which an older version stored the same row
--   tenant: 1 when the owner has extids of its own, '' when it shares those of the installation
--   spare: "extid id" of ours, for an extid of the caller's choice that another owner has
--   quota: "key daily_calls" of the API key that it comes by and, where it has such, " cap_calls cap_seconds first_calls first_seconds":
--     how often it may call a number and ring it first, 0 for no limit; campaign.lua looks at them again when it is armed.
--     What follows behind a semicolon is described in quota.lua
-- Answer: { {accounts to ring}, row, ... }; a row is 1 (stored and queued), 2 (stored and scheduled) or
--   {outcome, extid of the record, id, state, the caller's extid} of the call that was there: created (by this very request, or just
--   now under the spare), same or conflict, which is of this owner; full: there is no room for a new one (instead of the id how much is used, and the limit); or
--   limit, with the limit's name for the id and the seconds to wait for the caller's extid.
-- After the deadline nothing is stored and the answer is Redis' clock in ms: whoever asked was told so by then.
local keep, deadline = ARGV[1], tonumber(ARGV[2])
if deadline > 0 and ms > deadline then return ms end
local answer, ring, touched = { {} }, {}, {}
local OPTIONAL = { 5, 'r', 6, 'm', 7, 'nb', 8, 'x', 10, 'u', 11, 'rd', 12, 'g', 13, 'd', 15, 'w', 16, 'of' }
local fields = { 's', '', 'id', '', 'b', '', 'tl', '' }
local values = ARGV -- a local variable: it is looked at ten times a call
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

-- A new call has no record: only where there is an id the rest is read. `lasting`: a name of the caller's choice leads to it, which
-- is known longer than a record that the archive has.
local NONE = {}
local function read(x, lasting)
  local key = P .. 'c:' .. x
  if redis.call('HGET', key, 'id') then return redis.call('HMGET', key, 'id', 's', 'd', 'w', 'tn', 'ox') end
  local past = lasting and redis.call('HGET', past_of(x), x)
  return past and remembered(x, past) or NONE
end

local i, following = 3, 3
while i <= #values do
  local x, id, account, priority, buckets = values[i], values[i + 1], values[i + 3], values[i + 4], values[i + 9]
  local g, digest, idem, owner, tenant, spare, quota, optional = '', '', '', '', '', '', '', 8
  following = i + 10
  if string.byte(buckets) == 32 then
    g, digest, idem, owner = values[i + 12], values[i + 13], values[i + 14], values[i + 15]
    tenant, spare, quota, optional = values[i + 17], values[i + 18], values[i + 19], #OPTIONAL
    following = i + 20
  end
  local shown, found, former, theirs, name = x, x, nil, nil, nil
  if spare ~= '' then
    name = (tenant ~= '' and owner or '') .. ':' .. x
    x = redis.call('GET', P .. 'xo:' .. name) or x
    found = x
  end
  if idem ~= '' then
    idem, former = string.match(idem, '^(%S*) ?(%S*)$')
    found = named(idem, former, digest) or x
  end
  local r = read(found, digest ~= '')
  if not r[1] and found ~= x then
    -- The key outlived its call's record; the extid may still be somebody's.
    found = x
    r = read(x, digest ~= '')
  end
  if r[1] and found == x and not is_mine(r, owner, tenant) then
    r, theirs = NONE, true
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
    if idem ~= '' and outcome ~= 'conflict' then name_by(idem, found, r[2], quota ~= '' and quota_of(quota)) end
    answer[#answer + 1] = { outcome, found, r[1], r[2], r[6] and string.match(r[6], '%d+$') or found }
  elseif theirs and spare == '' then
    answer[#answer + 1] = { 'conflict', x, '', '', x }
  elseif store_full(#values <= 22) then
    answer[#answer + 1] = { 'full', x, store_full(), '', x }
  else
    local q, limit, wait, bytes = quota ~= '' and quota_of(quota), nil, 60, nil
    if q then
      bytes = CALL_BYTES + #values[i + 2] + #values[i + 5] + #values[i + 6]
      limit = over_store(q, 1, bytes)
      if not limit then limit, wait = over_quota(quota, values[i + 2]) end
    end
    if limit then
      answer[#answer + 1] = { 'limit', x, limit, '', int(math.ceil(wait)) }
    else
      if theirs then x, id = string.match(spare, '^(%d+) (.+)$') end
      local key = P .. 'c:' .. x
      local not_before, expires = values[i + 7], values[i + 8]
      local state = (not_before ~= '' and tonumber(not_before) > ms) and 'scheduled' or 'queued'
      local paced = q and q.gap > 0 and state
      if paced == 'queued' then
        local at = next_turn(q.name .. ':' .. priority, q.gap)
        if at > ms then state, not_before = 'scheduled', int(at) end
      end
      local n = 8
      fields[2], fields[4], fields[6], fields[8] = state, id, values[i + 2], state .. ' ' .. now
      if state == 'queued' then fields[9], fields[10], n = 'v', 1, 10 end
      if account ~= 'default' then fields[n + 1], fields[n + 2], n = 'a', account, n + 2 end
      if priority ~= 'n' then fields[n + 1], fields[n + 2], n = 'p', priority, n + 2 end
      for at = 1, optional, 2 do
        local value = values[i + OPTIONAL[at]]
        if value ~= '' then fields[n + 1], fields[n + 2], n = OPTIONAL[at + 1], value, n + 2 end
      end
      if quota ~= '' then
        local capping, caps = string.match(quota, '^(%S+) %d+( %d+ %d+ %d+ %d+)')
        if caps then fields[n + 1], fields[n + 2], n = 'kc', capping .. caps, n + 2 end
      end
      if tenant ~= '' then fields[n + 1], fields[n + 2], n = 'tn', 1, n + 2 end
      if theirs then
        fields[n + 1], fields[n + 2], n = 'ox', name, n + 2
        redis.call('SET', P .. 'xo:' .. name, x)
      end
      -- A redial is counted when its time comes (redial_waits).
      if q and q.daily + q.gap > 0 and (values[i + 10] ~= '' or values[i + 11] ~= '') then
        fields[n + 1], fields[n + 2], n = 'qt', quota, n + 2
      end
      if paced == 'scheduled' then fields[n + 1], fields[n + 2], n = 'pg', q.name .. ':' .. priority .. ' ' .. int(q.gap), n + 2 end
      if q and (q.live > 0 or q.bytes > 0) then fields[n + 1], fields[n + 2], n = 'hb', hold_call(q, bytes), n + 2 end
      -- The space says that nobody chose the extid: see archived.lua.
      if idem ~= '' then fields[n + 1], fields[n + 2], n = 'ik', (spare == '' and ' ' or '') .. idem, n + 2 end
      redis.call('HSET', key, unpack(fields, 1, n))
      if idem ~= '' then redis.call('SET', P .. 'k:' .. idem, x) end
      if expires ~= '' then redis.call('ZADD', EXP, expires, x) end
      listed(x, buckets, owner, g ~= '' and g, not_before)
      if not touched[account] then
        redis.call('SADD', P .. 'accounts', account)
        touched[account] = true
      end
      if state == 'queued' then
        counted.queued = (counted.queued or 0) + 1
        local list = account .. ':' .. priority
        if tenant ~= '' then list = list .. ':' .. owner end
        local calls = made_ready[list]
        if calls then
          calls[#calls + 1] = x
        else
          made_ready[list] = { x }
          -- Its line begins, so the tenant takes turns from now on.
          if tenant ~= '' and redis.call('EXISTS', P .. 'q:' .. list) == 0 then
            into_turns(account .. ':' .. priority, owner, 'RPUSH')
          end
        end
        if not ring[account] then
          ring[account] = true
          ring[#ring + 1] = account
        end
        append_event({ x = x, id = id, s = state, r = values[i + 5], m = values[i + 6], g = g, w = owner, ox = theirs and name or nil, v = 1, n = 1 }, 'queued')
        answer[#answer + 1] = theirs and { 'created', x, id, state, shown } or 1
      else
        counted.scheduled = (counted.scheduled or 0) + 1
        redis.call('ZADD', DUE, not_before, x)
        answer[#answer + 1] = theirs and { 'created', x, id, state, shown } or 2
      end
    end
  end
  i = following
end
for _, account in ipairs(ring) do
  if bell(account) then answer[1][#answer[1] + 1] = account end
end
return answer
