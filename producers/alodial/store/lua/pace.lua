-- Moves what is due into the ready lists and says which accounts have work waiting. They are rung four times a second,
-- whoever attends already: so that a second worker joins a first that has more than it can do, and no lost bell matters.
-- ARGV: limit.  Answer: {moved, ms until the next one is due or -1, accounts to ring...}
local due = redis.call('ZRANGEBYSCORE', DUE, '-inf', ms, 'LIMIT', 0, ARGV[1])
for _, x in ipairs(due) do
  redis.call('ZREM', DUE, x)
  local r = load(x)
  if r and r.s == 'scheduled' then
    move(r, 'queued')
    emit(r, 'queued')
    redis.call('RPUSH', ready_key(r), x)
  end
end
local nearest = redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
local answer = { #due, nearest[2] and math.max(0, tonumber(nearest[2]) - ms) or -1 }
if redis.call('EXISTS', P .. 'stop') == 0 then
  for _, account in ipairs(redis.call('SMEMBERS', P .. 'accounts')) do
    local hold = tonumber(redis.call('HGET', P .. 'acct:' .. account, 'hold') or 0)
    if hold <= ms and redis.call('EXISTS', P .. 'q:' .. account .. ':u', P .. 'q:' .. account .. ':n', P .. 'q:' .. account .. ':b') > 0
      and redis.call('SET', P .. 'help:' .. account, '1', 'NX', 'PX', 250) then answer[#answer + 1] = account end
  end
end
return answer
