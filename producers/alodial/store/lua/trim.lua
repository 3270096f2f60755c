-- Shortens the event stream to `keep`, but never past what a group has not read or not acknowledged yet.
-- ARGV: keep step.  Answer: {entries removed, length, 1 when an unread group stands in the way}
local keep, step = tonumber(ARGV[1]), tonumber(ARGV[2])
local length = redis.call('XLEN', EVENTS)
if length <= keep then return { 0, length, 0 } end
local rows = redis.call('XRANGE', EVENTS, '-', '+', 'COUNT', math.min(length - keep, step))
local function parts(id)
  local at, n = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(at), tonumber(n)
end
local cut = rows[#rows][1]
local cut_at, cut_n = parts(cut)
local held = 0
for _, group in ipairs(redis.call('XINFO', 'GROUPS', EVENTS)) do
  local name, needed
  for i = 1, #group, 2 do
    if group[i] == 'name' then name = group[i + 1] end
    if group[i] == 'last-delivered-id' then needed = group[i + 1] end
  end
  local pending = redis.call('XPENDING', EVENTS, name)
  if pending[1] > 0 then needed = pending[2] end
  local at, n = parts(needed)
  if at < cut_at or (at == cut_at and n < cut_n) then cut, cut_at, cut_n, held = needed, at, n, 1 end
end
return { redis.call('XTRIM', EVENTS, 'MINID', cut), length, held }
