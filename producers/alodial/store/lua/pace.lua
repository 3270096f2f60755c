-- Moves what is due into the ready lists and says which accounts have work waiting. They are rung four times a second, once
-- while somebody attends: so that a second worker joins a first that has more than it can do, and no lost bell matters. Every
-- third second is enough where only the rate is in the way (claim told somebody to wait for a turn).
-- Starts campaigns whose time has come, ends those whose time is over, and says whose hopper runs low: it looks at those for
-- which something has come (`wake`, `hungry`), and not at those that are paused, wait or have enough in their hopper.
-- ARGV: limit, then for each account: name, calls that a hopper should hold.
-- Answer: {moved, ms until the next one is due or -1, {accounts to ring...}, {{campaign, cursor, chunk, offset, room}...},
--   ms that the clock was off (clock.lua), 1 when calls are ready or a campaign lives,
--   workers that are known}
local LOOKS, FILLS, RECALLS = 200, 20, 200
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
    elseif not (r.pg and waits_for_turn(r)) and not (r.n > 1 and redial_waits(r)) then
      if waits_for_hours(r) then redis.call('ZREM', P .. 'window:' .. r.g, x) end
      move(r, 'queued')
      emit(r, 'queued')
      -- A campaign's redial goes before rows that were never dialled: its delay was promised.
      push_ready(r, r.g and 'LPUSH' or 'RPUSH')
    end
  end
end
local nearest = redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
local answer = { #due, nearest[2] and math.max(0, tonumber(nearest[2]) - ms) or -1, {}, {}, step }

-- Every five minutes each live campaign is looked at, a hundred in one step: those of an earlier version, which are in no index
-- yet, and whichever was forgotten.
local patrol = redis.call('HMGET', P .. 'patrol', 'at', 'cursor')
if number(patrol[1]) <= ms then
  local rows = redis.call('SSCAN', LIVE, patrol[2] or '0', 'COUNT', 100)
  for _, g in ipairs(rows[2]) do look_at(g, ms) end
  redis.call('HSET', P .. 'patrol', 'cursor', rows[1], 'at', rows[1] == '0' and int(ms + 300000) or int(ms))
end

-- The hours of a zone are other ones than when these calls began to wait for them: they look again.
local recalled = 0
local function recall(g, changed)
  local rows = recalled < RECALLS and redis.call('ZRANGEBYSCORE', P .. 'window:' .. g, '-inf', changed, 'LIMIT', 0, RECALLS - recalled)
  if not rows then return look_at(g, ms) end
  recalled = recalled + #rows
  for _, x in ipairs(rows) do
    redis.call('ZREM', P .. 'window:' .. g, x)
    local r = load(x)
    if r and r.s == 'scheduled' and waits_for_hours(r) then redis.call('ZADD', DUE, int(ms), x) end
  end
  if recalled < RECALLS then redis.call('HDEL', P .. 'g:' .. g, 'zc') else look_at(g, ms) end
end

-- What has come for a campaign: its start, its end, hours that open, rows that were added. Says when to look again.
local function look(g)
  local key = P .. 'g:' .. g
  local c = redis.call('HMGET', key, 's', 'a', 'start', 'end', 'cur', 'tot', 'left', 'p', 'nz', 'zc')
  if c[1] == 'scheduled' then
    if number(c[3]) <= ms then
      redis.call('HSET', key, 's', 'running', 'st', ms)
      act(g, 'alodial', 'started')
      campaign_event(g, 'started')
      c[1] = 'running'
    else
      look_at(g, number(c[3]))
    end
  end
  if c[1] ~= 'running' and c[1] ~= 'paused' and c[1] ~= 'scheduled' then return end
  if c[4] and not c[7] then
    if number(c[4]) <= ms then
      -- What waits expires at that moment by itself; rows never called do so here.
      redis.call('HSET', key, 'left', 'expired', 'why', 'ended')
      act(g, 'alodial', 'ended')
      c[7] = 'expired'
    else
      look_at(g, number(c[4]))
    end
  end
  if c[10] then recall(g, c[10]) end
  if c[1] == 'running' then
    local opens = c[9] and 0 or opening(P .. 'cal:' .. g)
    if opens ~= 0 then look_at(g, opens or ms + 3600000) end
    -- What has come to its end expires at whatever hour.
    if (opens == 0 or c[7]) and redis.call('EXISTS', P .. 'gq:' .. g) == 1 then join(g, c[2], c[8]) end
    if opens == 0 and not c[7] and number(c[5]) < number(c[6]) then redis.call('ZADD', HUNGRY, 'LT', int(ms), g) end
  end
  look_after(g)
end

local woken = redis.call('ZRANGEBYSCORE', WAKE, '-inf', ms, 'LIMIT', 0, LOOKS)
for _, g in ipairs(woken) do
  redis.call('ZREM', WAKE, g)
  look(g)
end

-- Hoppers that run low, whoever waits longest first. Each is given to one pacer, and to another when nothing came of it.
local stopped = redis.call('EXISTS', P .. 'stop') == 1
local hoppers = {}
for i = 2, #ARGV, 2 do
  local name, room = ARGV[i], tonumber(ARGV[i + 1])
  hoppers[name] = room
  local low = tonumber(redis.call('HGET', P .. 'acct:' .. name, 'low') or nil)
  if low ~= room / 2 then redis.call('HSET', P .. 'acct:' .. name, 'low', room / 2) end
end
local hungry = stopped and {} or redis.call('ZRANGEBYSCORE', HUNGRY, '-inf', ms, 'LIMIT', 0, FILLS)
for _, g in ipairs(hungry) do
  local c = redis.call('HMGET', P .. 'g:' .. g, 's', 'a', 'cur', 'tot', 'nz', 'cc', 'co', 'left')
  local wanted = hoppers[c[2]]
  local room = (wanted or 0) - redis.call('LLEN', P .. 'gq:' .. g)
  if c[1] ~= 'running' or c[8] or number(c[3]) >= number(c[4]) or wanted and room <= wanted / 2 then
    redis.call('ZREM', HUNGRY, g)
  elseif not wanted then
    redis.call('ZADD', HUNGRY, int(ms + 1000), g) -- an account that this worker does not know
  else
    local opens = c[5] and 0 or opening(P .. 'cal:' .. g)
    if opens == 0 then
      redis.call('ZADD', HUNGRY, int(ms + 2000), g)
      answer[4][#answer[4] + 1] = { g, number(c[3]), number(c[6]), number(c[7]), room }
    else
      redis.call('ZREM', HUNGRY, g)
      look_at(g, opens or ms + 3600000)
    end
  end
end
-- More than one step may take: the next begins at once.
if #woken == LOOKS or #hungry == FILLS then answer[2] = 0 end
local busy = redis.call('EXISTS', LIVE)
for _, account in ipairs(redis.call('SMEMBERS', P .. 'accounts')) do
  if redis.call('EXISTS', P .. 'q:' .. account .. ':u', P .. 'q:' .. account .. ':n', P .. 'q:' .. account .. ':b',
      P .. 'turns:' .. account .. ':u', P .. 'turns:' .. account .. ':n', P .. 'turns:' .. account .. ':b', P .. 'fair:' .. account .. ':n', P .. 'fair:' .. account .. ':b', P .. 'paced:' .. account .. ':n',
      P .. 'paced:' .. account .. ':b') > 0 then
    busy = 1
    local held = redis.call('HMGET', P .. 'acct:' .. account, 'hold', 'turn')
    local attended = number(held[2]) > us and 3000 or 1000
    if not stopped and number(held[1]) <= ms
      and redis.call('SET', P .. 'help:' .. account, '1', 'NX', 'PX', redis.call('EXISTS', P .. 'bell:' .. account) == 1 and attended or 250) then answer[3][#answer[3] + 1] = account end
  end
end
answer[6], answer[7] = busy, redis.call('HLEN', P .. 'workers')
return answer
