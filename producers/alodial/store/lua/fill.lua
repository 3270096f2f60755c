-- A campaign's next rows as calls into its hopper, each once: only from where its cursor stands.
-- ARGV: campaign, cursor before, cursor after, chunk after, offset after, then for each row 11 values:
--   extid id body reference metadata expires zone other_extid other_id own_expires buckets
-- Answer: {filled, accounts to ring...}, {stale}, {full}: the rows stay packed until there is room, or {room, rows}: its API key may
--   have so many more calls now; the others wait for tomorrow or for the key's rate
local g, from, to = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local key = P .. 'g:' .. g
local c = redis.call('HMGET', key, 's', 'cur', 'a', 'p', 'u', 'left', 'ow', 'tot', 'kc', 'qt')
-- Before its turn ends: the pacer asks for these rows again in 2 s, not at once.
if store_full() then return { 'full' } end
if c[1] ~= 'running' or number(c[2]) ~= from or c[6] then return { 'stale' } end
local q, caps = limits_of_campaign(g, c[7], c[10], c[9])
if q and to > from then
  local allowed, more = rows_allowed(q, to - from, c[4])
  if allowed < to - from then
    if allowed == 0 then
      redis.call('ZREM', HUNGRY, g)
      look_at(g, more)
    end
    return { 'room', int(allowed) }
  end
  count_rows(q, int(to - from), c[4])
end
local a, p, u, owner = c[3], c[4], c[5], c[7]
local ready, lost, lost_rows = {}, 0, {}
local function taken(x) return redis.call('EXISTS', P .. 'c:' .. x, P .. 'x:' .. x) > 0 end
for i = 6, #ARGV, 11 do
  local x, id = ARGV[i], ARGV[i + 1]
  -- Somebody's extid already, by a chance of one in a thousand million: the row has another one ready.
  if taken(x) then x, id = ARGV[i + 7], ARGV[i + 8] end
  if taken(x) then
    lost = lost + 1
    lost_rows[lost] = from + (i - 6) / 11
  else
    local fields, n = { 's', 'queued', 'id', id, 'b', ARGV[i + 2], 'tl', 'queued ' .. ms, 'v', 1, 'g', g, 'p', p, 'ri', int(from + (i - 6) / 11) }, 16
    if a ~= 'default' then fields[n + 1], fields[n + 2], n = 'a', a, n + 2 end
    if u then fields[n + 1], fields[n + 2], n = 'u', u, n + 2 end
    if owner then fields[n + 1], fields[n + 2], n = 'w', owner, n + 2 end
    if caps then fields[n + 1], fields[n + 2], n = 'kc', caps, n + 2 end
    local reference, metadata, expires, zone = ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6]
    if reference ~= '' then fields[n + 1], fields[n + 2], n = 'r', reference, n + 2 end
    if metadata ~= '' then fields[n + 1], fields[n + 2], n = 'm', metadata, n + 2 end
    if zone ~= '' then fields[n + 1], fields[n + 2], n = 'z', zone, n + 2 end
    if expires ~= '' then
      fields[n + 1], fields[n + 2], n = 'x', expires, n + 2
      if ARGV[i + 9] ~= '' then fields[n + 1], fields[n + 2], n = 'xr', ARGV[i + 9], n + 2 end
      redis.call('ZADD', EXP, expires, x)
    end
    redis.call('HSET', P .. 'c:' .. x, unpack(fields))
    listed(x, ARGV[i + 10], owner, g)
    ready[#ready + 1] = x
    queued_event(id, x, owner, reference, g, metadata)
  end
end
redis.call('HSET', key, 'cur', to, 'cc', ARGV[4], 'co', ARGV[5])
-- Now, while the campaign lives, so that what is written after its end lasts no longer than the campaign.
if to > from then redis.call('SETRANGE', P .. 'out:' .. g, to - 1, '\0') end
for _, index in ipairs(lost_rows) do redis.call('SETRANGE', P .. 'out:' .. g, int(index), row_end('rejected')) end
local counts = P .. 'gc:' .. g
if lost > 0 then
  redis.call('HINCRBY', counts, 'rejected', lost)
  touched[g] = true
end
if #ready > 0 then
  redis.call('RPUSH', P .. 'gq:' .. g, unpack(ready))
  redis.call('HINCRBY', COUNTS, 'queued', #ready)
  redis.call('HINCRBY', counts, 'queued', #ready)
  redis.call('HINCRBY', counts, 'live', #ready)
  join(g, a, p)
end
-- Whoever fills it comes again at once while it runs low; if he does not, another pacer goes on.
local low = tonumber(redis.call('HGET', P .. 'acct:' .. a, 'low') or nil) or 0
if to < number(c[8]) and redis.call('LLEN', P .. 'gq:' .. g) < low then redis.call('ZADD', HUNGRY, ms + 250, g)
else redis.call('ZREM', HUNGRY, g) end
if bell(a) then return { 'filled', a } end
return { 'filled' }
