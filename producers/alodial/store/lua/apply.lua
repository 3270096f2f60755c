-- Gives results to the calls that they belong to, by extid and nothing else.
-- ARGV: for each result 6 values: extid result_json digest disposition spare_extid talk_seconds
-- Answer for each: {outcome, id, state, account, attempt, extid of the record}; outcome is
--   completed, redial, corrected (new content for a call that had ended), kept (for an attempt that a later one replaced),
--   duplicate, unknown. Asked again with the same spare (the answer was lost), it says the same.
local answer = {}
local LETTER = { completed = 'c', redial = 'r', corrected = 'x', kept = 'k' }
local OUTCOME = { c = 'completed', r = 'redial', x = 'corrected', k = 'kept' }

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

local function redial_delay(r, disposition)
  if disposition == 'answered' then return nil end
  local text = r.rd
  if r.g then
    -- A campaign's redials are written once, in the campaign; one that has ended dials nobody again.
    local c = redis.call('HMGET', P .. 'g:' .. r.g, 'rd', 's')
    if c[2] ~= 'running' and c[2] ~= 'paused' then return nil end
    text = c[1]
  end
  if not text then return nil end
  local policy = cjson.decode(text)
  if r.n >= policy.max_attempts then return nil end
  local delays = policy.delays[disposition]
  if not delays then return nil end
  local key, used = P .. 'c:' .. r.x, 0
  for i = 1, r.n do if redis.call('HGET', key, 'd' .. i) == disposition then used = used + 1 end end
  local delay = delays[math.min(used, #delays)] * 1000
  local a_day = policy.max_attempts_per_day
  if r.g and type(a_day) == 'number' then
    local day, tomorrow = today(r.g)
    if ms + delay < tomorrow and attempts_since(r, day) >= a_day then
      delay = next_day(r.g, tomorrow, day, (policy.next_day_shift or 0) * 1000) - ms
    end
  end
  if r.expires and tonumber(r.expires) <= ms + delay then return nil end
  return delay
end

-- What is remembered of a result: its digest, four digits of the spare it came with, and what became of it.
local function mark(digest, spare, outcome) return digest .. ':' .. string.sub(spare, -4) .. LETTER[outcome] end

-- What is to be said to a result that was here before; nil when it was not.
local function before(stored, digest, spare)
  if not stored or string.sub(stored, 1, #digest + 1) ~= digest .. ':' then return nil end
  if string.sub(stored, -5, -2) == string.sub(spare, -4) then return OUTCOME[string.sub(stored, -1)] end
  return 'duplicate'
end

-- The first result of attempt n: where it takes the call.
local function first(r, n, extid, json, disposition, spare, talk)
  settle_talk(r, talk)
  if r.g then
    redis.call('HINCRBY', P .. 'gc:' .. r.g, 'talk', int(talk))
    redis.call('HINCRBY', P .. 'gc:' .. r.g, 'a:' .. disposition, 1)
  end
  if ENDS[r.s] then
    if r.s ~= 'canceled' and r.s ~= 'expired' and r.s ~= 'completed' then
      r.dp = disposition
      if r.g then redis.call('HINCRBY', P .. 'gc:' .. r.g, 'd:' .. disposition, 1) end
      move(r, 'completed', 'late_result', 'dp', disposition)
    end
    emit(r, 'corrected', json, n, extid)
    return 'corrected'
  end
  if n < r.n and (disposition ~= 'answered' or r.s ~= 'scheduled' and r.s ~= 'queued') then return 'kept' end
  r.dp = disposition
  local delay = n == r.n and redial_delay(r, disposition)
  if delay then
    redis.call('HSET', P .. 'c:' .. r.x, 'dp', disposition)
    schedule(r, delay, disposition, spare)
    emit(r, 'redial_scheduled', json, n, extid)
    return 'redial'
  end
  if r.g then redis.call('HINCRBY', P .. 'gc:' .. r.g, 'd:' .. disposition, 1) end
  move(r, 'completed', disposition, 'dp', disposition)
  emit(r, 'completed', json, n, extid)
  return 'completed'
end

local function apply(extid, json, digest, disposition, spare, talk)
  local x, n = extid, 1
  local r = load(x)
  if not r then
    local alias = redis.call('GET', P .. 'x:' .. extid)
    if not alias then return { 'unknown' } end
    x, n = string.match(alias, '^(%d+):(%d+)$')
    n = tonumber(n)
    r = load(x)
    if not r then return { 'unknown' } end
  end
  local key = P .. 'c:' .. x
  local function says(outcome) return { outcome, r.id, r.s, r.a, n, x } end
  local known = redis.call('HMGET', key, 'a' .. n, 'h' .. n, 'k' .. n)
  -- Nothing was ever POSTed under this extid: whoever sends this, it is not the result of our call.
  if not known[1] then return { 'unknown' } end
  local said = before(known[2], digest, spare) or before(known[3], digest, spare)
  if said then return says(said) end
  if known[2] then
    -- A second, different result: the first stays, the last other one is kept beside it.
    redis.call('HSET', key, 'k' .. n, mark(digest, spare, 'corrected'), 'rc' .. n, json)
    if ENDS[r.s] then emit(r, 'corrected', json, n, extid) end
    return says('corrected')
  end
  redis.call('HSET', key, 'r' .. n, json, 'd' .. n, disposition)
  local outcome = first(r, n, extid, json, disposition, spare, talk)
  redis.call('HSET', key, 'h' .. n, mark(digest, spare, outcome))
  return says(outcome)
end

for i = 1, #ARGV, 6 do
  answer[#answer + 1] = apply(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], tonumber(ARGV[i + 5]))
end
return answer
