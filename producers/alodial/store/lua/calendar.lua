-- Replaces a calendar: the moments when hours open and close, and local midnights.
-- ARGV: campaign ('@': the installation's midnights), zone ('' for the campaign's own hours), what it was made from, number of
--   moments, the moments as o or c and ms, then midnights in ms and in order
-- Answer: 1, or 0 when there is no such campaign
local g, zone, source, count = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local key, days = P .. 'g:' .. g, P .. 'day:' .. g
local calendar = P .. 'cal:' .. g .. (zone ~= '' and ':' .. zone or '')
local left = -1
if g ~= '@' then
  left = redis.call('PTTL', key)
  if left == -2 then return 0 end
end
if g ~= '@' then
  redis.call('DEL', calendar)
  for i = 5, 4 + count do redis.call('ZADD', calendar, string.sub(ARGV[i], 2), ARGV[i]) end
  if zone ~= '' then redis.call('HSET', key, 'zc', int(ms)) end
  -- Whoever waits for an opening that was another one before looks again.
  if redis.call('HGET', key, 's') == 'running' then look_at(g, ms) end
end
if zone ~= '' then
  redis.call('SADD', P .. 'zones:' .. g, zone)
  redis.call('PEXPIRE', calendar, 60 * 86400000)
elseif #ARGV > 4 + count then
  redis.call('ZREMRANGEBYSCORE', days, '-inf', ms - 3 * 86400000)
  redis.call('ZREMRANGEBYSCORE', days, '(' .. ms, '+inf')
  -- The day that has begun keeps its beginning, and lasts 20 hours at least: another zone's midnight a few hours later would
  -- give the daily caps twice.
  local last = tonumber(redis.call('ZREVRANGE', days, 0, 0)[1])
  local begun = last and last >= ms - 2 * 86400000
  if not begun then last = nil end
  for i = 5 + count, #ARGV do
    local at = tonumber(ARGV[i])
    if (at > ms or not begun) and (not last or at >= last + 72000000) then
      redis.call('ZADD', days, at, ARGV[i])
      last = at
    end
  end
end
if g == '@' then redis.call('SET', P .. 'made:@', source)
elseif zone == '' then redis.call('HSET', key, 'cf', source) end
if left > 0 then
  for _, name in ipairs({ calendar, days, P .. 'zones:' .. g }) do redis.call('PEXPIRE', name, left) end
end
return 1
