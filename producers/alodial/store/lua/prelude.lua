-- Shared by every script. KEYS[1] is the store's prefix, KEYS[2] the event stream; all keys made here carry the prefix's
-- hash tag. Time is the server's. WAYS (transitions), ENDS, RETAIN (ms a record is kept after its call's end), KEEP (ms its
-- idempotency keys are) and FULL (the share of memory above which nothing new is stored) are put in front of this file by scripts.py.
local P, EVENTS = KEYS[1], KEYS[2]
local clock = redis.call('TIME')
local us = clock[1] * 1000000 + clock[2]
local ms = math.floor(us / 1000)
local now = string.format('%d', ms) -- the same as text; '%d' takes half of what '%.0f' does

local DUE = P .. 'due'
local EXP = P .. 'exp'
local LEASE = P .. 'lease'
local AWAIT = P .. 'await'
local COUNTS = P .. 'counts'

-- Whether a new call or campaign would take the last of the memory, which stops, cancellations and results need. Asked once a
-- script (5 us); a Redis that does not say how much it uses is not full. The answer is the bytes that are used and their limit,
-- or false. For a call `alone` it is enough that a look in the same 10 ms by the clock found room, which the key ROOM says: asking
-- is an eighth of storing it. Its name has the time, as a key outlives its expiry where the clock is set back. `looked`: it is there.
local ROOM = P .. 'room:' .. string.sub(now, 1, -2)
local out_of_room
local function store_full(alone, looked)
  if looked then return false end
  if out_of_room == nil then
    out_of_room = false
    if alone and redis.call('EXISTS', ROOM) == 1 then return false end
    local info = redis.pcall('INFO', 'memory')
    -- A number of it; nil where it does not say. Found as plain text: a pattern is tried at each of 2,000 characters.
    local function figure(name)
      local _, at = string.find(info, '\n' .. name .. ':', 1, true)
      return at and tonumber(string.match(info, '^%d+', at + 1))
    end
    local most = type(info) == 'string' and figure('maxmemory') or 0
    if most > 0 then
      local used = figure('used_memory')
      used = used and used - (figure('mem_not_counted_for_evict') or 0)
      if used and used > FULL * most then out_of_room = string.format('%.0f %.0f', used, most) end
    end
    if alone and not out_of_room then redis.call('SET', ROOM, '1', 'PX', 20) end
  end
  return out_of_room
end

-- What campaigns add to a move and to a ready list; campaign.lua says how.
local campaign_moved
local join
local campaign_redial
local channel_freed
-- What the limits of API keys need to know of a campaign; quota.lua says how.
local release_rows
-- What the lists of calls need to know of one that ended; lists.lua says how.
local listed_end
local listed_as
local tick

-- 14 significant digits is all that Lua's own conversion keeps; microseconds have 16.
local function int(n) return string.format('%.0f', n) end

-- The store's generation (primary.lua), and for how many ms claims wait after a change of it.
local function primary_state()
  local p = redis.call('HMGET', P .. 'primary', 'gen', 'open', 'until')
  local wait = 0
  if p[2] and tonumber(p[2]) > ms then wait = tonumber(p[2]) - ms
  elseif p[3] and tonumber(p[3]) > ms and redis.call('EXISTS', P .. 'owing') == 1 then wait = tonumber(p[3]) - ms end
  return p[1] or '0', wait
end

-- Whether a worker's `epoch:generation` is the store's: 'same', 'lost' (another store) or 'moved' (another primary).
-- Workers of earlier versions know no generation.
local function same_store(known)
  local mark, generation = string.match(known, '^([^:]*):?(.*)$')
  if redis.call('GET', P .. 'epoch') ~= mark then return 'lost', 0 end
  local now, wait = primary_state()
  if generation ~= '' and generation ~= now then return 'moved', wait end
  return 'same', wait
end

-- In bytes, as numbers that are formatted take 0.2 us each, and a function of Lua's library twice as long as a division here.
local stamp
local function now_text()
  if not stamp then
    local milli, secs = ms % 1000, (ms - ms % 1000) / 1000
    local sec, rest = secs % 60, secs % 86400
    local minute = (rest - sec) / 60 % 60
    local hour = (rest - minute * 60 - sec) / 3600
    -- Civil date from days since 1970-01-01, counted in 400-year eras of 146097 days that begin on 1 March.
    local z = (secs - rest) / 86400 + 719468
    local doe = z % 146097
    local yoe = doe - (doe - doe % 1460) / 1460 + (doe - doe % 36524) / 36524 - (doe - doe % 146096) / 146096
    yoe = (yoe - yoe % 365) / 365
    local doy = doe - (365 * yoe + (yoe - yoe % 4) / 4 - (yoe - yoe % 100) / 100)
    local mp = 5 * doy + 2
    mp = (mp - mp % 153) / 153
    local day = 153 * mp + 2
    day = doy - (day - day % 5) / 5 + 1
    local month = mp < 10 and mp + 3 or mp - 9
    local year = yoe + (z - doe) / 146097 * 400 + (month <= 2 and 1 or 0)
    -- 48 is '0'. The hundreds of a year, and of the ms, are three digits' worth: what stands left of the last two.
    local years, tens = year % 100, milli % 100
    local century, hundreds = (year - years) / 100, (milli - tens) / 100
    stamp = string.char(
      (century - century % 10) / 10 + 48, century % 10 + 48, (years - years % 10) / 10 + 48, years % 10 + 48, 45,
      (month - month % 10) / 10 + 48, month % 10 + 48, 45, (day - day % 10) / 10 + 48, day % 10 + 48, 84,
      (hour - hour % 10) / 10 + 48, hour % 10 + 48, 58, (minute - minute % 10) / 10 + 48, minute % 10 + 48, 58,
      (sec - sec % 10) / 10 + 48, sec % 10 + 48, 46, hundreds + 48, (tens - tens % 10) / 10 + 48, tens % 10 + 48, 90)
  end
  return stamp
end

local function text(value)
  if not value or value == '' then return 'null' end
  return cjson.encode(value)
end

local function quoted(value)
  if not value or value == '' then return 'null' end
  return '"' .. value .. '"'
end

-- A record as a table that also knows its key `x`; nil when there is none.
local function load(x)
  -- All of it: Redis looks for each single field through the whole record.
  local values, r = redis.call('HGETALL', P .. 'c:' .. x), {}
  for i = 1, #values, 2 do r[values[i]] = values[i + 1] end
  if not r.id then return nil end
  r.expires = r.x
  r.x = x
  r.n = tonumber(r.n or 1) or 1
  r.v = tonumber(r.v or 0) or 0
  r.a = r.a or 'default'
  r.p = r.p or 'n'
  return r
end

local function emit_raw(json)
  redis.call('XADD', EVENTS, '*', 'event', json)
end

-- Its subject, its version and a digest of what it says: a store that went back a second (a failover, a power failure) counts
-- the same versions again, and receivers drop ids that they know. The same change made again has the same id.
local function event_id(subject, version, says)
  return subject .. '-' .. version .. '-h' .. string.sub(redis.sha1hex(says), 1, 8)
end

-- The extid by which whoever placed a call knows an attempt: another owner may have taken his before, and the wire got one of ours.
local function shown_extid(r, extid)
  extid = extid or r.cx or r.x
  return r.ox and extid == r.x and string.match(r.ox, '%d+$') or extid
end

-- A call's event with the id `name`; what does not differ within one script is put together once.
local before_subject
local after_subject
local function put_event(kind, name, id, extid, owner, reference, g, state, disposition, attempt, metadata, result)
  before_subject = before_subject or {}
  local before = before_subject[kind]
  if not before then
    before = '","source":"/alodial","type":"alodial.call.' .. kind .. '","subject":"'
    before_subject[kind] = before
  end
  if not after_subject then
    after_subject = '","time":"' .. now_text() .. '","datacontenttype":"application/json","data":{"call_id":"'
  end
  -- Whose it is stands before the type, as CloudEvents' extension attributes do; a call without an owner is everybody's.
  redis.call('XADD', EVENTS, '*', 'event', '{"specversion":"1.0","id":"' .. name ..
    ((owner and owner ~= '') and '","owner":"' .. owner or '') .. before .. id .. after_subject .. id .. '","extid":"' .. extid ..
    '","reference":' .. ((reference and reference ~= '') and cjson.encode(reference) or 'null') ..
    ',"campaign_id":' .. ((g and g ~= '') and '"' .. g .. '"' or 'null') .. ',"state":"' .. state ..
    '","disposition":' .. ((disposition and disposition ~= '') and '"' .. disposition .. '"' or 'null') ..
    ',"attempt":' .. attempt .. ',"metadata":' .. ((metadata and metadata ~= '') and metadata or '{}') ..
    (result and ',"result":' .. result or '') .. '}}')
end

-- The event of a call at version r.v.
local function append_event(r, kind, result, attempt, extid)
  extid = shown_extid(r, extid)
  attempt = attempt or r.n
  if attempt == 1 then attempt = '1' end
  -- That a call was queued is its first version or none, and always says the same.
  local name = (kind == 'queued' and r.v == 1) and r.id .. '-1'
    or event_id(r.id, r.v, kind .. '|' .. r.s .. '|' .. (r.dp or '') .. '|' .. attempt .. '|' .. extid .. '|' .. (result or ''))
  put_event(kind, name, r.id, extid, r.w, r.r, r.g, r.s, r.dp, attempt, r.m, result)
end

-- The event of a new call.
local function queued_event(id, extid, owner, reference, g, metadata)
  put_event('queued', id .. '-1', id, extid, owner, reference, g, 'queued', nil, '1', metadata)
end

-- Appends the call's event in the same atomic step as its change; the version makes its id the same whoever asks.
local function emit(r, kind, result, attempt, extid)
  r.v = r.v + 1
  redis.call('HSET', P .. 'c:' .. r.x, 'v', r.v)
  append_event(r, kind, result, attempt, extid)
end

-- One line of the timeline is `state ms[ note]`; past 4,000 characters the oldest after the first line give way.
local function line(tl, state, note)
  local entry = state .. ' ' .. now .. ((note and note ~= '') and (' ' .. note) or '')
  if not tl or tl == '' then return entry end
  if #tl > 4000 then
    local first = string.find(tl, ';', 1, true)
    local cut = string.find(tl, ';', first + 1 + #entry, true)
    if cut then tl = string.sub(tl, 1, first) .. string.sub(tl, cut + 1) end
  end
  return tl .. ';' .. entry
end

-- How many calls are in each state more or fewer than before this script: written once, after its own work.
local counted = {}
local function write_counts()
  for state, more in pairs(counted) do
    if more ~= 0 then redis.call('HINCRBY', COUNTS, state, more) end
  end
end

-- New calls that are ready, by account and priority. A list that begins has an account that may not be known. Written after the script's own work, which an error may have ended: a call
-- that is stored is in its list.
local made_ready = {}
local function write_ready()
  for list, calls in pairs(made_ready) do
    if redis.call('RPUSH', P .. 'q:' .. list, unpack(calls)) == #calls then
      redis.call('SADD', P .. 'accounts', string.match(list, '^[^:]+'))
    end
  end
end

-- Moves a record to another state, with further fields; refuses what the transition table does not allow.
local function move(r, to, note, ...)
  local from = r.s
  if not string.find(WAYS, ' ' .. from .. '>' .. to .. ' ', 1, true) then error('alodial: no way from ' .. from .. ' to ' .. to) end
  counted[from] = (counted[from] or 0) - 1
  counted[to] = (counted[to] or 0) + 1
  r.tl = line(r.tl, to, note)
  r.s = to
  local key = P .. 'c:' .. r.x
  redis.call('HSET', key, 's', to, 'tl', r.tl, ...)
  if ENDS[to] then
    redis.call('HDEL', key, 'tok', 'st', 'hb')
    if r.hb then
      -- It waits no longer; its bytes count among those of this day's ends until its record is gone (quota.lua).
      local name, bytes = string.match(r.hb, '^(%S+) (%d+)$')
      redis.call('HINCRBY', P .. 'held:' .. name, 'c', -1)
      redis.call('HINCRBY', P .. 'held:' .. name, 'e' .. math.floor(ms / 86400000), bytes)
      r.hb = nil
    end
    redis.call('PEXPIRE', key, RETAIN)
    if r.cx then
      for i = 2, r.n do
        local other = redis.call('HGET', key, 'x' .. i)
        if other then redis.call('PEXPIRE', P .. 'x:' .. other, RETAIN) end
      end
    end
    if r.ox then redis.call('PEXPIRE', P .. 'xo:' .. r.ox, RETAIN) end
    for name in string.gmatch(r.ik or '', '%S+') do redis.call('PEXPIRE', P .. 'k:' .. name, KEEP) end
    redis.call('ZREM', DUE, r.x)
    redis.call('ZREM', LEASE, r.x)
    redis.call('ZREM', AWAIT, r.x)
    redis.call('ZREM', P .. 'chan:' .. r.a, r.x)
    if r.g and redis.call('ZREM', P .. 'gchan:' .. r.g, r.x) == 1 then channel_freed(r) end
    if r.expires then redis.call('ZREM', EXP, r.x) end
  end
  if to == 'unconfirmed' then redis.call('ZADD', P .. 'unconfirmed', ms, r.x)
  elseif from == 'unconfirmed' then redis.call('ZREM', P .. 'unconfirmed', r.x) end
  if ENDS[to] then listed_end(r, to, note) end
  if r.g then campaign_moved(r, from, to, note) end
end

-- Moves a record and tells of it: the version of the event is written in the same command.
local function move_and_emit(r, to, note, kind, result, attempt, extid, ...)
  r.v = r.v + 1
  move(r, to, note, 'v', r.v, ...)
  append_event(r, kind, result, attempt, extid)
end

local PAST_STATES = ' completed=c rejected=r failed=f expired=e canceled=x timed_out=t '

-- Where Redis remembers what made calls whose record has left it (archived.lua packs it): a hash for many extids.
local function past_of(x) return P .. 'past:' .. int(tonumber(x) % 1048573) end

-- The end of the id of the call with this first extid.
local function id_end(x) return string.format('%012x', tonumber(x) % 281474976710656) end

-- Whether such an entry is remembered no longer: its first two bytes are the day from which it is not.
local function is_forgotten(value)
  local high, low = string.byte(value, 1, 2)
  return high * 256 + low <= math.floor(ms / 86400000)
end

-- What is remembered of such a call: its id, state, digest, owner, whether that is a tenant, and owner and extid where the wire has another.
local function remembered(x, value) -- seldom
  if is_forgotten(value) then return nil end
  local hex = string.gsub(string.sub(value, 4, 21), '.', function(c) return string.format('%02x', string.byte(c)) end)
  local id = string.gsub(string.sub(hex, 17), '^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)', '%1-%2-%3-') .. '-' .. id_end(x)
  local tenant, owner, name = string.match(string.sub(value, 22), '^(%+?)(%S*) ?(.*)$')
  local state = string.match(PAST_STATES, '(%S+)=' .. string.sub(value, 3, 3))
  return { id, state, string.sub(hex, 1, 16), owner, tenant ~= '', name ~= '' and name }
end

-- The tenant takes turns for an account and priority (`level`), if it does not yet.
local function into_turns(level, owner, command) -- seldom
  local turns = P .. 'turns:' .. level
  if not redis.call('LPOS', turns, owner) then redis.call(command, turns, owner) end
end

-- Into the line of a tenant's calls.
local function into_line(level, owner, x, command) -- seldom
  if redis.call(command, P .. 'q:' .. level .. ':' .. owner, x) == 1 then into_turns(level, owner, command) end
end

-- Into the list that claim takes it from: its campaign's, or the account's for its priority, where each tenant has a line.
local function push_ready(r, command) -- seldom
  if r.g then
    redis.call(command, P .. 'gq:' .. r.g, r.x)
    join(r.g, r.a, r.p)
  elseif r.tn and r.w then
    into_line(r.a .. ':' .. r.p, r.w, r.x, command)
  else
    redis.call(command, P .. 'q:' .. r.a .. ':' .. r.p, r.x)
  end
end

-- Its channel is free again.
local function free_channel(r)
  redis.call('ZREM', P .. 'chan:' .. r.a, r.x)
  if r.g and redis.call('ZREM', P .. 'gchan:' .. r.g, r.x) == 1 then channel_freed(r) end
end

-- True when a message has to wake a worker: nobody was woken within the last second, nobody attends, and no worker waits in
-- Redis for this list, which it empties at once.
local function bell(account)
  if not redis.call('SET', P .. 'bell:' .. account, '1', 'NX', 'PX', 1000) then return false end
  return redis.call('EXISTS', P .. 'listening') == 0 or redis.call('RPUSH', P .. 'woken', account) > 1
end

-- Whoever took this call lived to say so: it is not what kills workers.
local function unsuspect(r)
  if not r.cr then return end
  redis.call('HDEL', P .. 'c:' .. r.x, 'cr', 'al')
  r.cr = nil
end

-- Back to where it was taken from: the front of its list.
local function give_back(r) -- seldom
  redis.call('HDEL', P .. 'c:' .. r.x, 'tok')
  redis.call('ZREM', LEASE, r.x)
  free_channel(r)
  if r.expires then redis.call('ZADD', EXP, r.expires, r.x) end
  push_ready(r, 'LPUSH')
end

-- Whether a call may no longer go at `moment`. Where the end of its campaign decides (`xr` is the row's own limit, '-' without),
-- that end may be later by now: then the call gets the new one.
local function expires_by(r, moment)
  if not r.expires or tonumber(r.expires) > moment then return false end
  if not r.xr or not r.g then return true end
  local c = redis.call('HMGET', P .. 'g:' .. r.g, 's', 'end')
  if not c[1] then return true end
  local own, last, key = tonumber(r.xr), tonumber(c[2] or nil), P .. 'c:' .. r.x
  local limit = own and last and math.min(own, last) or own or last
  if limit and limit <= tonumber(r.expires) then return true end
  if limit then
    r.expires = int(limit)
    redis.call('HSET', key, 'x', r.expires)
    redis.call('ZADD', EXP, r.expires, r.x)
  else
    r.expires = nil
    redis.call('HDEL', key, 'x', 'xr')
    redis.call('ZREM', EXP, r.x)
  end
  return limit ~= nil and limit <= moment
end

-- Out of the ready lists until `delay` ms from now; a spare extid makes it a redial. `lt` keeps the token of an attempt whose
-- outcome nobody knew, and its number: its holder may yet say that the redial is not needed.
local function schedule(r, delay, note, spare) -- seldom
  redis.call('ZREM', LEASE, r.x)
  redis.call('ZREM', AWAIT, r.x)
  free_channel(r)
  redis.call('HDEL', P .. 'c:' .. r.x, 'tok')
  redis.call('ZADD', DUE, ms + delay, r.x)
  if r.expires then redis.call('ZADD', EXP, r.expires, r.x) end
  if spare then
    if r.g and ms + delay > tonumber(redis.call('HGET', P .. 'g:' .. r.g, 're') or 0) then
      redis.call('HSET', P .. 'g:' .. r.g, 're', int(ms + delay))
    end
    r.n, r.cx = r.n + 1, spare
    redis.call('SET', P .. 'x:' .. spare, r.x .. ':' .. r.n)
    local fields = { 'n', r.n, 'cx', spare, 'x' .. r.n, spare, 'rt', 0 }
    if r.s == 'unconfirmed' and r.tok then
      fields[#fields + 1], fields[#fields + 2] = 'lt', r.tok .. ' ' .. (r.n - 1)
    end
    if r.s == 'scheduled' then
      -- It waited for a retry when the result of that very attempt came: the same state, another attempt.
      r.tl = line(r.tl, 'scheduled', note)
      redis.call('HSET', P .. 'c:' .. r.x, 'tl', r.tl, unpack(fields))
    else
      move(r, 'scheduled', note, unpack(fields))
    end
  else
    move(r, 'scheduled', note)
  end
end

-- Calls whose lease begins anew: its end and the call in turns. Written once a script, after its own work.
local leased = {}
local function write_leases() redis.call('ZADD', LEASE, unpack(leased)) end

-- Calls that were taken and wait for their results from here on, likewise; their leases are over.
local awaiting = {}
local function write_awaiting()
  local calls = {}
  for i = 2, #awaiting, 2 do calls[i / 2] = awaiting[i] end
  redis.call('ZREM', LEASE, unpack(calls))
  redis.call('ZADD', AWAIT, unpack(awaiting))
end

-- The channels of a call that waits for its result stay taken until then, or until `hold` ms are over (0: the account's are not
-- counted).
local function keep_channels(r, timeout, hold)
  if hold > 0 then redis.call('ZADD', P .. 'chan:' .. r.a, ms + hold, r.x) end
  if r.g and redis.call('ZSCORE', P .. 'gchan:' .. r.g, r.x) then
    redis.call('ZADD', P .. 'gchan:' .. r.g, ms + (hold > 0 and hold or timeout), r.x)
  end
end

-- What was POSTed and whose outcome nobody knows. Redialled by itself only where the call says so, three attempts at most.
local function unconfirm(r, note, timeout, hold, redial_after, spare, ...) -- seldom
  move(r, 'unconfirmed', note, ...)
  redis.call('ZREM', LEASE, r.x)
  redis.call('ZADD', AWAIT, ms + timeout, r.x)
  keep_channels(r, timeout, hold)
  emit(r, 'unconfirmed')
  if r.u ~= 'redial' or r.n >= 3 then return end
  local delay = redial_after
  if r.g then delay = campaign_redial(r, delay) end
  if delay and not expires_by(r, ms + delay) then
    local attempt, extid = r.n, r.cx or r.x
    schedule(r, delay, 'on_unconfirmed', spare)
    emit(r, 'redial_scheduled', nil, attempt, extid)
  end
end
