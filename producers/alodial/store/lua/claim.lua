-- Takes the next calls that may go now, urgent before normal before bulk. Every limit is checked before a call is taken.
-- ARGV: epoch account token max horizon_us lease_ms rate burst cap channel_ms retry_probe_ms attend_ms
-- Answer: {status, wait_us, calls...}; status is
--   ok     calls were taken, or only the rate is in the way: come again after wait_us
--   empty  nothing is ready         cap  every channel is in use       hold  the account pauses for wait_us
--   stop   the emergency stop       lost the store is not the one this worker began with
-- A call: {extid, id, body, delay_us, attempt, tries, current extid, priority, campaign, reference, slot_us}
local epoch, account, token = ARGV[1], ARGV[2], ARGV[3]
local max, horizon, lease = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local rate, burst, cap, channel_ms = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local probe_ms, attend = tonumber(ARGV[11]), ARGV[12]
if redis.call('GET', P .. 'epoch') ~= epoch then return { 'lost', 0 } end
if redis.call('EXISTS', P .. 'stop') == 1 then return { 'stop', 0 } end
local acct, chan = P .. 'acct:' .. account, P .. 'chan:' .. account
local state = redis.call('HMGET', acct, 'tat', 'hold', 'brk')
local hold = tonumber(state[2] or 0)
if hold > ms then return { 'hold', int((hold - ms) * 1000) } end
-- An open breaker lets one call through to see whether the token is right again, and nothing beside it.
local probing = state[3]
if probing and max > 1 then max = 1 end
-- While somebody attends, enqueue need not ring.
local function attend_or_leave()
  if attend == '0' then redis.call('DEL', P .. 'bell:' .. account)
  else redis.call('SET', P .. 'bell:' .. account, '1', 'PX', attend) end
end
local free = max
if cap > 0 then
  redis.call('ZREMRANGEBYSCORE', chan, '-inf', ms)
  free = cap - redis.call('ZCARD', chan)
  if free <= 0 then
    attend_or_leave()
    return { 'cap', 0 }
  end
end
local queues = { P .. 'q:' .. account .. ':u', P .. 'q:' .. account .. ':n', P .. 'q:' .. account .. ':b' }
local at, tat = 1, tonumber(state[1] or 0)
local gap = rate > 0 and 1000000 / rate or 0
local answer, status, wait, looked = { 'ok', 0 }, 'ok', 0, 0
while #answer - 2 < max and #answer - 2 < free do
  local slot = us
  if rate > 0 then
    if tat > slot then slot = tat end
    if slot - us > horizon then wait = slot - us - horizon; break end
  end
  local x = redis.call('LPOP', queues[at])
  if not x then
    at = at + 1
    if at > 3 then status = 'empty'; break end
  else
    looked = looked + 1
    local r = redis.call('HMGET', P .. 'c:' .. x, 's', 'tok', 'x', 'id', 'b', 'n', 'rt', 'cx', 'g', 'r', 'tl', 'a')
    -- Canceled, expired or taken already: its place in the list is only a trace.
    if r[1] == 'queued' and not r[2] then
      if r[3] and tonumber(r[3]) <= ms then
        local full = load(x)
        move(full, 'expired', 'expires_at')
        emit(full, 'expired')
      else
        redis.call('HSET', P .. 'c:' .. x, 'tok', token)
        redis.call('ZADD', LEASE, ms + lease, x)
        if cap > 0 then redis.call('ZADD', chan, ms + lease + channel_ms, x) end
        if rate > 0 then tat = slot + gap end
        answer[#answer + 1] = { x, r[4], r[5], int(slot - us), tonumber(r[6] or 1), tonumber(r[7] or 0), r[8] or x,
          ({ 'urgent', 'normal', 'bulk' })[at], r[9] or '', r[10] or '', int(slot) }
      end
    end
    if looked >= 1000 then break end -- a bound on one script's time: 1,000 dead traces are about 2 ms
  end
end
if #answer > 2 then
  if rate > 0 then redis.call('HSET', acct, 'tat', int(tat)) end
  if probing then redis.call('HSET', acct, 'hold', ms + probe_ms, 'probe', token) end
end
if cap > 0 and #answer - 2 >= free and status == 'ok' and #answer - 2 < max then status = 'cap' end
attend_or_leave()
answer[1], answer[2] = status, int(wait)
return answer
