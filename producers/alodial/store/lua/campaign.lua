-- Campaigns, and what forbids ringing a number now. Shared by every script, after prelude.lua.
local LIVE, WAKE, HUNGRY, PURGE = P .. 'campaigns:live', P .. 'wake', P .. 'hungry', P .. 'purge'
local touched = {}

local function number(value) return tonumber(value) or 0 end

local function score(n) return string.format('%.17g', n) end

-- The pacer looks at this campaign at that moment, or before.
local function look_at(g, at) redis.call('ZADD', WAKE, 'LT', int(at), g) end -- seldom

-- The campaigns of an account and priority that share by their weights: those of a tenant, or of the installation.
local function fair_of(a, p, tenant) -- seldom
  return P .. 'fair:' .. a .. ':' .. p .. (tenant and ':' .. tenant or '')
end

-- Among the campaigns of its account and tenant that have a ready call and nothing that holds it back, as far as is known. Whoever was away
-- comes in at the virtual time of the last call that was taken, or at his own when that is later: nobody saves up a share. What
-- comes back to one that has ended is cleaned up.
join = function(g, a, p) -- seldom
  local c = redis.call('HMGET', P .. 'g:' .. g, 's', 'vt', 'tn')
  if c[1] == 'running' then
    local fair, field = fair_of(a, p, c[3]), 'v' .. p
    if c[3] then
      field = field .. ':' .. c[3]
      into_turns(a .. ':' .. p, c[3], 'RPUSH')
    end
    if not redis.call('ZSCORE', fair, g) then
      redis.call('ZADD', fair, score(math.max(number(redis.call('HGET', P .. 'acct:' .. a, field)), number(c[2]))), g)
      redis.call('SREM', P .. 'full:' .. a .. ':' .. p, g)
      redis.call('ZREM', P .. 'paced:' .. a .. ':' .. p, g)
    end
  elseif c[1] ~= 'paused' then
    redis.call('SADD', PURGE, g)
  end
end

local function leave(fair, g, at) -- seldom
  redis.call('ZREM', fair, g)
  if at then redis.call('HSET', P .. 'g:' .. g, 'vt', score(at)) end
end

-- Nothing of it is to be called or filled in, for a long time or for good.
local function withdraw(g, a, p, tenant) -- seldom
  local fair = fair_of(a, p, tenant)
  leave(fair, g, tonumber(redis.call('ZSCORE', fair, g) or nil))
  redis.call('SREM', P .. 'full:' .. a .. ':' .. p, g)
  redis.call('ZREM', P .. 'paced:' .. a .. ':' .. p, g)
  redis.call('ZREM', HUNGRY, g)
end

-- One of its channels is free, and it waited for that.
channel_freed = function(r) -- seldom
  if redis.call('SREM', P .. 'full:' .. r.a .. ':' .. r.p, r.g) == 1 then join(r.g, r.a, r.p) end
end

local function act(g, who, action, detail) -- seldom
  redis.call('XADD', P .. 'glog:' .. g, 'MAXLEN', '~', 1000, '*', 'who', who, 'action', action, 'detail', detail or '')
end

local function campaign_event(g, kind) -- seldom
  local key = P .. 'g:' .. g
  local c = redis.call('HMGET', key, 's', 'n', 'why', 'ow')
  local v = redis.call('HINCRBY', key, 'v', 1)
  local calls = redis.call('HMGET', P .. 'gc:' .. g, 'completed', 'rejected', 'failed', 'expired', 'canceled', 'timed_out', 'd:answered')
  local owner = c[4] and ('","owner":"' .. c[4]) or ''
  emit_raw('{"specversion":"1.0","id":"' .. event_id(g, v, kind .. '|' .. c[1] .. '|' .. (c[3] or '')) .. owner .. '","source":"/alodial","type":"alodial.campaign.' .. kind ..
    '","subject":"' .. g .. '","time":"' .. now_text() .. '","datacontenttype":"application/json","data":{"call_id":null,' ..
    '"extid":null,"reference":null,"campaign_id":"' .. g .. '","state":"' .. c[1] .. '","disposition":null,"attempt":null,' ..
    '"metadata":{},"name":' .. text(c[2]) .. ',"reason":' .. text(c[3]) .. ',"rows":' .. number(redis.call('HGET', key, 'tot')) ..
    ',"calls":{"completed":' .. number(calls[1]) .. ',"rejected":' .. number(calls[2]) .. ',"failed":' .. number(calls[3]) ..
    ',"expired":' .. number(calls[4]) .. ',"canceled":' .. number(calls[5]) .. ',"timed_out":' .. number(calls[6]) ..
    '},"answered":' .. number(calls[7]) .. '}}')
end

local function campaign_keys(g) -- seldom
  return { P .. 'g:' .. g, P .. 'gc:' .. g, P .. 'rows:' .. g, P .. 'bad:' .. g, P .. 'glog:' .. g, P .. 'cal:' .. g,
    P .. 'day:' .. g, P .. 'dnc:' .. g, P .. 'out:' .. g, P .. 'names:' .. g, P .. 'zones:' .. g,
    P .. 'window:' .. g }
end

-- What names a campaign (a file, its rows, an idempotency key with its request's digest) lives as long as the campaign.
local function name_campaign(g, name, digest) -- seldom
  redis.call('SET', P .. name, digest and g .. ' ' .. digest or g)
  redis.call('SADD', P .. 'names:' .. g, name)
  local left = redis.call('PTTL', P .. 'g:' .. g)
  if left > 0 then
    redis.call('PEXPIRE', P .. name, left)
    redis.call('PEXPIRE', P .. 'names:' .. g, left)
  end
end

local function names_of(g) -- seldom
  local mine = {}
  for _, name in ipairs(redis.call('SMEMBERS', P .. 'names:' .. g)) do
    -- A later campaign of the same rows has the name, where it was submitted `again`.
    if string.match(redis.call('GET', P .. name) or '', '^%S+') == g then mine[#mine + 1] = P .. name end
  end
  return mine
end

-- What became of an idempotency key: nothing while its campaign is not there or still a draft of the same request.
local function key_used(name, digest) -- seldom
  local first, known = string.match(redis.call('GET', P .. name) or '', '^(%S+) (%S+)$')
  local state = first and redis.call('HGET', P .. 'g:' .. first, 's')
  if not state then return nil end
  if known ~= digest then return 'conflict', first end
  if state == 'draft' then return nil end
  return 'same', first
end

local function forget_campaign(g) -- seldom
  local quota = redis.call('HGET', P .. 'g:' .. g, 'qt')
  if quota then release_rows(quota, g, true) end
  for _, name in ipairs(names_of(g)) do redis.call('DEL', name) end
  redis.call('DEL', unpack(campaign_keys(g)))
  redis.call('ZREM', P .. 'campaigns', g)
  local owner = redis.call('HGET', P .. 'campaigns:owners', g)
  if owner then
    redis.call('ZREM', P .. 'campaigns:~' .. owner, g)
    redis.call('HDEL', P .. 'campaigns:owners', g)
  end
end

-- To one of its ends. What waits in its lists is canceled by whoever cleans up, `left` says what became of rows never called.
local function finish(g, state, why, left) -- seldom
  local key = P .. 'g:' .. g
  local c = redis.call('HMGET', key, 'a', 'p', 'cur', 'tot', 'qt', 'tn')
  redis.call('HSET', key, 's', state, 'why', why, 'en', ms)
  if c[5] then release_rows(c[5], g) end
  if left and number(c[3]) < number(c[4]) then redis.call('HSETNX', key, 'left', left) end
  redis.call('SREM', LIVE, g)
  redis.call('ZREM', WAKE, g)
  withdraw(g, c[1], c[2], c[6])
  if number(redis.call('HGET', P .. 'gc:' .. g, 'live')) > 0 then redis.call('SADD', PURGE, g) end
  for _, name in ipairs(names_of(g)) do redis.call('PEXPIRE', name, RETAIN) end
  for _, name in ipairs(campaign_keys(g)) do redis.call('PEXPIRE', name, RETAIN) end
  campaign_event(g, state)
end

local function pause_campaign(g, why) -- seldom
  local c = redis.call('HMGET', P .. 'g:' .. g, 'a', 'p', 'tn')
  redis.call('HSET', P .. 'g:' .. g, 's', 'paused', 'why', why)
  withdraw(g, c[1], c[2], c[3])
  campaign_event(g, 'paused')
end

-- The byte for how a call ended; nil for what has none.
local function row_end(label) -- seldom
  local _, at = string.find(ROW_END, ' ' .. label .. '=', 1, true)
  return at and string.sub(ROW_END, at + 1, at + 1)
end

-- Keeps how a row's call ended, at the row's place. `ri` is missing in calls that were made before outcomes were kept.
local function keep_outcome(r, reason) -- seldom
  local completed = r.s == 'completed'
  if not r.ri then return end
  local letter = row_end(r.s .. ':' .. (completed and (r.dp or 'unknown') or reason or ''))
    or row_end(completed and 'completed:unknown' or r.s)
  if letter then redis.call('SETRANGE', P .. 'out:' .. r.g, r.ri, letter) end
end

campaign_moved = function(r, from, to, note) -- seldom
  local counts = P .. 'gc:' .. r.g
  redis.call('HINCRBY', counts, from, -1)
  redis.call('HINCRBY', counts, to, 1)
  if ENDS[to] then keep_outcome(r, note) end
  if ENDS[to] and not ENDS[from] then
    redis.call('HINCRBY', counts, 'live', -1)
    -- What was refused for our own sake, such as a number on the list, is no failure of the line's.
    if to == 'failed' or to == 'rejected' and (from == 'submitting' or from == 'unconfirmed') then redis.call('HINCRBY', counts, 'row', 1)
    elseif to == 'completed' then redis.call('HSET', counts, 'row', 0) end
    touched[r.g] = true
  end
end

-- What the end of its calls means for a campaign: its goal is reached, too many failed in a row, or it is over.
local function look_after(g) -- seldom
  local key, counts = P .. 'g:' .. g, P .. 'gc:' .. g
  local c = redis.call('HMGET', key, 's', 'cur', 'tot', 'open', 'left', 'goal', 'fm')
  if c[1] ~= 'running' and c[1] ~= 'paused' then return end
  local n = redis.call('HMGET', counts, 'live', 'd:answered', 'row')
  if c[6] and number(n[2]) >= number(c[6]) then
    finish(g, 'completed', 'goal', 'canceled')
  elseif number(n[1]) == 0 and number(c[4]) <= ms and (c[5] or number(c[2]) >= number(c[3])) then
    finish(g, 'completed', c[5] and 'ended' or '')
  elseif c[7] and c[1] == 'running' and number(n[3]) >= number(c[7]) then
    pause_campaign(g, 'failures_in_row')
    act(g, 'alodial', 'paused', 'failures_in_row ' .. number(n[3]))
    redis.call('HSET', counts, 'row', 0)
  end
end

-- Once, when the script's own work is done: so that a campaign's end follows the end of its last call.
local function look_after_touched()
  for g in pairs(touched) do look_after(g) end
end

-- A calendar is a sorted set of the moments when it opens ('o' and ms) and closes ('c' and ms).
-- Answers 0 when it is open, the ms of its next opening, or nil when none is known: then it is closed.
local function opening(calendar) -- seldom
  local nearest = redis.call('ZRANGEBYSCORE', calendar, '(' .. ms, '+inf', 'LIMIT', 0, 1)[1]
  if not nearest then return nil end
  if string.sub(nearest, 1, 1) == 'c' then return 0 end
  return tonumber(string.sub(nearest, 2))
end

-- Whether this call waits for the hours of its own zone.
local function waits_for_hours(r) return r.g and string.find(r.tl or '', ' window$') ~= nil end

-- The local midnight that began this day, and the next one. Without a calendar the day is UTC's.
local function today(g) -- seldom
  local days = P .. 'day:' .. (g or '@')
  local from = redis.call('ZREVRANGEBYSCORE', days, ms, '-inf', 'LIMIT', 0, 1)[1]
  local to = redis.call('ZRANGEBYSCORE', days, '(' .. ms, '+inf', 'LIMIT', 0, 1)[1]
  from = from and tonumber(from) or ms - ms % 86400000
  return from, to and tonumber(to) or from + 86400000
end

-- The installation's rules, as the workers give them: 'count:ms,count:ms' and the numbers that are never capped.
local rules, longest, most_calls, own = {}, 0, 0, {}
local MOST_REDIALS = 9 -- of one call, as policies allow
local function read_rules(caps, numbers)
  if caps == '' and numbers == '' then return end
  rules, own = {}, {}
  for n, per in string.gmatch(caps, '(%d+):(%d+)') do
    rules[#rules + 1] = { tonumber(n), tonumber(per) }
    longest, most_calls = math.max(longest, tonumber(per)), math.max(most_calls, tonumber(n))
  end
  for n in string.gmatch(numbers, '%S+') do own[n] = true end
end

-- Every number that this body may ring. Bodies are written by us: no text in them holds a quotation mark.
local function numbers_of(body)
  local found = { string.match(body, '"callto":"(%+%d+)"') }
  for n in string.gmatch(body, '"phone":"(%+%d+)"') do found[#found + 1] = n end
  return found
end

-- Who is rung first by a body (nil for nobody) and who is called. With a queue alone the first phone is the person who is called.
local function roles_of(body)
  local numbers = numbers_of(body)
  if #numbers > 1 then return table.remove(numbers, 1), numbers end
  return nil, numbers
end

-- What the caps of an API key (`kc` of a call) say about its numbers: the lists of when the key called each, calls and ms.
local function key_rules(body, caps) -- seldom
  local key, calls, seconds, first_calls, first_seconds = string.match(caps, '^(%S+) (%d+) (%d+) (%d+) (%d+)$')
  local first, called = roles_of(body)
  local found = {}
  local function add(role, n, most, per)
    if n and not own[n] and tonumber(most) > 0 then found[#found + 1] = { P .. 'freq:' .. key .. role .. n, tonumber(most), per * 1000 } end
  end
  add(':first:', first, first_calls, first_seconds)
  for _, n in ipairs(called) do add(':', n, calls, seconds) end
  return found
end

-- When the call's earlier attempts went out, as `freq` lists hold it; nil for a first attempt.
local function earlier_starts(x, attempt) -- seldom
  if attempt < 2 then return nil end
  local names, starts = {}, {}
  for i = 1, attempt - 1 do names[i] = 'a' .. i end
  local values = redis.call('HMGET', P .. 'c:' .. x, unpack(names))
  for i = 1, #names do starts[i] = string.match(values[i] or '', '^%d+') end
  return starts
end

-- The moment of a number's `count`th last start, without these (each takes one entry away).
local function nth_start(key, count, without)
  local times, left = redis.call('LRANGE', key, 0, count - 1 + MOST_REDIALS), {}
  for _, at in pairs(without) do left[at] = (left[at] or 0) + 1 end
  for _, at in ipairs(times) do
    if (left[at] or 0) > 0 then left[at] = left[at] - 1
    else
      count = count - 1
      if count == 0 then return at end
    end
  end
  return nil
end

-- 0 when a number may be rung by this attempt of the call, or the ms from which it may. A call's own attempts do not count
-- against its redials, whose number and delays its policy bounds; for other calls they do.
local function capped(numbers, x, attempt, of_key) -- seldom
  local from, mine = 0, earlier_starts(x, attempt)
  local function look(key, most, per)
    local at = mine and nth_start(key, most, mine) or not mine and redis.call('LINDEX', key, most - 1)
    if at and ms - at < per then from = math.max(from, at + per) end
  end
  for _, n in ipairs(numbers) do
    if not own[n] then
      for _, rule in ipairs(rules) do look(P .. 'freq:' .. n, rule[1], rule[2]) end
    end
  end
  for _, rule in ipairs(of_key) do look(unpack(rule)) end
  return from
end

-- Whether an owner has a do-not-call list of its own, which binds its calls only.
local owner_lists = {}
local function has_list(owner)
  if not owner then return false end
  if owner_lists[owner] == nil then owner_lists[owner] = redis.call('EXISTS', P .. 'dnc:~' .. owner) == 1 end
  return owner_lists[owner]
end

-- A number as the list of people who were erased has it: HMAC-SHA-1. `i` and `o` of the list are the key's inner and outer block.
local pads
local function hashed(n)
  pads = pads or redis.call('HMGET', P .. 'dnc:#', 'i', 'o')
  local inner = redis.sha1hex(pads[1] .. n)
  return redis.sha1hex(pads[2] .. string.gsub(inner, '%x%x', function(byte) return string.char(tonumber(byte, 16)) end))
end

local lists, erased
-- What forbids this attempt of call x now: nil, or a code and the ms from which it may be tried again (nil: never).
local function forbidden(x, attempt, body, g, zone, prefixes, owner, caps)
  if lists == nil then
    -- Both in a command: most installations have erased nobody.
    lists = redis.call('EXISTS', P .. 'dnc', P .. 'dnc:#') > 0
    erased = lists and redis.call('EXISTS', P .. 'dnc:#') == 1
  end
  local own_list = g and redis.call('EXISTS', P .. 'dnc:' .. g) == 1
  local owner_list = has_list(owner)
  if not (lists or own_list or owner_list or prefixes or zone or caps or #rules > 0) then return nil end
  local numbers = numbers_of(body)
  for _, n in ipairs(numbers) do
    if lists and redis.call('HEXISTS', P .. 'dnc', n) == 1 then return 'do_not_call' end
    if erased and redis.call('HEXISTS', P .. 'dnc:#', hashed(n)) == 1 then return 'do_not_call' end
    if own_list and redis.call('HEXISTS', P .. 'dnc:' .. g, n) == 1 then return 'do_not_call' end
    if owner_list and redis.call('HEXISTS', P .. 'dnc:~' .. owner, n) == 1 then return 'do_not_call' end
    if prefixes and not own[n] then
      local allowed = false
      for prefix in string.gmatch(prefixes, '%+%d+') do
        if string.sub(n, 1, #prefix) == prefix then allowed = true end
      end
      if not allowed then return 'phone_not_allowed' end
    end
  end
  if zone then
    local opens = opening(P .. 'cal:' .. g .. ':' .. zone)
    -- None known: the pacer writes calendars on; it looks again in an hour.
    if opens ~= 0 then return 'window', opens or ms + 3600000 end
  end
  if caps or #rules > 0 then
    local from = capped(numbers, x, attempt, caps and key_rules(body, caps) or {})
    if from > 0 then return 'frequency_cap', from end
  end
  return nil
end

-- Takes a call that may not go out of the ready lists: a campaign's waits where waiting helps, everything else is refused.
local function withhold(r, code, at) -- seldom
  if at and (r.g or code == 'window') then
    schedule(r, at - ms, code)
    if r.g and code == 'window' then redis.call('ZADD', P .. 'window:' .. r.g, int(ms), r.x) end
  else
    redis.call('HSET', P .. 'c:' .. r.x, 'why', code)
    move(r, 'rejected', code)
    emit(r, 'rejected')
  end
end

-- Whether a day has no room for one more call; scope is '@account' or a campaign's id. The second value is when to look
-- again: tomorrow, or in 5 s while calls are under way, which may give back most of what is held for them.
local function day_is_full(scope, day, tomorrow, calls, seconds, reserve) -- seldom
  if calls == 0 and seconds == 0 then return false end
  local used = redis.call('HMGET', P .. 'use:' .. scope .. ':' .. int(day), 'c', 's', 'o')
  if (calls > 0 and number(used[1]) + 1 > calls) or (seconds > 0 and number(used[2]) + reserve > seconds) then
    return true, number(used[3]) > 0 and math.min(tomorrow, ms + 5000) or tomorrow
  end
  return false
end

-- Calls, talk seconds, and calls whose talk is not known yet.
local function use_day(scope, day, calls, seconds, open) -- seldom
  local key = P .. 'use:' .. scope .. ':' .. int(day)
  redis.call('HINCRBY', key, 'c', calls)
  redis.call('HINCRBY', key, 's', int(seconds))
  redis.call('HINCRBY', key, 'o', open)
  redis.call('PEXPIRE', key, 259200000)
end

-- Writes down that the numbers ring now and that the day's allowance is used; `dy` of the attempt tells how to take it back.
local function spend(r, body, scopes) -- seldom
  local function rung(key, most, per)
    redis.call('LPUSH', key, ms)
    redis.call('LTRIM', key, 0, most - 1 + MOST_REDIALS)
    redis.call('PEXPIRE', key, per)
  end
  if #rules > 0 then
    for _, n in ipairs(numbers_of(body)) do
      if not own[n] then rung(P .. 'freq:' .. n, most_calls, longest) end
    end
  end
  for _, rule in ipairs(r.kc and key_rules(body, r.kc) or {}) do rung(unpack(rule)) end
  local mark = {}
  for _, scope in ipairs(scopes) do
    use_day(scope[1], scope[2], 1, scope[3], 1)
    mark[#mark + 1] = scope[1] .. ' ' .. int(scope[2]) .. ' ' .. int(scope[3])
  end
  redis.call('HSET', P .. 'c:' .. r.x, 'dy' .. r.n, ms .. ';' .. table.concat(mark, ';'))
end

-- A POST that Redis forgot (a failover, a power failure) is counted again, as arm had counted it.
-- `from` is where the script's arguments name caps, own numbers, daily calls and seconds, and the reserve.
local function spend_again(r, from) -- seldom
  read_rules(ARGV[from], ARGV[from + 1])
  local scopes = {}
  if r.g then
    local c = redis.call('HMGET', P .. 'g:' .. r.g, 'dc', 'dm', 'rs')
    if c[1] or c[2] then scopes[1] = { r.g, today(r.g), number(c[3]) } end
  end
  if tonumber(ARGV[from + 2]) > 0 or tonumber(ARGV[from + 3]) > 0 then
    scopes[#scopes + 1] = { '@' .. r.a, today(), tonumber(ARGV[from + 4]) }
  end
  if #scopes > 0 or #rules > 0 or r.kc then spend(r, redis.call('HGET', P .. 'c:' .. r.x, 'b') or '', scopes) end
end

-- A POST that provably rang nobody gives back what it took.
local function take_back(r) -- seldom
  local key = P .. 'c:' .. r.x
  local took = redis.call('HMGET', key, 'dy' .. r.n, 'b')
  if not took[1] then return end
  local at = string.match(took[1], '^(%d+)')
  for _, n in ipairs(numbers_of(took[2] or '')) do redis.call('LREM', P .. 'freq:' .. n, 1, at) end
  for _, rule in ipairs(r.kc and key_rules(took[2] or '', r.kc) or {}) do redis.call('LREM', rule[1], 1, at) end
  for scope, day, reserve in string.gmatch(took[1], ';(%S+) (%d+) (%d+)') do
    use_day(scope, tonumber(day), -1, -tonumber(reserve), -1)
  end
  redis.call('HDEL', key, 'dy' .. r.n)
end

-- The result of an attempt says how long was talked: that replaces what was held for it.
local function settle_talk(r, n, took, talk) -- seldom
  for scope, day, reserve in string.gmatch(took, ';(%S+) (%d+) (%d+)') do
    use_day(scope, tonumber(day), 0, talk - tonumber(reserve), -1)
  end
  redis.call('HDEL', P .. 'c:' .. r.x, 'dy' .. n)
end

-- The nth time that an attempt ends so, the nth delay is waited, and the last one repeats.
local function nth_delay(r, policy, disposition) -- seldom
  local delays = policy.delays[disposition]
  if not delays then return nil end
  local key, used = P .. 'c:' .. r.x, 0
  for i = 1, r.n do if redis.call('HGET', key, 'd' .. i) == disposition then used = used + 1 end end
  return delays[math.min(used, #delays)] * 1000
end

-- Moves a redial to the next local day and another hour: `shift` later in that day's hours, round again past their end.
local function next_day(g, tomorrow, day, shift)
  local target = tomorrow + (ms - day) + shift
  local calendar = P .. 'cal:' .. g
  local opens = redis.call('ZRANGEBYSCORE', calendar, tomorrow, '+inf', 'LIMIT', 0, 2)
  if #opens < 2 or string.sub(opens[1], 1, 1) ~= 'o' then return math.max(target, tomorrow) end
  local from, to = tonumber(string.sub(opens[1], 2)), tonumber(string.sub(opens[2], 2))
  if target < from then return from end
  return from + (target - from) % (to - from)
end

local function attempts_since(r, moment)
  local key, used = P .. 'c:' .. r.x, 0
  for i = 1, r.n do
    local at = string.match(redis.call('HGET', key, 'a' .. i) or '', '^%d+')
    if at and tonumber(at) >= moment then used = used + 1 end
  end
  return used
end

-- The ms after which a campaign's call is dialled again, or nil: never. Asked for `delay`, or for a disposition, whose delay
-- the campaign's policy knows. A campaign's redials are written once, in the campaign; one that has ended dials nobody again.
campaign_redial = function(r, delay, disposition) -- seldom
  local c = redis.call('HMGET', P .. 'g:' .. r.g, 'rd', 's', 'end')
  if c[2] ~= 'running' and c[2] ~= 'paused' then return nil end
  if c[1] then
    local policy = cjson.decode(c[1])
    if r.n >= policy.max_attempts then return nil end
    delay = delay or nth_delay(r, policy, disposition)
    if not delay then return nil end
    local a_day = policy.max_attempts_per_day
    if type(a_day) == 'number' then
      local day, tomorrow = today(r.g)
      if ms + delay < tomorrow and attempts_since(r, day) >= a_day then
        delay = next_day(r.g, tomorrow, day, (policy.next_day_shift or 0) * 1000) - ms
      end
    end
  end
  if not delay or c[3] and tonumber(c[3]) <= ms + delay then return nil end
  return delay
end
