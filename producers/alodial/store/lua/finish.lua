-- The last row was appended: the campaign begins, at its time. Rows that were submitted before, in whatever order, are refused.
-- ARGV: campaign, content key, file key ('' for none), again, draft key, retention_ms, who, totals json,
--   how: start, pause (it waits for a resume), or add (rows of one that runs)
-- Answer: {outcome, id}; outcome is started, scheduled, paused, added, had, or duplicate with the id of the first (then the draft is gone)
local g, content, file, again, draft, keep, who, totals = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local key = P .. 'g:' .. g
local c = redis.call('HMGET', key, 's', 'start', 'a', 'rows')
if not c[1] then
  -- Asked again: this draft was the duplicate.
  local first = again ~= '1' and redis.call('GET', P .. 'gr:' .. content)
  return first and first ~= g and { 'duplicate', first } or { 'had', g }
end
local how = ARGV[9]
if how == 'add' then
  redis.call('HSET', key, 'open', 0, 'rows', totals)
  act(g, who, 'rows_added', ARGV[10])
  return { 'added', g }
end
if c[1] ~= 'draft' then return { 'had', g } end
if again ~= '1' then
  local first = redis.call('GET', P .. 'gr:' .. content)
  if first and first ~= g and redis.call('EXISTS', P .. 'g:' .. first) == 1 then
    redis.call('DEL', P .. 'gd:' .. draft, unpack(campaign_keys(g)))
    redis.call('ZREM', P .. 'campaigns', g)
    return { 'duplicate', first }
  end
end
redis.call('SET', P .. 'gr:' .. content, g, 'PX', keep)
if file ~= '' then redis.call('SET', P .. 'gf:' .. file, g, 'PX', keep) end
redis.call('DEL', P .. 'gd:' .. draft)
local later = c[2] and number(c[2]) > ms
local state = how == 'pause' and 'paused' or later and 'scheduled' or 'running'
redis.call('HSET', key, 'open', 0, 'rows', totals, 's', state)
for _, name in ipairs(campaign_keys(g)) do redis.call('PERSIST', name) end
redis.call('SADD', LIVE, g)
redis.call('SADD', P .. 'accounts', c[3])
if state == 'running' then
  redis.call('HSET', key, 'st', ms)
  act(g, who, 'started')
  campaign_event(g, 'started')
  return { 'started', g }
end
act(g, who, state)
return { state, g }
