-- The last row was appended: the campaign begins, at its time. Rows that were submitted before, in whatever order, are refused.
-- ARGV: campaign, content key, file key ('' for none), again, draft key, who, totals json, how: start, or pause (it waits for a
--   resume)
-- Answer: {outcome, id}; outcome is started, scheduled, paused, had (it is no draft any more), gone (somebody dropped the draft, or
--   it held more rows than the totals count as good and is dropped now), or duplicate with the id of the first (then the draft is
--   gone)
local g, content, file, again, draft, who, totals, how = unpack(ARGV)
local key = P .. 'g:' .. g
local c = redis.call('HMGET', key, 's', 'start', 'a', 'tot')
if not c[1] then
  -- Asked again: this draft was the duplicate.
  local first = again ~= '1' and redis.call('GET', P .. 'gr:' .. content)
  return first and first ~= g and { 'duplicate', first } or { 'gone', g }
end
if c[1] ~= 'draft' then return { 'had', g } end
if again ~= '1' then
  local first = redis.call('GET', P .. 'gr:' .. content)
  if first and first ~= g and redis.call('EXISTS', P .. 'g:' .. first) == 1 then
    redis.call('DEL', P .. 'gd:' .. draft)
    forget_campaign(g)
    return { 'duplicate', first }
  end
end
-- Whoever submits the same with another reading at this moment has appended further rows, perhaps of somebody who has answered.
if number(c[4]) ~= number(cjson.decode(totals).good) then
  if redis.call('GET', P .. 'gd:' .. draft) == g then redis.call('DEL', P .. 'gd:' .. draft) end
  forget_campaign(g)
  return { 'gone', g }
end
local later = c[2] and number(c[2]) > ms
local state = how == 'pause' and 'paused' or later and 'scheduled' or 'running'
redis.call('HSET', key, 'rows', totals, 's', state)
for _, name in ipairs(campaign_keys(g)) do redis.call('PERSIST', name) end
for _, name in ipairs(names_of(g)) do redis.call('PERSIST', name) end
name_campaign(g, 'gr:' .. content)
if file ~= '' then name_campaign(g, 'gf:' .. file) end
-- Whoever submits the same at this moment and finds the draft gone learns what became of it.
redis.call('SET', P .. 'gd:' .. draft, g, 'PX', 3600000)
redis.call('SADD', LIVE, g)
look_at(g, ms)
redis.call('SADD', P .. 'accounts', c[3])
if state == 'running' then
  redis.call('HSET', key, 'st', ms)
  act(g, who, 'started')
  campaign_event(g, 'started')
  return { 'started', g }
end
act(g, who, state)
return { state, g }
