-- Gives results to the calls that they belong to, by extid and nothing else.
-- ARGV: for each result 6 values: extid result_json digest disposition spare_extid talk_seconds
-- Answer for each: {outcome, id, state, account, attempt, extid of the record}; outcome is
--   completed, redial, corrected (new content for a call that had ended), kept (for an attempt that a later one replaced),
--   duplicate, unknown. Asked again with the same spare (the answer was lost), it says the same.
local answer = {}
local LETTER = { completed = 'c', redial = 'r', corrected = 'x', kept = 'k' }
local OUTCOME = { c = 'completed', r = 'redial', x = 'corrected', k = 'kept' }

local function redial_delay(r, disposition)
  if disposition == 'answered' then return nil end
  local delay
  if r.g then
    delay = campaign_redial(r, nil, disposition)
  elseif r.rd then
    local policy = cjson.decode(r.rd)
    if r.n >= policy.max_attempts then return nil end
    delay = nth_delay(r, policy, disposition)
  end
  if not delay or expires_by(r, ms + delay) then return nil end
  return delay
end

-- What is remembered of a result: its digest, eight digits of the spare it came with, and what became of it.
local function mark(digest, spare, outcome) return digest .. ':' .. string.sub(spare, -8) .. LETTER[outcome] end

-- What is to be said to a result that was here before; nil when it was not.
local function before(stored, digest, spare)
  if not stored or string.sub(stored, 1, #digest + 1) ~= digest .. ':' then return nil end
  if string.sub(stored, #digest + 2, -2) == string.sub(spare, -8) then return OUTCOME[string.sub(stored, -1)] end
  return 'duplicate'
end

-- The first result of attempt n: where it takes the call.
local function first(r, n, extid, json, disposition, spare, talk, took)
  tick('r:' .. disposition)
  settle_talk(r, n, took, talk)
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
  local known = redis.call('HMGET', key, 'a' .. n, 'h' .. n, 'k' .. n, 'dy' .. n)
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
  local outcome = first(r, n, extid, json, disposition, spare, talk, known[4])
  redis.call('HSET', key, 'h' .. n, mark(digest, spare, outcome))
  return says(outcome)
end

for i = 1, #ARGV, 6 do
  answer[#answer + 1] = apply(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], tonumber(ARGV[i + 5]))
end
return answer
