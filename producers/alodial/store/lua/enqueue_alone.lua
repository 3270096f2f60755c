-- What enqueue.lua does before it makes its functions and tables: the deadline, and all of a call that comes alone and has nothing
-- but its body and a reference, where Redis has room, the account's bell rings already, and no list is due to be trimmed. Most calls
-- that are enqueued alone under load are such; the way of the others costs a third more. It writes the same, as a test says.
-- The answer to such a call is 1.
local deadline = tonumber(ARGV[2])
if deadline > 0 and ms > deadline then return ms end
local there -- which of the record, the memory's key (counts twice) and the bell (four times) exist, where a call is such a one
if #ARGV == 7 and string.byte(ARGV[7]) ~= 32 then
  local call, x, id, reference = redis.call, ARGV[3], ARGV[4], ARGV[6]
  local key, bell_of = P .. 'c:' .. x, P .. 'bell:default'
  there = call('EXISTS', key, ROOM, ROOM, bell_of, bell_of, bell_of, bell_of)
  if there == 6 and tonumber(string.sub(x, -2)) % 16 ~= 0 then
    if reference == '' then
      call('HSET', key, 's', 'queued', 'id', id, 'b', ARGV[5], 'tl', 'queued ' .. now, 'v', 1)
    else
      call('HSET', key, 's', 'queued', 'id', id, 'b', ARGV[5], 'tl', 'queued ' .. now, 'v', 1, 'r', reference)
    end
    -- First, as an error may end the script anywhere: a call that is stored is in its list.
    if call('RPUSH', P .. 'q:default:n', x) == 1 then call('SADD', P .. 'accounts', 'default') end
    call('HINCRBY', P .. 'counts', 'queued', 1)
    call('XADD', P .. 'index', '*', 'x', x)
    for name in string.gmatch(ARGV[7], '%S+') do
      local list = P .. name
      if call('LPUSH', list, x) == 1 or call('PTTL', list) < RETAIN + SPARE then call('PEXPIRE', list, RETAIN + SPARE + DAY) end
    end
    local minute, hour = P .. 'tick:' .. string.format('%d', ms / 60000), P .. 'hour:' .. string.format('%d', ms / 3600000)
    if call('HINCRBY', minute, 'c', 1) == 1 then call('PEXPIRE', minute, 7500000) end
    if call('HINCRBY', hour, 'c', 1) == 1 then call('PEXPIRE', hour, 8 * DAY + 3600000) end
    call('XADD', EVENTS, '*', 'event', '{"specversion":"1.0","id":"' .. id ..
      '-1","source":"/alodial","type":"alodial.call.queued","subject":"' .. id .. '","time":"' .. now_text() ..
      '","datacontenttype":"application/json","data":{"call_id":"' .. id .. '","extid":"' .. x ..
      '","reference":' .. (reference == '' and 'null' or cjson.encode(reference)) ..
      ',"campaign_id":null,"state":"queued","disposition":null,"attempt":1,"metadata":{}}}')
    return 1
  end
end
