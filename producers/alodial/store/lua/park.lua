-- Finishes one inbox entry, or takes one orphan out, and keeps what could not be used. The fence makes it happen once.
-- ARGV: fence (ack or zrem), inbox entry id or orphan, orphan_timeout_ms, then for each thing kept 5 values:
--   what body content_type reason event_data_json
--   what: unmatched or unreadable (a dead letter); orphan (its JSON is the body); and for the orphans of a body of several results:
--   shared (the body, kept once for all of them; `reason` is how many they are), released (`body` is the entry's id: one of them
--   found its call), unmatched_shared (`reason` of one that is given up, `content_type` is the entry's id, `body` the orphan:
--   kept in its place should the entry's body be gone)
-- A dead letter's body has a key of its own, so that lists of dead letters need not carry bodies.
-- Answer: 1 when this run did it, 0 when it had been done before.
local fence, subject, timeout = ARGV[1], ARGV[2], tonumber(ARGV[3])
local MONTH = 30 * 86400000
local DEAD_BYTES = 64 * 1024 * 1024
if fence == 'ack' then
  if redis.call('XACK', P .. 'inbox', 'collect', subject) == 0 then return 0 end
  redis.call('XDEL', P .. 'inbox', subject)
elseif redis.call('ZREM', P .. 'orphans', subject) == 0 then
  return 0
end

local function tell(kind, id, part, data)
  emit_raw('{"specversion":"1.0","id":"result-' .. id .. part .. '","source":"/alodial","type":"alodial.result.' .. kind ..
    '","subject":"' .. id .. '","time":"' .. now_text() .. '","datacontenttype":"application/json","data":' .. data .. '}')
end

local function bury(kind, body, content_type, reason)
  local dead, id = P .. 'dead', nil
  id = redis.call('XADD', dead, '*', 'kind', kind, 'type', content_type, 'reason', reason, 'size', #body)
  redis.call('SET', dead .. ':' .. id, body, 'PX', MONTH)
  local bytes = redis.call('INCRBY', P .. 'dead_bytes', #body)
  -- The oldest make room: whoever has stolen the callback's secret fills no more than this.
  for _ = 1, 100 do
    local count = redis.call('XLEN', dead)
    if count < 2 or (bytes <= DEAD_BYTES and count <= 100000) then break end
    local oldest = redis.call('XRANGE', dead, '-', '+', 'COUNT', 1)[1][1]
    bytes = redis.call('DECRBY', P .. 'dead_bytes', redis.call('STRLEN', dead .. ':' .. oldest))
    redis.call('DEL', dead .. ':' .. oldest)
    redis.call('XDEL', dead, oldest)
  end
  return id
end

-- One result less needs the entry's body.
local function release(entry)
  local key = P .. 'orphans:' .. entry
  if redis.call('EXISTS', key) == 1 and redis.call('HINCRBY', key, 'n', -1) <= 0 then redis.call('DEL', key) end
end

for i = 4, #ARGV, 5 do
  local what, body, content_type, reason, data = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  if what == 'orphan' then
    redis.call('ZADD', P .. 'orphans', ms + timeout, body)
  elseif what == 'shared' then
    local key = P .. 'orphans:' .. subject
    redis.call('HSET', key, 'b', body, 't', content_type, 'n', reason)
    redis.call('PEXPIRE', key, timeout + MONTH)
  elseif what == 'released' then
    release(body)
  elseif what == 'unmatched_shared' then
    local key = P .. 'orphans:' .. content_type
    local kept = redis.call('HMGET', key, 'b', 't', 'dl')
    local id, part = kept[3], ''
    if id and redis.call('EXISTS', P .. 'dead:' .. id) == 1 then
      part = '-' .. redis.call('HINCRBY', key, 'more', 1)
    else
      id = bury('unmatched', kept[1] or body, kept[2] or 'application/json', reason)
      if kept[1] then redis.call('HSET', key, 'dl', id) end
    end
    tell('unmatched', id, part, data)
    release(content_type)
  else
    tell(what, bury(what, body, content_type, reason), '', data)
  end
end
return 1
