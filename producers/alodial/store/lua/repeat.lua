-- Says again that POSTs left, to a primary that may have missed the arms: a failover or a power failure took them along.
-- ARGV: worker lease_ms channel_ms (0: channels are not counted) frequency_caps own_numbers daily_calls daily_seconds
--   reserve_seconds, then for each call: extid token attempt
-- Answer for each: armed (the store knows now, or knew), kept (a later state or attempt won), unknown (the call itself is lost).
local worker, lease, channel = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local answer = {}
local function repeat_post(x, token, attempt)
  local r = load(x)
  if not r then return 'unknown' end
  if r.n ~= attempt then return 'kept' end
  if r.s == 'submitting' then return r.tok == token and 'armed' or 'kept' end
  -- Its outcome was recorded before, and what came after that is known here too.
  if r.st and string.sub(r.st, 1, #token + 1) == token .. ' ' then return 'kept' end
  if r.s ~= 'queued' and r.s ~= 'scheduled' then return 'kept' end
  redis.call('ZREM', DUE, x)
  if r.s == 'scheduled' then move(r, 'queued', 'arm_forgotten') end
  redis.call('ZADD', LEASE, ms + lease, x)
  if channel > 0 then redis.call('ZADD', P .. 'chan:' .. r.a, ms + lease + channel, x) end
  if r.g and redis.call('HEXISTS', P .. 'g:' .. r.g, 'ch') == 1 then
    redis.call('ZADD', P .. 'gchan:' .. r.g, ms + lease + channel, x)
  end
  tick('a')
  move(r, 'submitting', 'arm_forgotten', 'a' .. r.n, ms .. ' ' .. worker, 'tok', token)
  spend_again(r, 4)
  return 'armed'
end
for i = 9, #ARGV, 3 do answer[#answer + 1] = repeat_post(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])) end
return answer
