-- The last step before the first byte: from claimed to submitting, for the holder of the token only.
-- ARGV: epoch worker lease_ms rate second_us channel_ms frequency_caps own_numbers daily_calls daily_seconds reserve_seconds,
--   then for each call: extid token slot_us. A slot below 0 is of a call that is armed and has not left: the worker was held up
--   since that moment, at which its start was counted, and it is counted now instead (-1: it was counted nowhere, or who knows when).
-- Answer for each: {outcome, wait_us, slot_us}; outcome is armed (slot_us: when its start was counted, 0 without a rate, 1 where that
-- is not known any more: it was armed before, and that answer was lost), wait (ask again at that slot), lost (canceled, expired, taken
-- away, suppressed meanwhile), stop, hold (its account or its campaign pauses, its hours are over, or another server is the primary since).
local epoch, worker, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local rate, second, channel_ms = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local daily_calls, daily_seconds, reserve = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local same = same_store(epoch)
local stopped = redis.call('EXISTS', P .. 'stop') == 1
-- claim spaces the slots evenly; a call that comes late uses its slot all the same, as long as no `second` (longer than one, for
-- what the network adds between here and AloVoice) then holds more starts than the rate. A timer may be 5 ms early, never a whole gap.
local most = math.max(1, math.ceil(rate))
local waiting = 0 -- calls of this run that found the second full: each waits for another start to leave it
local us_text = rate > 0 and int(us) or 0
local early = rate > 0 and math.min(1000000 / rate, 5000) or 0
read_rules(ARGV[7], ARGV[8])
local dnc_or_rules = redis.call('EXISTS', P .. 'dnc', P .. 'dnc:#') > 0 or #rules > 0
local answer = {}

-- Counts a start; nil, or the answer where the second is full.
local function count_start(account)
  local starts = P .. 'starts:' .. account
  local oldest = redis.call('LINDEX', starts, most - 1)
  if oldest and us - oldest < second then
    local free = redis.call('LINDEX', starts, math.max(0, most - 1 - waiting)) + second
    waiting = waiting + 1
    -- Whoever claims from now on comes after it: where starts are late, slots must not run far ahead of them. A little they
    -- may, as the slots of a tick are claimed when it ends.
    local acct, earliest = P .. 'acct:' .. account, free - 100000
    if earliest > number(redis.call('HGET', acct, 'tat')) then redis.call('HSET', acct, 'tat', int(earliest)) end
    return { 'wait', int(free - us), int(free) }
  end
  -- Trimmed now and then: a list twice as long costs less than a second command for each start.
  if redis.call('LPUSH', starts, us_text) > 2 * most then redis.call('LTRIM', starts, 0, most - 1) end
end

local function arm(x, token, slot)
  if same == 'moved' then return { 'hold', 0, 0 } end
  if same ~= 'same' then return { 'lost', 0, 0 } end
  local r = load(x)
  if not r or r.tok ~= token then return { 'lost', 0, 0 } end
  if r.s == 'submitting' then
    if slot >= 0 or rate == 0 then return { 'armed', 0, rate > 0 and 1 or 0 } end
    if stopped then return { 'stop', 0, 0 } end
    redis.call('LREM', P .. 'starts:' .. r.a, 1, int(-slot))
    return count_start(r.a) or { 'armed', 0, us_text }
  end
  if r.s ~= 'queued' then return { 'lost', 0, 0 } end
  if stopped then return { 'stop', 0, 0 } end
  local ends = redis.call('ZSCORE', LEASE, x)
  if not ends or tonumber(ends) <= ms then return { 'lost', 0, 0 } end
  if expires_by(r, ms) then
    move(r, 'expired', 'expires_at')
    emit(r, 'expired')
    return { 'lost', 0, 0 }
  end
  local acct = P .. 'acct:' .. r.a
  local held = redis.call('HMGET', acct, 'hold', 'probe')
  if held[1] and tonumber(held[1]) > ms and held[2] ~= token then return { 'hold', 0, 0 } end
  if rate > 0 and us < slot - early then return { 'wait', int(slot - us), int(slot) } end
  -- Everything that claim looked at may have changed since: the lists, the caps, the hours, the campaign.
  local body, scopes, fresh = '', {}, false
  if r.g or dnc_or_rules or r.kc or has_list(r.w) then
    local c, zone = nil, nil
    if r.g then
      c = redis.call('HMGET', P .. 'g:' .. r.g, 's', 'nz', 'pre', 'dc', 'dm', 'rs', 'end')
      if c[1] ~= 'running' then return { 'hold', 0, 0 } end
      if c[7] and tonumber(c[7]) <= ms then
        move(r, 'expired', 'ends_at')
        emit(r, 'expired')
        return { 'lost', 0, 0 }
      end
      if not c[2] and opening(P .. 'cal:' .. r.g) ~= 0 then return { 'hold', 0, 0 } end
      if c[4] or c[5] then
        local day, tomorrow = today(r.g)
        if day_is_full(r.g, day, tomorrow, number(c[4]), number(c[5]), number(c[6])) then return { 'hold', 0, 0 } end
        scopes[1] = { r.g, day, number(c[6]) }
      end
    end
    local values = redis.call('HMGET', P .. 'c:' .. x, 'b', 'z', 'a' .. r.n)
    body, zone, fresh = values[1] or '', values[2], not values[3]
    local code, from = forbidden(x, r.n, body, r.g, zone, c and c[3], r.w, r.kc)
    if code then
      redis.call('HDEL', P .. 'c:' .. x, 'tok')
      redis.call('ZREM', LEASE, x)
      withhold(r, code, from)
      return { 'lost', 0, 0 }
    end
  end
  if daily_calls > 0 or daily_seconds > 0 then
    local day, tomorrow = today()
    if day_is_full('@' .. r.a, day, tomorrow, daily_calls, daily_seconds, reserve) then return { 'hold', 0, 0 } end
    scopes[#scopes + 1] = { '@' .. r.a, day, reserve }
  end
  local full = rate > 0 and count_start(r.a)
  if full then return full end
  leased[#leased + 1], leased[#leased + 2] = ms + lease, x
  if redis.call('ZSCORE', P .. 'chan:' .. r.a, x) then redis.call('ZADD', P .. 'chan:' .. r.a, ms + lease + channel_ms, x) end
  if r.g then
    if redis.call('ZSCORE', P .. 'gchan:' .. r.g, x) then redis.call('ZADD', P .. 'gchan:' .. r.g, ms + lease + channel_ms, x) end
    -- An attempt whose POST was refused for the moment is the same attempt when it goes out again.
    if fresh then redis.call('HINCRBY', P .. 'gc:' .. r.g, 'attempts', 1) end
  end
  if #scopes > 0 or #rules > 0 or r.kc then
    if body == '' then body = redis.call('HGET', P .. 'c:' .. x, 'b') or '' end
    spend(r, body, scopes)
  end
  tick('a')
  unsuspect(r)
  move(r, 'submitting', worker, 'a' .. r.n, ms .. ' ' .. worker)
  return { 'armed', 0, us_text }
end
for i = 12, #ARGV, 3 do answer[#answer + 1] = arm(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])) end
return answer
