-- Chunks of rows at the end of a campaign, all of them or none, once.
-- ARGV: campaign, number of the first chunk of a draft (-1: after the last, of one that is no draft), key of these rows ('' for a
--   draft), again, name of this request (for -1: asked again it appends nothing), idempotency key ('' for none), digest of its
--   request, who, totals json (both for -1), then for each chunk: rows, blob, problems blob ('' for none)
-- Answer: {outcome, id}; outcome is added, had (the first chunk was there), gap (one before it is missing), closed with the state
--   ('ended': its end has passed and its rows have expired), or with the id of the first: duplicate (rows that were submitted
--   before), same or conflict (the idempotency key was used); full: there is no room for them; or limit with the name of the limit
--   of its API key that they would exceed
local g, index, content, again = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local key = P .. 'g:' .. g
local adds = index < 0
local once, named = adds and P .. 'ga:' .. ARGV[5], ARGV[6] ~= '' and 'gk:' .. ARGV[6]
if once and redis.call('EXISTS', once) == 1 then return { 'added', g } end
if named then
  local outcome, first = key_used(named, ARGV[7])
  if outcome then return { outcome, first } end
end
local c = redis.call('HMGET', key, 's', 'nc', 'tot', 'rows', 'left', 'end', 'qt', 'ow')
if not c[1] or c[1] == 'completed' or c[1] == 'canceled' or adds == (c[1] == 'draft') then return { 'closed', c[1] or '' } end
-- Nobody would call these rows, and nobody would hear of it.
if adds and (c[5] or c[6] and number(c[6]) <= ms) then return { 'closed', 'ended' } end
local chunks, total = number(c[2]), number(c[3])
if adds then index = chunks end
if index < chunks then return { 'had', g } end
if index > chunks then return { 'gap', g } end
if store_full() then return { 'full', store_full() } end
if adds then
  local first = again ~= '1' and redis.call('GET', P .. 'gr:' .. content)
  if first and redis.call('EXISTS', P .. 'g:' .. first) == 1 then return { 'duplicate', first } end
end
local q, rows, bytes = limits_of_campaign(g, c[8], c[7]), 0, 0
if q then
  for i = 10, #ARGV, 3 do rows, bytes = rows + tonumber(ARGV[i]), bytes + #ARGV[i + 1] + #ARGV[i + 2] + CALL_BYTES end
  if chunks == 0 then
    for _, field in ipairs({ 'req', 'cols', 'src' }) do bytes = bytes + redis.call('HSTRLEN', key, field) end
  end
  local limit = over_store(q, rows, bytes)
  if limit then return { 'limit', limit } end
  hold_rows(q, g, rows, bytes)
end
if adds then
  name_campaign(g, 'gr:' .. content)
  if named then name_campaign(g, named, ARGV[7]) end
  redis.call('SET', once, g, 'PX', 3600000)
  local totals, more = cjson.decode(c[4] or '{}'), cjson.decode(ARGV[9])
  for name, count in pairs(more) do totals[name] = number(totals[name]) + count end
  redis.call('HSET', key, 'rows', cjson.encode(totals))
  act(g, ARGV[8], 'rows_added', int(number(more.good)))
  look_at(g, ms)
end
for i = 10, #ARGV, 3 do
  local rows = tonumber(ARGV[i])
  if rows > 0 then redis.call('HSET', P .. 'rows:' .. g, chunks, ARGV[i + 1], 'b' .. chunks, int(total)) end
  if ARGV[i + 2] ~= '' then redis.call('HSET', P .. 'bad:' .. g, chunks, ARGV[i + 2]) end
  chunks, total = chunks + 1, total + rows
end
redis.call('HSET', key, 'nc', chunks, 'tot', int(total))
local left = redis.call('PTTL', key)
if left > 0 then
  redis.call('PEXPIRE', P .. 'rows:' .. g, left)
  redis.call('PEXPIRE', P .. 'bad:' .. g, left)
end
return { 'added', g }
