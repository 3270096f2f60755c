-- Finishes one inbox entry, or takes one orphan out, and keeps what could not be used. The fence makes it happen once.
-- ARGV: fence (ack or zrem), inbox entry id or orphan, orphan_timeout_ms, then for each thing kept 5 values:
--   what (orphan, unmatched, unreadable) body content_type reason event_data_json
-- Answer: 1 when this run did it, 0 when it had been done before.
local fence, subject, timeout = ARGV[1], ARGV[2], tonumber(ARGV[3])
if fence == 'ack' then
  if redis.call('XACK', P .. 'inbox', 'collect', subject) == 0 then return 0 end
  redis.call('XDEL', P .. 'inbox', subject)
elseif redis.call('ZREM', P .. 'orphans', subject) == 0 then
  return 0
end
for i = 4, #ARGV, 5 do
  local what, body = ARGV[i], ARGV[i + 1]
  if what == 'orphan' then
    redis.call('ZADD', P .. 'orphans', ms + timeout, body)
  else
    local id = redis.call('XADD', P .. 'dead', 'MAXLEN', '~', 100000, '*', 'kind', what, 'body', body, 'type', ARGV[i + 2],
      'reason', ARGV[i + 3])
    emit_raw('{"specversion":"1.0","id":"result-' .. id .. '","source":"/alodial","type":"alodial.result.' .. what ..
      '","subject":"' .. id .. '","time":"' .. now_text() .. '","datacontenttype":"application/json","data":' .. ARGV[i + 4] .. '}')
  end
end
return 1
