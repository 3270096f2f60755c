-- The last step before the first byte: from claimed to submitting, for the holder of the token only.
-- ARGV: epoch worker lease_ms rate burst channel_ms, then for each call: extid token slot_us
-- Answer for each: {outcome, wait_us, slot_us}; outcome is armed, wait (ask again at that slot), lost (canceled, expired,
-- taken away), stop, hold.
local epoch, worker, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local rate, burst, channel_ms = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local same_store = redis.call('GET', P .. 'epoch') == epoch
local stopped = redis.call('EXISTS', P .. 'stop') == 1
-- claim spaces the slots evenly; a call that comes late uses its slot all the same, as long as the last second then
-- holds less than rate + burst starts: one is left for what the network adds between here and AloVoice. A timer may be
-- 5 ms early, never a whole gap.
local most = math.floor(rate) + math.max(1, burst - 1)
local early = rate > 0 and math.min(1000000 / rate, 5000) or 0
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
  local held = redis.call('HMGET', acct, 'hold', 'probe')
  if held[1] and tonumber(held[1]) > ms and held[2] ~= token then return { 'hold', 0, 0 } end
  if rate > 0 then
    if us < slot - early then return { 'wait', int(slot - us), int(slot) } end
    local starts = P .. 'starts:' .. r.a
    local oldest = redis.call('LINDEX', starts, most - 1)
    if oldest and us - oldest < 1000000 then
      return { 'wait', int(oldest + 1000000 - us), int(oldest + 1000000) }
    end
    -- Trimmed now and then: a list twice as long costs less than a second command for each start.
    if redis.call('LPUSH', starts, int(us)) > 2 * most then redis.call('LTRIM', starts, 0, most - 1) end
  end
  redis.call('ZADD', LEASE, ms + lease, x)
  if redis.call('ZSCORE', P .. 'chan:' .. r.a, x) then redis.call('ZADD', P .. 'chan:' .. r.a, ms + lease + channel_ms, x) end
  move(r, 'submitting', worker, 'a' .. r.n, ms .. ' ' .. worker)
  return { 'armed', 0, 0 }
end
for i = 7, #ARGV, 3 do answer[#answer + 1] = arm(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])) end
return answer
