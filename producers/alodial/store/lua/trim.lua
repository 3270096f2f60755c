-- Shortens the event stream to `keep`, but not past what a group has not read or not acknowledged yet: that is held until it is
-- older than max_age or the stream longer than max_length, and then dropped, counted and said. No event's body is looked at but
-- those of a hundred at the edge.
-- ARGV: keep step max_age_ms max_length
-- Answer: {entries removed, length, 1 when an unread group stands in the way, how many were dropped unread, names of the groups}
local keep, step, max_age, max_length = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local HELD = P .. 'events:held'
local length = redis.call('XLEN', EVENTS)
local excess = math.min(length - keep, step)
if excess <= 0 then
  redis.call('DEL', HELD)
  return { 0, length, 0, 0, {} }
end
local function parts(id)
  local at, n = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(at), tonumber(n)
end
local function before(a, b)
  local at, n = parts(a)
  local bt, bn = parts(b)
  return at < bt or at == bt and n < bn
end
local function next_id(id)
  local at, n = parts(id)
  return int(at) .. '-' .. int(n + 1)
end

-- The first event that some group still needs, and which groups need it or what follows.
local needed, groups = int(ms + 86400000) .. '-0', {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', EVENTS)) do
  local name, first
  for i = 1, #group, 2 do
    if group[i] == 'name' then name = group[i + 1] end
    if group[i] == 'last-delivered-id' then first = next_id(group[i + 1]) end
  end
  local pending = redis.call('XPENDING', EVENTS, name)
  if pending[1] > 0 and before(pending[2], first) then first = pending[2] end
  groups[#groups + 1] = { name, first }
  if before(first, needed) then needed = first end
end

-- Whole nodes of the stream first, without a look at what is in them; then the rest of the last one.
local removed = redis.call('XTRIM', EVENTS, 'MINID', '~', needed, 'LIMIT', excess)
local held = false
if removed < excess then
  local rows = redis.call('XRANGE', EVENTS, '-', '+', 'COUNT', math.min(excess - removed, 100))
  local cut = next_id(rows[#rows][1])
  if before(needed, cut) then cut, held = needed, true end
  removed = removed + redis.call('XTRIM', EVENTS, 'MINID', cut)
end
if not held then
  redis.call('DEL', HELD)
  return { removed, length, 0, 0, {} }
end

-- From here on the oldest event is one that a group needs.
local oldest = redis.call('XRANGE', EVENTS, '-', '+', 'COUNT', 1)[1][1]
local slow, names = oldest, {}
local left = math.min(length - removed - keep, step)
local dropped = 0
if parts(oldest) < ms - max_age then
  dropped = redis.call('XTRIM', EVENTS, 'MINID', '~', int(ms - max_age), 'LIMIT', left)
  -- Fewer than a node's worth: those of its entries that are old enough.
  if dropped == 0 then dropped = redis.call('XTRIM', EVENTS, 'MINID', '=', int(ms - max_age)) end
end
if length - removed - dropped > max_length then
  dropped = dropped + redis.call('XTRIM', EVENTS, 'MAXLEN', '~', max_length, 'LIMIT', left)
end
local first = redis.call('XRANGE', EVENTS, '-', '+', 'COUNT', 1)[1]
local now_first = first and first[1] or needed
for _, group in ipairs(groups) do
  if before(group[2], dropped > 0 and now_first or next_id(slow)) then names[#names + 1] = group[1] end
end
if dropped > 0 then
  redis.call('INCRBY', P .. 'events:lost', dropped)
  redis.call('PEXPIRE', P .. 'events:lost', 604800000)
  -- What a member took and never acknowledged is gone: it must hold nothing back any more.
  for _, name in ipairs(names) do
    for _, entry in ipairs(redis.call('XPENDING', EVENTS, name, '-', '(' .. now_first, 1000)) do redis.call('XACK', EVENTS, name, entry[1]) end
  end
end
local at = parts(now_first)
redis.call('HSET', HELD, 'group', names[1] or '', 'since', int(at), 'length', length - removed - dropped, 'age', max_age, 'most', max_length)
redis.call('PEXPIRE', HELD, 600000)
return { removed, length, 1, dropped, names }
