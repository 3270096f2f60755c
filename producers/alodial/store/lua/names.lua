-- What new calls are known by besides their own extid: idempotency keys, extids that their callers chose. Shared by every script.
local MOST_NAMES = 528 -- characters: 16 keys
local NAME_BYTES = 150 -- of one more

-- A key has no expiry of its own while its call lives: `move` gives it one at the end, whenever that is. Further keys of a
-- call come with its extid, which names it too; beyond 16 they are kept for `keep` ms from now on, as long as the key that
-- asks may store more.
local function name_call(idem, x, state, q, keep) -- seldom
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
local function call_named(idem, former, digest) -- seldom
  local x = redis.call('GET', P .. 'k:' .. idem)
  if x or former == '' then return x end
  x = redis.call('GET', P .. 'k:' .. former)
  return x and redis.call('HGET', P .. 'c:' .. x, 'd') == digest and x
end

-- Whether a record belongs to whoever asks. A call of an older version names its owner and no tenant: both may find it.
local function is_mine(r, owner, tenant) -- seldom
  if tenant ~= '' then return r[4] == owner end
  return not r[5]
end

-- A new call has no record: only where there is an id the rest is read. `lasting`: a name of the caller's choice leads to it, which
-- is known longer than a record that the archive has.
local NO_RECORD = {}
local function record_of(x, lasting) -- seldom
  local key = P .. 'c:' .. x
  if redis.call('HGET', key, 'id') then return redis.call('HMGET', key, 'id', 's', 'd', 'w', 'tn', 'ox') end
  local past = lasting and redis.call('HGET', past_of(x), x)
  return past and remembered(x, past) or NO_RECORD
end

-- Whatever a new call may meet: the record that is there or NO_RECORD, where it was found, whether that is another owner's, the
-- extid of the new call, the one that it shares with another owner's, the spare and the key without that of an older version.
local function met(x, digest, idem, owner, tenant, spare) -- seldom
  local found, former, theirs, name = x, nil, nil, nil
  if spare ~= '' then
    name = (tenant ~= '' and owner or '') .. ':' .. x
    x = redis.call('GET', P .. 'xo:' .. name) or x
    found = x
  end
  if idem ~= '' then
    idem, former = string.match(idem, '^(%S*) ?(%S*)$')
    found = call_named(idem, former, digest) or x
  end
  local r = record_of(found, digest ~= '')
  if not r[1] and found ~= x then
    -- The key outlived its call's record; the extid may still be somebody's.
    found = x
    r = record_of(x, digest ~= '')
  end
  if r[1] and found == x and not is_mine(r, owner, tenant) then
    r, theirs = NO_RECORD, true
  elseif not r[1] and digest ~= '' then
    -- Only an extid of the caller's choice can meet one that a redial was given: ours have 50 random bits.
    local redialed = redis.call('GET', P .. 'x:' .. x)
    if redialed then
      theirs = true
      if is_mine(record_of(string.match(redialed, '^%d+')), owner, tenant) then spare = '' end
    end
  end
  return r, found, theirs, x, name, spare, idem
end

-- The limit of its API key that a new call would exceed and the seconds until there is room again; nil when it is counted.
local function over_quota(quota, body) -- seldom
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
