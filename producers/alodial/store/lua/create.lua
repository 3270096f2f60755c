-- A campaign as a draft, to which rows are then appended. The same draft, begun before, is gone on with.
-- ARGV: id, draft key (names file and request), file key ('' for none), again (1: a file that was here before may come again),
--   over (1: asked by a submission that found its draft gone: whatever the draft is by now is the answer), retention_ms, who, idempotency key ('' for none), digest of its request, then names and values of the campaign's fields
-- Answer: {outcome, id, chunks}; outcome is created, resumed, or with the id of the first: duplicate, same (the key's campaign, or
--   the draft's, is no draft any more), conflict (the key came with another request); full: there is no room for it
local g, draft, file, again, over, keep, who = ARGV[1], P .. 'gd:' .. ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local once = ARGV[8] ~= '' and 'gk:' .. ARGV[8]
if once then
  local outcome, first = key_used(once, ARGV[9])
  if outcome then return { outcome, first, 0 } end
end
local before = redis.call('GET', draft)
if before then
  local c = redis.call('HMGET', P .. 'g:' .. before, 's', 'nc')
  if c[1] == 'draft' then
    if once then name_campaign(before, once, ARGV[9]) end
    return { before == g and 'created' or 'resumed', before, number(c[2]) }
  end
  if over == '1' and c[1] then return { 'same', before, 0 } end
end
if file ~= '' and again ~= '1' then
  local first = redis.call('GET', P .. 'gf:' .. file)
  if first and redis.call('EXISTS', P .. 'g:' .. first) == 1 then return { 'duplicate', first, 0 } end
end
if store_full() then return { 'full', store_full(), 0 } end
redis.call('HSET', P .. 'g:' .. g, 's', 'draft', 'cr', ms, 'by', who, 'nc', 0, 'tot', 0, 'cur', 0, 'cc', 0, 'co', 0, unpack(ARGV, 10))
redis.call('SET', draft, g, 'PX', keep)
redis.call('ZADD', P .. 'campaigns', ms, g)
local owner = redis.call('HGET', P .. 'g:' .. g, 'ow')
if owner then
  redis.call('ZADD', P .. 'campaigns:~' .. owner, ms, g)
  redis.call('HSET', P .. 'campaigns:owners', g, owner)
end
act(g, who, 'created')
for _, name in ipairs(campaign_keys(g)) do redis.call('PEXPIRE', name, keep) end
if once then name_campaign(g, once, ARGV[9]) end
return { 'created', g, 0 }
