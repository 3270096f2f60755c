-- What people do to a campaign. ARGV: campaign, action, who, reason, SHA-1 of the request that a change was made from, then names
--   and values to change ('' takes a field away)
-- Actions: pause, resume, cancel, change.  Answer: {outcome, state}; outcome is done, same (it was so before), refused, unknown, or
--   stale: somebody else has changed the request meanwhile. Refused in the state 'ended': its end has passed and cannot be moved.
local g, action, who, reason = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = P .. 'g:' .. g
local c = redis.call('HMGET', key, 's', 'a', 'p', 'start')
local state = c[1]
if not state then return { 'unknown', '' } end
local over = state == 'completed' or state == 'canceled'
if action == 'pause' then
  if state == 'paused' then return { 'same', state } end
  if over or state == 'draft' then return { 'refused', state } end
  pause_campaign(g, reason)
  act(g, who, 'paused', reason)
  look_at(g, ms)
elseif action == 'resume' then
  if state == 'running' or state == 'scheduled' then return { 'same', state } end
  if state ~= 'paused' then return { 'refused', state } end
  local later = number(c[4]) > ms
  redis.call('HSET', key, 's', later and 'scheduled' or 'running', 'why', '')
  if not later then redis.call('HSETNX', key, 'st', ms) end
  -- What failed while it was paused does not pause it again.
  redis.call('HSET', P .. 'gc:' .. g, 'row', 0)
  act(g, who, 'resumed', reason)
  campaign_event(g, 'resumed')
  if not later and redis.call('EXISTS', P .. 'gq:' .. g) == 1 then join(g, c[2], c[3]) end
  look_at(g, ms)
elseif action == 'cancel' then
  if state == 'canceled' then return { 'same', state } end
  if over then return { 'refused', state } end
  act(g, who, 'canceled', reason)
  finish(g, 'canceled', reason, 'canceled')
else
  if over then return { 'refused', state } end
  local now = redis.call('HMGET', key, 'req', 'end', 'left')
  if redis.sha1hex(now[1]) ~= ARGV[5] then
    for i = 6, #ARGV, 2 do
      if redis.call('HGET', key, ARGV[i]) ~= (ARGV[i + 1] ~= '' and ARGV[i + 1]) then return { 'stale', state } end
    end
    return { 'same', state }
  end
  for i = 6, #ARGV, 2 do
    -- Its rows have expired: a later end would say that they are called, and nobody would be.
    if ARGV[i] == 'end' and (now[2] or '') ~= ARGV[i + 1] and (now[3] or now[2] and number(now[2]) <= ms) then
      return { 'refused', 'ended' }
    end
  end
  for i = 6, #ARGV, 2 do
    -- The next slot was reckoned with the old pace: an hour away, perhaps.
    if ARGV[i] == 'pace' and number(ARGV[i + 1]) ~= number(redis.call('HGET', key, 'pace')) then redis.call('HDEL', key, 'gtat') end
    if ARGV[i + 1] == '' then redis.call('HDEL', key, ARGV[i]) else redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
  end
  act(g, who, 'changed', reason)
  -- Whatever held it back may be another thing now.
  if state == 'running' and redis.call('EXISTS', P .. 'gq:' .. g) == 1 then join(g, c[2], c[3]) end
  look_at(g, ms)
end
return { 'done', redis.call('HGET', key, 's') }
