-- What became of tries to deliver. Run again it counts twice at worst; an event that is gone is not touched.
-- ARGV: endpoint, most that are parked, disable_after_ms, tries that are remembered, then for each try 8 values:
--   id, outcome (ok, failed, gone, throttled), delay_ms until the next try or -1 for none, status, took_ms, why,
--   the event's type, its call
-- Answer: 'off' when the endpoint was switched off by this, else ''
local ep, most_parked, patience = ARGV[1], ARGV[2], tonumber(ARGV[3])
local key, due, bodies, tries = P .. 'wh:' .. ep, P .. 'wh:' .. ep .. ':due', P .. 'wh:' .. ep .. ':body', P .. 'wh:' .. ep .. ':tries'
local said, kept_tries = '', ARGV[4]
if redis.call('EXISTS', key .. ':gone') == 1 then return said end
local function off(why)
  if redis.call('HSETNX', key, 'off', why) == 1 then
    redis.call('HSET', key, 'off_at', ms)
    said = 'off'
  end
end
for i = 5, #ARGV, 8 do
  local id, outcome, delay, status, took, why = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
  redis.call('XADD', key .. ':tried', 'MAXLEN', '~', kept_tries, '*', 'at', ms, 'id', id, 'type', ARGV[i + 6], 'call', ARGV[i + 7],
    'outcome', outcome, 'status', status, 'took', took, 'why', why, 'n', number(redis.call('HGET', tries, id)) + 1,
    'next', outcome ~= 'ok' and delay >= 0 and ms + delay or '')
  if outcome == 'ok' then
    redis.call('HINCRBY', key, 'ok', 1)
    redis.call('HINCRBY', key, 'ok_ms', took)
    redis.call('HSET', key, 'ok_at', ms, 'status', status, 'row', 0)
    redis.call('HDEL', key, 'since', 'until', 'why')
    redis.call('ZREM', due, id)
    redis.call('HDEL', bodies, id)
    redis.call('HDEL', tries, id)
  else
    redis.call('HINCRBY', key, 'failed', 1)
    redis.call('HINCRBY', key, 'row', 1)
    redis.call('HSETNX', key, 'since', ms)
    redis.call('HSET', key, 'fail_at', ms, 'status', status, 'why', why)
    if outcome == 'gone' then off('gone') end
    if outcome == 'throttled' and delay > 0 then
      redis.call('HSET', key, 'until', math.max(number(redis.call('HGET', key, 'until')), ms + delay))
    end
    if redis.call('ZSCORE', due, id) then
      local n = redis.call('HINCRBY', tries, id, 1)
      if delay >= 0 then
        redis.call('ZADD', due, ms + delay, id)
      else
        redis.call('XADD', P .. 'wh:' .. ep .. ':parked', 'MAXLEN', '~', most_parked, '*', 'id', id, 'event',
          redis.call('HGET', bodies, id) or '{}', 'tries', n, 'why', why)
        redis.call('HINCRBY', key, 'parked', 1)
        redis.call('ZREM', due, id)
        redis.call('HDEL', bodies, id)
        redis.call('HDEL', tries, id)
      end
    end
    if ms - number(redis.call('HGET', key, 'since')) >= patience then off('failing') end
  end
end
return said
