-- Gives results to the calls that they belong to, by extid and nothing else.
-- ARGV: for each result 7 values: extid result_json digest disposition spare_extid talk_seconds arrived_ms (0: now)
-- Answer for each: {outcome, id, state, account, attempt, extid of the record, talk seconds that count}; outcome is
--   completed, redial, corrected (new content for a call that had ended), kept (for an attempt that a later one replaced),
--   duplicate, unknown. Asked again with the same spare (the answer was lost), it says the same.
local answer = {}
local LETTER = { completed = 'c', redial = 'r', corrected = 'x', kept = 'k' }
local SLACK = 180 -- seconds beyond a call's life that its talk may last, for clocks: as much as a day holds for it anyway
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

-- Whether a person was reached after all by an attempt of a call that ended otherwise: that is its outcome then.
local function correct_outcome(r, disposition)
  if r.s == 'canceled' or r.s == 'expired' then
    -- It stays so, but a retry of its campaign must know.
    if r.g and disposition == 'answered' then keep_outcome(r, disposition) end
    return
  end
  if r.s ~= 'completed' then
    r.dp = disposition
    if r.g then redis.call('HINCRBY', P .. 'gc:' .. r.g, 'd:' .. disposition, 1) end
    move(r, 'completed', 'late_result', 'dp', disposition)
  elseif disposition == 'answered' and r.dp ~= 'answered' then
    if r.g then
      redis.call('HINCRBY', P .. 'gc:' .. r.g, 'd:' .. (r.dp or 'unknown'), -1)
      redis.call('HINCRBY', P .. 'gc:' .. r.g, 'd:answered', 1)
    end
    r.dp, r.tl = disposition, line(r.tl, 'completed', 'late_result')
    redis.call('HSET', P .. 'c:' .. r.x, 'dp', disposition, 'tl', r.tl)
    if r.g then keep_outcome(r) end
    listed_as(r, 'completed:answered')
  end
end

-- The call ends here, wherever it stands. An attempt that is out meanwhile cannot be called back: its channel stays taken until
-- its own result, or until it counts as lost.
local function complete(r, n, extid, json, disposition, ...)
  local chan, gchan
  if n < r.n and (r.s == 'submitting' or r.s == 'submitted' or r.s == 'unconfirmed') then
    chan = redis.call('ZSCORE', P .. 'chan:' .. r.a, r.x)
    gchan = r.g and redis.call('ZSCORE', P .. 'gchan:' .. r.g, r.x)
  end
  r.dp = disposition
  if r.g then redis.call('HINCRBY', P .. 'gc:' .. r.g, 'd:' .. disposition, 1) end
  move_and_emit(r, 'completed', disposition, 'completed', json, n, extid, 'dp', disposition, ...)
  if chan then redis.call('ZADD', P .. 'chan:' .. r.a, chan, r.x) end
  if gchan then redis.call('ZADD', P .. 'gchan:' .. r.g, gchan, r.x) end
end

-- Nobody talks for longer than from the POST to the result: what its times say beyond that would use up the day's minutes.
local function plausible(talk, armed, arrived)
  if arrived <= 0 or arrived > ms then arrived = ms end
  local life = math.max(0, arrived - tonumber(string.match(armed, '^%d+'))) / 1000
  return math.min(talk, math.ceil(life) + SLACK)
end

-- Tells new content of a call that had ended. Its record may be about to leave, and the archive reads it after the event.
local function tell_correction(r, n, extid, json)
  redis.call('PEXPIRE', P .. 'c:' .. r.x, RETAIN)
  emit(r, 'corrected', json, n, extid)
end

-- The first result of attempt n: where it takes the call. `seen` remembers it, where that is the call's end.
local function first(r, n, extid, json, disposition, spare, talk, took, seen)
  tick('r:' .. disposition)
  if took then settle_talk(r, n, took, talk) end
  if r.g then
    redis.call('HINCRBY', P .. 'gc:' .. r.g, 'talk', int(talk))
    redis.call('HINCRBY', P .. 'gc:' .. r.g, 'a:' .. disposition, 1)
  end
  if ENDS[r.s] then
    if n == r.n then free_channel(r) end
    correct_outcome(r, disposition)
    tell_correction(r, n, extid, json)
    return 'corrected'
  end
  -- Whoever was reached is not rung again, whatever attempt it was and wherever a later one stands.
  if n < r.n and disposition ~= 'answered' then return 'kept' end
  local delay = n == r.n and redial_delay(r, disposition)
  if delay then
    r.dp = disposition
    redis.call('HSET', P .. 'c:' .. r.x, 'dp', disposition)
    schedule(r, delay, disposition, spare)
    emit(r, 'redial_scheduled', json, n, extid)
    return 'redial'
  end
  complete(r, n, extid, json, disposition, 'h' .. n, seen)
  return 'completed'
end

local function apply(extid, json, digest, disposition, spare, reported, arrived)
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
  local known = { r['a' .. n], r['h' .. n], r['k' .. n], r['dy' .. n] }
  -- Nothing was ever POSTed under this extid: whoever sends this, it is not the result of our call.
  if not known[1] then return { 'unknown' } end
  local talk = plausible(reported, known[1], arrived)
  local function says(outcome) return { outcome, r.id, r.s, r.a, n, x, int(talk) } end
  local said = before(known[2], digest, spare) or before(known[3], digest, spare)
  if said then return says(said) end
  if known[2] then
    -- A second, different result: the first stays, the last other one is kept beside it.
    redis.call('HSET', key, 'k' .. n, mark(digest, spare, 'corrected'), 'rc' .. n, json)
    local was = redis.call('HGET', key, 'd' .. n)
    if disposition == 'answered' and was ~= 'answered' then
      redis.call('HSET', key, 'd' .. n, disposition)
      tick('r:answered')
      if r.g then
        redis.call('HINCRBY', P .. 'gc:' .. r.g, 'talk', int(talk))
        redis.call('HINCRBY', P .. 'gc:' .. r.g, 'a:' .. was, -1)
        redis.call('HINCRBY', P .. 'gc:' .. r.g, 'a:answered', 1)
      end
      if ENDS[r.s] then correct_outcome(r, disposition) else complete(r, n, extid, json, disposition) end
    end
    if ENDS[r.s] then tell_correction(r, n, extid, json) end
    return says('corrected')
  end
  redis.call('HSET', key, 'r' .. n, json, 'd' .. n, disposition)
  if talk < reported then redis.call('HSET', key, 'tc' .. n, int(talk)) end
  local outcome = first(r, n, extid, json, disposition, spare, talk, known[4], mark(digest, spare, 'completed'))
  if outcome ~= 'completed' then redis.call('HSET', key, 'h' .. n, mark(digest, spare, outcome)) end
  return says(outcome)
end

for i = 1, #ARGV, 7 do
  answer[#answer + 1] = apply(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], tonumber(ARGV[i + 5]),
    tonumber(ARGV[i + 6]))
end
return answer
