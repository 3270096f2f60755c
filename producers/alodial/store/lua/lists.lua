-- What lists of calls are read from, and counters by minute and hour. Shared by every script, after campaign.lua.
-- A list holds extids only, 11 bytes each: whoever reads looks at the records, which say what is true.
local ticks, hour_ticks = {}, {}
local DAY = 86400000
local YEAR = 366 * DAY -- the longest that a campaign's calls are listed before it ends
local SPARE = 31 * DAY -- beyond the retention of the call that is due last; who waits longer is kept listed by the sweeper

-- Counted once a script: the calls of a batch share the commands. `hour` says that it belongs to the hour alone.
tick = function(name, hour)
  local counts = hour and hour_ticks or ticks
  counts[name] = (counts[name] or 0) + 1
end

-- Ends of a campaign's calls by label, counted once a script as above. A campaign of ten hours has about 40 KiB of them.
local campaign_ends = {}

local function write_campaign_ends()
  local minute, hour = math.floor(ms / 60000), math.floor(ms / 3600000)
  for g, labels in pairs(campaign_ends) do
    local minutes = P .. 'gm:' .. g .. ':' .. int(hour)
    local hours = P .. 'gh:' .. g .. ':' .. int(math.floor(hour / 24))
    for label, count in pairs(labels) do
      -- A field that is new is an hour's first or a minute's first: often enough for the expiry.
      if redis.call('HINCRBY', minutes, int(minute % 60) .. ':' .. label, count) == count then redis.call('PEXPIRE', minutes, 7500000) end
      if redis.call('HINCRBY', hours, int(hour % 24) .. ':' .. label, count) == count then redis.call('PEXPIRE', hours, 9 * DAY) end
    end
  end
end

-- Of minutes an hour is read, and the one before it for comparison; of hours seven days and the one that is not over. A field
-- that is new is often enough for the expiry.
local function write_ticks()
  local minute = P .. 'tick:' .. string.format('%d', ms / 60000)
  local hour = P .. 'hour:' .. string.format('%d', ms / 3600000)
  for name, count in pairs(ticks) do
    if redis.call('HINCRBY', minute, name, count) == count then redis.call('PEXPIRE', minute, 7500000) end
    if redis.call('HINCRBY', hour, name, count) == count then redis.call('PEXPIRE', hour, 8 * DAY + 3600000) end
  end
end

local function write_hour_ticks()
  local hour = P .. 'hour:' .. string.format('%d', ms / 3600000)
  for name, count in pairs(hour_ticks) do
    if redis.call('HINCRBY', hour, name, count) == count then redis.call('PEXPIRE', hour, 8 * DAY + 3600000) end
  end
end

-- Into a list of those that share four digits of a number, or a reference's hash. The calls of a batch that share one go in
-- together: most have the same initiator.
-- `longer`: ms for which some are kept beyond the time of most.
local waiting, longer = {}, {}
local function bucket(name, more, x)
  local calls = waiting[name]
  if calls then calls[#calls + 1] = x else waiting[name] = { x } end
  if more > (longer[name] or 0) then longer[name] = more end
end

-- When a call was made, by its id; nil for an id that is none of ours.
local function made(id) -- seldom
  return tonumber(string.sub(id, 1, 8) .. string.sub(id, 10, 13), 16)
end

-- Takes what Redis forgot from a list's end. A call that waits for a far day would keep all that stands before it: it moves to a
-- second list behind the first, NAME:o, in the same order.
local function trim(key, most) -- seldom
  local old, moved = key .. ':o', false
  for _ = 1, most do
    local oldest = redis.call('LINDEX', key, -1)
    if not oldest then break end
    local id = redis.call('HGET', P .. 'c:' .. oldest, 'id')
    if id then
      local at = made(id)
      if not at or at > ms - RETAIN then break end
      redis.call('RPOPLPUSH', key, old)
      moved = true
    else
      redis.call('RPOP', key)
    end
  end
  if moved then redis.call('PEXPIRE', old, math.max(redis.call('PTTL', old), redis.call('PTTL', key), RETAIN + SPARE)) end
  for _, x in ipairs(redis.call('LRANGE', old, -64, -1)) do
    if redis.call('EXISTS', P .. 'c:' .. x) == 0 then redis.call('LREM', old, -1, x) end
  end
end

-- Into one such list, which is kept for the time of most and so much `more`. Now and then it is trimmed: about at each 16th call that
-- comes up to 32, twice as many.
local function into_list(name, more, ...)
  local key, count = P .. name, select('#', ...)
  local length, life = redis.call('LPUSH', key, ...), RETAIN + SPARE + more
  -- Exact to a day, so that most calls only look.
  if length == count or redis.call('PTTL', key) < life then redis.call('PEXPIRE', key, life + DAY) end
  if count >= 16 or tonumber(string.sub((...), -2)) % 16 == 0 then trim(key, 32 + 2 * count) end
end

local function write_lists()
  for name, calls in pairs(waiting) do into_list(name, longer[name] or 0, unpack(calls)) end
end

-- A new call, to be found by its numbers and its reference (`buckets`, as keys.buckets names them), its owner and in the order
-- of all. `due` is when it may go, '' for now; `alone`: no other call of this script shares its lists.
local function listed(x, buckets, owner, g, due, alone)
  redis.call('XADD', P .. 'index', '*', 'x', x)
  local more = (due and due ~= '') and math.max(0, tonumber(due) - ms) or 0
  local put = alone and into_list or bucket
  for name in string.gmatch(buckets, '%S+') do put(name, more, x) end
  if owner and owner ~= '' then
    redis.call('SADD', P .. 'owners', owner)
    redis.call('XADD', P .. 'o:' .. owner, '*', 'x', x)
  end
  if g and redis.call('LPUSH', P .. 'gi:' .. g, x) == 1 then redis.call('PEXPIRE', P .. 'gi:' .. g, RETAIN + YEAR) end
  tick('c')
end

-- In the lists of another outcome too; readers look at the record, so that the entry in the former one does no harm.
listed_as = function(r, label) -- seldom
  redis.call('XADD', P .. 'e:' .. label, '*', 'x', r.x)
  if not r.g then return end
  local key = P .. 'ge:' .. r.g .. ':' .. label
  if redis.call('LPUSH', key, r.x) == 1 then redis.call('PEXPIRE', key, RETAIN + YEAR) end
end

listed_end = function(r, to, note)
  local label = to
  if to == 'completed' then
    label = 'completed:' .. (r.dp or 'unknown')
    redis.call('XADD', P .. 'e:' .. label, '*', 'x', r.x)
    tick('d:' .. (r.dp or 'unknown'))
  else
    -- The reason stands beside it, so that those of one reason are found without looking at the others' records.
    local code = string.match(note or '', '^[%w_]+') or ''
    redis.call('XADD', P .. 'e:' .. label, '*', 'x', r.x, 'y', code)
    tick('y:' .. to .. ':' .. code, true)
  end
  if r.g then
    local key = P .. 'ge:' .. r.g .. ':' .. label
    if redis.call('LPUSH', key, r.x) == 1 then redis.call('PEXPIRE', key, RETAIN + YEAR) end
    local labels = campaign_ends[r.g] or {}
    labels[label] = (labels[label] or 0) + 1
    campaign_ends[r.g] = labels
  end
  tick('e:' .. to)
end
