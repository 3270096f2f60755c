-- The last step before the first byte: from claimed to submitting, for the holder of the token only.
-- ARGV: epoch worker lease_ms rate burst channel_ms, then for each call: extid token slot_us
-- Answer for each: {outcome, wait_us, slot_us}; outcome is armed, wait (too late for its slot: a new one was reserved),
-- lost (canceled, expired, taken away), stop, hold.
local epoch, worker, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local rate, burst, channel_ms = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local same_store = redis.call('GET', P .. 'epoch') == epoch
local stopped = redis.call('EXISTS', P .. 'stop') == 1
local gap = rate > 0 and 1000000 / rate or 0
-- A slot is kept when its call comes at most this late, and not before it but for a timer's error of 5 ms: within any
-- second no more than rate + burst can then start.
local late, early = math.max(burst - 1, 0) * gap, math.min(gap, 5000)
local answer = {}
local function arm(x, token, slot)
  if not same_store then return { 'lost', 0, 0 } end
  local r = load(x)
  if not r or r.tok ~= token then return { 'lost', 0, 0 } end
  if r.s == 'submitting' then return { 'armed', 0, 0 } end
  if r.s ~= 'queued' then return { 'lost', 0, 0 } end
  if stopped then return { 'stop', 0, 0 } end
  local ends = redis.call('ZSCORE', LEASE, x)
  if not ends or tonumber(ends) <= ms then return { 'lost', 0, 0 } end
  if r.expires and tonumber(r.expires) <= ms then
    move(r, 'expired', 'expires_at')
    emit(r, 'expired')
    return { 'lost', 0, 0 }
  end
  local acct = P .. 'acct:' .. r.a
  local held = redis.call('HMGET', acct, 'hold', 'probe', 'tat')
  if held[1] and tonumber(held[1]) > ms and held[2] ~= token then return { 'hold', 0, 0 } end
  if rate > 0 then
    -- A slot given below belongs to the call: whoever asks again, because the answer was lost, is told the same.
    slot = math.max(slot, tonumber(r.sl or 0))
    if us < slot - early then return { 'wait', int(slot - us), int(slot) } end
    if us > slot + late then
      local tat = math.max(tonumber(held[3] or 0), us)
      redis.call('HSET', acct, 'tat', int(tat + gap))
      if tat > us then
        redis.call('HSET', P .. 'c:' .. x, 'sl', int(tat))
        return { 'wait', int(tat - us), int(tat) }
      end
    end
  end
  redis.call('ZADD', LEASE, ms + lease, x)
  if redis.call('ZSCORE', P .. 'chan:' .. r.a, x) then redis.call('ZADD', P .. 'chan:' .. r.a, ms + lease + channel_ms, x) end
  move(r, 'submitting', worker, 'a' .. r.n, ms .. ' ' .. worker)
  return { 'armed', 0, 0 }
end
for i = 7, #ARGV, 3 do answer[#answer + 1] = arm(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])) end
return answer
