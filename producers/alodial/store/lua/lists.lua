-- What lists of calls are read from, and counters by minute and hour. Shared by every script, after campaign.lua.
-- A list holds extids only, 11 bytes each: whoever reads looks at the records, which say what is true.
local ticks = {}
local YEAR = 366 * 86400000 -- the longest that a call may wait for its time

-- Counted once a script: the calls of a batch share the commands. `hour` says that it belongs to the hour alone.
tick = function(name, hour)
  local names = hour and 'hour' or 'both'
  ticks[names] = ticks[names] or {}
  ticks[names][name] = (ticks[names][name] or 0) + 1
end

local function write_ticks()
  if not next(ticks) then return end
  local minute = P .. 'tick:' .. int(math.floor(ms / 60000))
  local hour = P .. 'hour:' .. int(math.floor(ms / 3600000))
  for name, count in pairs(ticks.both or {}) do
    redis.call('HINCRBY', minute, name, count)
    redis.call('HINCRBY', hour, name, count)
  end
  for name, count in pairs(ticks.hour or {}) do redis.call('HINCRBY', hour, name, count) end
  if ticks.both then redis.call('PEXPIRE', minute, 7500000) end -- an hour is read, and the one before it for comparison
  redis.call('PEXPIRE', hour, 8 * 86400000) -- seven days and the one that is not over
end

-- Into a list of those that share four digits of a number, or a reference's hash. The calls of a batch that share one go in
-- together: most have the same initiator.
local waiting = {}
local function bucket(name, x)
  local calls = waiting[name]
  if calls then calls[#calls + 1] = x else waiting[name] = { x } end
end

-- Now and then what Redis forgot is taken from a list's end: about at each 16th that comes up to 32, twice as many.
local function write_lists()
  for name, calls in pairs(waiting) do
    local key = P .. name
    local length = redis.call('LPUSH', key, unpack(calls))
    if length == #calls or #calls >= 16 or tonumber(string.sub(calls[1], -2)) % 16 == 0 then
      redis.call('PEXPIRE', key, RETAIN + YEAR)
      for _ = 1, 32 + 2 * #calls do
        local oldest = redis.call('LINDEX', key, -1)
        if not oldest or redis.call('EXISTS', P .. 'c:' .. oldest) == 1 then break end
        redis.call('RPOP', key)
      end
    end
  end
end

-- A new call, to be found by its numbers and its reference (`buckets`, as keys.buckets names them), its owner and in the order
-- of all.
local function listed(x, buckets, owner, g)
  redis.call('XADD', P .. 'index', '*', 'x', x)
  for name in string.gmatch(buckets, '%S+') do bucket(name, x) end
  if owner and owner ~= '' then
    redis.call('SADD', P .. 'owners', owner)
    redis.call('XADD', P .. 'o:' .. owner, '*', 'x', x)
  end
  if g and redis.call('LPUSH', P .. 'gi:' .. g, x) == 1 then redis.call('PEXPIRE', P .. 'gi:' .. g, RETAIN + YEAR) end
  tick('c')
end

-- In the lists of another outcome too; readers look at the record, so that the entry in the former one does no harm.
listed_as = function(r, label)
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
  end
  tick('e:' .. to)
end
