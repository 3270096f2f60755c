-- Chunks of rows at the end of a campaign, all of them or none, once.
-- ARGV: campaign, number of the first chunk (-1: after the last), key of these rows ('' for a draft), again, retention_ms, lease_ms,
--   name of this request (for -1: asked again it appends nothing), then for each chunk: rows, blob, problems blob ('' for none)
-- Answer: {outcome, id}; outcome is added, had (the first chunk was there), gap (one before it is missing), closed, or duplicate
-- with the id of the campaign that these rows were submitted to before
local g, index, content, again, keep = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local key = P .. 'g:' .. g
local once = index < 0 and P .. 'ga:' .. ARGV[7]
if once and redis.call('EXISTS', once) == 1 then return { 'added', g } end
local c = redis.call('HMGET', key, 's', 'nc', 'tot')
if not c[1] or c[1] == 'completed' or c[1] == 'canceled' then return { 'closed', c[1] or '' } end
local chunks, total = number(c[2]), number(c[3])
if index < 0 then index = chunks end
if index < chunks then return { 'had', g } end
if index > chunks then return { 'gap', g } end
if content ~= '' then
  local first = again ~= '1' and redis.call('GET', P .. 'gr:' .. content)
  if first and redis.call('EXISTS', P .. 'g:' .. first) == 1 then return { 'duplicate', first } end
  redis.call('SET', P .. 'gr:' .. content, g, 'PX', keep)
end
if once then redis.call('SET', once, g, 'PX', 3600000) end
for i = 8, #ARGV, 3 do
  local rows = tonumber(ARGV[i])
  if rows > 0 then redis.call('HSET', P .. 'rows:' .. g, chunks, ARGV[i + 1], 'b' .. chunks, int(total)) end
  if ARGV[i + 2] ~= '' then redis.call('HSET', P .. 'bad:' .. g, chunks, ARGV[i + 2]) end
  chunks, total = chunks + 1, total + rows
end
-- Until then the campaign is not over, though it may have nothing left: more is on its way.
redis.call('HSET', key, 'nc', chunks, 'tot', int(total), 'open', ms + tonumber(ARGV[6]))
local left = redis.call('PTTL', key)
if left > 0 then
  redis.call('PEXPIRE', P .. 'rows:' .. g, left)
  redis.call('PEXPIRE', P .. 'bad:' .. g, left)
end
return { 'added', g }
