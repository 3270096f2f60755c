-- Moves what is due into the ready lists and says which accounts have work waiting. They are rung four times a second,
-- whoever attends already: so that a second worker joins a first that has more than it can do, and no lost bell matters.
-- Starts campaigns whose time has come, ends those whose time is over, and says whose hopper runs low.
-- ARGV: limit, then for each account: name, calls that a hopper should hold.
-- Answer: {moved, ms until the next one is due or -1, {accounts to ring...}, {{campaign, cursor, chunk, offset, room}...},
--   ms that the clock was off (clock.lua)}
local step = keep_time()
local limit = tonumber(ARGV[1])
local due = redis.call('ZRANGEBYSCORE', DUE, '-inf', ms, 'LIMIT', 0, limit)
for _, x in ipairs(due) do
  redis.call('ZREM', DUE, x)
  local r = load(x)
  if r and r.s == 'scheduled' then
    local state = r.g and redis.call('HGET', P .. 'g:' .. r.g, 's')
    if state == 'canceled' or state == 'completed' then
      move(r, 'canceled', 'campaign_' .. state)
      emit(r, 'canceled')
    else
      move(r, 'queued')
      emit(r, 'queued')
      -- A campaign's redial goes before rows that were never dialled: its delay was promised.
      push_ready(r, r.g and 'LPUSH' or 'RPUSH')
    end
  end
end
local nearest = redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
local answer = { #due, nearest[2] and math.max(0, tonumber(nearest[2]) - ms) or -1, {}, {}, step }
for _, g in ipairs(redis.call('ZRANGEBYSCORE', WAKE, '-inf', ms, 'LIMIT', 0, limit)) do
  redis.call('ZREM', WAKE, g)
  local c = redis.call('HMGET', P .. 'g:' .. g, 's', 'a', 'p')
  if c[1] == 'running' and redis.call('EXISTS', P .. 'gq:' .. g) == 1 then join(g, c[2], c[3]) end
end
local stopped = redis.call('EXISTS', P .. 'stop') == 1
local hoppers = {}
for i = 2, #ARGV, 2 do hoppers[ARGV[i]] = tonumber(ARGV[i + 1]) end
for _, g in ipairs(redis.call('SMEMBERS', LIVE)) do
  local key = P .. 'g:' .. g
  local c = redis.call('HMGET', key, 's', 'a', 'start', 'end', 'cur', 'tot', 'nz', 'cc', 'co', 'left', 'p')
  if c[1] == 'scheduled' and number(c[3]) <= ms then
    redis.call('HSET', key, 's', 'running', 'st', ms)
    act(g, 'alodial', 'started')
    campaign_event(g, 'started')
    c[1] = 'running'
  end
  if (c[1] == 'running' or c[1] == 'paused' or c[1] == 'scheduled') and c[4] and number(c[4]) <= ms and not c[10] then
    -- What waits expires at that moment by itself; rows never called do so here.
    redis.call('HSET', key, 'left', 'expired', 'why', 'ended')
    act(g, 'alodial', 'ended')
    c[10] = 'expired'
    -- Its end may have been set after calls became ready, and without their knowing: claim lets those expire.
    if redis.call('EXISTS', P .. 'gq:' .. g) == 1 then join(g, c[2], c[11]) end
  end
  if c[1] == 'running' and not c[10] and not stopped and number(c[5]) < number(c[6]) then
    local room = (hoppers[c[2]] or 0) - redis.call('LLEN', P .. 'gq:' .. g)
    if room > (hoppers[c[2]] or 0) / 2 and (c[7] or opening(P .. 'cal:' .. g) == 0)
      and redis.call('SET', P .. 'fill:' .. g, '1', 'NX', 'PX', 2000) then
      answer[4][#answer[4] + 1] = { g, number(c[5]), number(c[8]), number(c[9]), room }
    end
  end
  look_after(g)
end
if not stopped then
  for _, account in ipairs(redis.call('SMEMBERS', P .. 'accounts')) do
    local hold = tonumber(redis.call('HGET', P .. 'acct:' .. account, 'hold') or 0)
    if hold <= ms and redis.call('EXISTS', P .. 'q:' .. account .. ':u', P .. 'q:' .. account .. ':n', P .. 'q:' .. account .. ':b',
        P .. 'fair:' .. account .. ':n', P .. 'fair:' .. account .. ':b') > 0
      and redis.call('SET', P .. 'help:' .. account, '1', 'NX', 'PX', 250) then answer[3][#answer[3] + 1] = account end
  end
end
return answer
