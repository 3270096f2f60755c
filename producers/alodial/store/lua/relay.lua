-- One endpoint's next deliveries: copies what is new in the event stream into its own queue, and hands out what is due.
-- The stream's group only remembers how far it was copied, so a dead endpoint holds the stream back no longer than a live one.
-- ARGV: endpoint, room, lease_ms, most that may wait, most that are parked, retention_ms, shown url
-- Answer: {ms until the next one is due or -1, {id, tries, event}...}; what is handed out is due again when its lease runs out.
local ep, room, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local most, most_parked, keep = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local key, due, bodies, tries = P .. 'wh:' .. ep, P .. 'wh:' .. ep .. ':due', P .. 'wh:' .. ep .. ':body', P .. 'wh:' .. ep .. ':tries'
local parked, tried = P .. 'wh:' .. ep .. ':parked', P .. 'wh:' .. ep .. ':tried'
-- Removed: its keys are not made again by a worker that has not noticed.
if redis.call('EXISTS', P .. 'wh:' .. ep .. ':gone') == 1 then return { -1 } end
redis.call('SADD', P .. 'wh', ep)
redis.call('HSET', key, 'url', ARGV[7], 'seen', ms)
local h = redis.call('HMGET', key, 'off', 'until')
local function park(id, body, n, why)
  redis.call('XADD', parked, 'MAXLEN', '~', most_parked, '*', 'id', id, 'event', body, 'tries', n, 'why', why)
  redis.call('HINCRBY', key, 'parked', 1)
end
local function forget(id)
  redis.call('ZREM', due, id)
  redis.call('HDEL', bodies, id)
  redis.call('HDEL', tries, id)
end
local waiting = redis.call('ZCARD', due)
local group = 'webhook:' .. ep
if redis.call('EXISTS', EVENTS) == 0 or not redis.call('HGET', key, 'group') then
  -- Begins with what happens from now on.
  pcall(redis.call, 'XGROUP', 'CREATE', EVENTS, group, '$', 'MKSTREAM')
  redis.call('HSET', key, 'group', 1)
end
local read = redis.pcall('XREADGROUP', 'GROUP', group, 'relay', 'COUNT', 200, 'NOACK', 'STREAMS', EVENTS, '>')
if type(read) == 'table' and read.err then
  -- The stream was deleted, and the group with it.
  redis.call('XGROUP', 'CREATE', EVENTS, group, '$', 'MKSTREAM')
  read = nil
end
for _, row in ipairs(read and read[1] and read[1][2] or {}) do
  local body = row[2][2]
  local id = string.match(body, '"id":"([^"]+)"')
  if id then
    if h[1] or waiting >= most then
      park(id, body, 0, h[1] and 'disabled' or 'too_many')
    elseif redis.call('HSETNX', bodies, id, body) == 1 then
      redis.call('ZADD', due, ms, id)
      waiting = waiting + 1
    end
  end
end
local answer = { -1 }
if h[1] then
  -- What waited when it was switched off goes where the rest goes.
  for _, id in ipairs(redis.call('ZRANGE', due, 0, 199)) do
    park(id, redis.call('HGET', bodies, id) or '{}', number(redis.call('HGET', tries, id)), 'disabled')
    forget(id)
  end
elseif not h[2] or tonumber(h[2]) <= ms then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', ms, 'LIMIT', 0, room)) do
    local body = redis.call('HGET', bodies, id)
    if body then
      redis.call('ZADD', due, ms + lease, id)
      answer[#answer + 1] = { id, number(redis.call('HGET', tries, id)), body }
    else
      forget(id)
    end
  end
end
local nearest = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
if nearest[2] then answer[1] = math.max(0, math.max(tonumber(nearest[2]), number(h[2])) - ms) end
for _, name in ipairs({ key, due, bodies, tries, parked, tried }) do redis.call('PEXPIRE', name, keep) end
return answer
