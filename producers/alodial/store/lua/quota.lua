-- Limits of API keys that the store counts. A quota is "key daily_calls", its caps (enqueue.lua) and, where the key has such,
-- ";waiting_calls stored_bytes gap_us", 0 for no limit, as calls and campaigns bring it along from the request that makes them; gap_us
-- is from one call to the next at the key's rate. Nothing here runs without a quota.
local CALL_BYTES = 1000 -- of a record and its places in lists and events, beside its texts
local AHEAD_US = 2000000 -- rows that a hopper gets before their turn: a single call of the key waits no longer than that for them
local LOOKED_THROUGH = 100 -- campaigns in one step, for those that are gone

local quotas = {}
local function quota_of(written) -- seldom
  if not written or written == '' then return nil end
  local q = quotas[written]
  if not q then
    local name, daily = string.match(written, '^(%S+) (%d+)')
    local live, bytes, gap = string.match(written, ';(%d+) (%d+) (%d+)$')
    q = { name = name, daily = tonumber(daily), live = number(live), bytes = number(bytes), gap = number(gap) }
    quotas[written] = q
  end
  return q
end

-- The limits of an owner's key as they are by now (`keys:limits`), or those that were written down with its call or campaign, and
-- its caps: quota, caps.
local function limits_now(owner, quota, caps) -- seldom
  local now = owner and owner ~= '' and redis.call('HGET', P .. 'keys:limits', owner)
  if not now then return quota, caps end
  return string.match(now, '^([^\t]*)\t(.*)$')
end

-- The same of a campaign, for which its rows are counted from now on.
local function limits_of_campaign(g, owner, quota, caps) -- seldom
  local now, now_caps = limits_now(owner, quota, caps)
  if now and now ~= '' and now ~= quota then redis.call('HSET', P .. 'g:' .. g, 'qt', now) end
  return quota_of(now), now_caps ~= '' and now_caps
end

-- How many more calls the key may place today, the day's counter, and when the next day begins.
local function calls_left(q) -- seldom
  local day, tomorrow = today()
  local used = P .. 'quota:' .. q.name .. ':' .. int(day)
  return q.daily - number(redis.call('GET', used)), used, tomorrow
end

local function count_today(used, calls) -- seldom
  redis.call('INCRBY', used, calls)
  redis.call('PEXPIRE', used, 172800000)
end

-- When the next call of a key and priority may become ready, in ms: at once, or so long after the one before as the key's
-- rate says. A flood waits among the scheduled calls then, where it stands in nobody's way, nor before the key's own urgent calls.
local function next_turn(queue, gap) -- seldom
  local turn = P .. 'turn:' .. queue
  local at = math.max(us, number(redis.call('GET', turn)))
  redis.call('SET', turn, int(at + gap), 'PX', int((at + gap - us) / 1000 + 60000))
  return math.floor(at / 1000)
end

-- Whether a call whose time has come waits for its key's turn besides; that is looked at once (`pg`: key, priority and gap).
local function waits_for_turn(r) -- seldom
  local queue, gap = string.match(r.pg, '^(%S+) (%d+)$')
  local at = next_turn(queue, tonumber(gap))
  redis.call('HDEL', P .. 'c:' .. r.x, 'pg')
  if at <= ms then return false end
  redis.call('ZADD', DUE, at, r.x)
  return true
end

-- Whether a redial waits for its key's turn, or for tomorrow. It counts as a further call of its key, once (`rq`).
local function redial_waits(r) -- seldom
  if r.rq == int(r.n) then return false end
  local q = quota_of((limits_now(r.w, r.qt or r.g and redis.call('HGET', P .. 'g:' .. r.g, 'qt'))))
  if not q or q.daily == 0 and q.gap == 0 then return false end
  if q.daily > 0 then
    local left, used, tomorrow = calls_left(q)
    if left <= 0 then
      redis.call('ZADD', DUE, tomorrow, r.x)
      return true
    end
    count_today(used, 1)
  end
  redis.call('HSET', P .. 'c:' .. r.x, 'rq', int(r.n))
  local at = q.gap > 0 and next_turn(q.name .. ':' .. r.p, q.gap) or ms
  if at <= ms then return false end
  redis.call('ZADD', DUE, at, r.x)
  return true
end

-- How many of so many rows a key may place now, and when there are more, ms.
local function rows_allowed(q, rows, p) -- seldom
  local allowed, more = rows, ms
  if q.daily > 0 then
    local left, _, tomorrow = calls_left(q)
    if left < allowed then allowed, more = left, tomorrow end
  end
  if q.gap > 0 then
    local at = math.max(us, number(redis.call('GET', P .. 'turn:' .. q.name .. ':' .. p)))
    local turns = at <= us + AHEAD_US and math.floor((us + AHEAD_US - at) / q.gap) + 1 or 0
    if turns < allowed then allowed, more = turns, math.ceil((at - AHEAD_US) / 1000) end
  end
  return math.max(0, allowed), more
end

local function count_rows(q, rows, p) -- seldom
  if q.daily > 0 then
    local _, used = calls_left(q)
    count_today(used, rows)
  end
  if q.gap > 0 then
    local turn = P .. 'turn:' .. q.name .. ':' .. p
    local at = math.max(us, number(redis.call('GET', turn))) + rows * q.gap
    redis.call('SET', turn, int(at), 'PX', int((at - us) / 1000 + 60000))
  end
end

-- The rows that are counted for this campaign wait no longer; gone: nor are their bytes there.
release_rows = function(written, g, gone) -- seldom
  local held = P .. 'held:' .. string.match(written, '^%S+')
  local rows, bytes = string.match(redis.call('HGET', held .. ':g', g) or '', '^(%d+) (%d+)$')
  if not rows then return end
  redis.call('HINCRBY', held, 'c', -rows)
  if gone then
    redis.call('HINCRBY', held, 'b', -bytes)
    redis.call('HDEL', held .. ':g', g)
  else
    redis.call('HSET', held .. ':g', g, '0 ' .. bytes)
  end
end

-- Bytes that are in Redis no longer: of calls that ended so long ago that their records are gone, and of campaigns that are gone.
local swept = {}
local function forget_gone(q) -- seldom
  if swept[q.name] then return end
  swept[q.name] = true
  local held, oldest = P .. 'held:' .. q.name, math.floor((ms - RETAIN) / 86400000)
  local fields = redis.call('HGETALL', held)
  for i = 1, #fields, 2 do
    local day = tonumber(string.match(fields[i], '^e(%d+)$'))
    if day and day < oldest then
      redis.call('HINCRBY', held, 'b', -fields[i + 1])
      redis.call('HDEL', held, fields[i])
    end
  end
  local page = redis.call('HSCAN', held .. ':g', redis.call('HGET', held, 'at') or '0', 'COUNT', LOOKED_THROUGH)
  for i = 1, #page[2], 2 do
    local g = page[2][i]
    if redis.call('EXISTS', P .. 'g:' .. g) == 0 then release_rows(q.name, g, true) end
  end
  redis.call('HSET', held, 'at', page[1])
end

-- The limit that so many more waiting calls and bytes would exceed, or nil.
local function over_store(q, calls, bytes) -- seldom
  if q.live == 0 and q.bytes == 0 then return nil end
  local function over()
    local held = redis.call('HMGET', P .. 'held:' .. q.name, 'c', 'b')
    if q.live > 0 and number(held[1]) + calls > q.live then return 'waiting_calls' end
    if q.bytes > 0 and number(held[2]) + bytes > q.bytes then return 'stored_bytes' end
    return nil
  end
  if not over() then return nil end
  forget_gone(q)
  return over()
end

-- Counts a call that is stored. Answers what its record says of it, so that its end takes it back (`move`).
local function hold_call(q, bytes) -- seldom
  redis.call('HINCRBY', P .. 'held:' .. q.name, 'c', 1)
  redis.call('HINCRBY', P .. 'held:' .. q.name, 'b', bytes)
  return q.name .. ' ' .. bytes
end

-- Counts what nothing takes back: for as long as ended calls are kept.
local function hold_for_a_while(q, bytes) -- seldom
  if q.live == 0 and q.bytes == 0 then return end
  redis.call('HINCRBY', P .. 'held:' .. q.name, 'b', bytes)
  redis.call('HINCRBY', P .. 'held:' .. q.name, 'e' .. math.floor(ms / 86400000), bytes)
end

-- Counts rows that are stored. They wait until their campaign ends, and their bytes are there as long as it is.
local function hold_rows(q, g, rows, bytes) -- seldom
  if q.live == 0 and q.bytes == 0 then return end
  local held = P .. 'held:' .. q.name
  local more, most = string.match(redis.call('HGET', held .. ':g', g) or '', '^(%d+) (%d+)$')
  redis.call('HINCRBY', held, 'c', rows)
  redis.call('HINCRBY', held, 'b', bytes)
  redis.call('HSET', held .. ':g', g, int(number(more) + rows) .. ' ' .. int(number(most) + bytes))
end
