-- Lets ended calls whose record is committed in the archive leave Redis sooner, but for what makes a repeated request the same call:
-- that is remembered in a few bytes (past_of) for as long as the record, or the only key that leads to it, would have been known.
-- ARGV: ms that a record is kept after its call's end, then for each call: extid, its version, its end in ms
-- Answer for each: 1 when the record goes at that time at the latest (or is gone), 0 when the call has changed since

-- Once a day what nobody has to remember any more leaves such a hash.
local function tidy_past(key)
  local day = math.floor(ms / DAY)
  if number(redis.call('HGET', key, 't')) >= day then return end
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if all[i] ~= 't' and is_forgotten(all[i + 1]) then redis.call('HDEL', key, all[i]) end
  end
  redis.call('HSET', key, 't', int(day))
end

-- Two bytes of the day from which it is forgotten, a letter of the state, 8 bytes of the digest, 10 of the id (the rest is the extid), then
-- the owner, behind a + for a tenant, and behind a space the owner and extid of a call that has another's on the wire.
-- False where the call does not fit into that: its record stays.
local function remember(x, ended, state, id, digest, keys, owner, tenant, shown)
  local head, tail = string.match(id, '^(%x+%-%x+%-%x+%-%x+)%-(%x+)$')
  local hex = digest .. string.gsub(head or '', '-', '')
  if #digest ~= 16 or #hex ~= 36 or tail ~= id_end(x) or string.find(hex, '%X') then return false end
  local keep = math.max(RETAIN, KEEP)
  -- An extid of ours is repeated by its key alone (enqueue.lua writes a space before the first).
  if keys and string.byte(keys) == 32 then keep = KEEP end
  local day = math.floor((ended + keep) / DAY) + 1
  if day * DAY <= ms then return true end
  local value = string.char(math.floor(day / 256), day % 256) .. string.match(PAST_STATES, ' ' .. state .. '=(%l)')
    .. string.gsub(hex, '%x%x', function(two) return string.char(tonumber(two, 16)) end)
  value = value .. (tenant and '+' or '') .. (owner or '') .. (shown and ' ' .. shown or '')
  local key = past_of(x)
  redis.call('HSET', key, x, value)
  if ms + redis.call('PTTL', key) < day * DAY then redis.call('PEXPIREAT', key, int(day * DAY)) end
  tidy_past(key)
  return true
end

local life, answer = tonumber(ARGV[1]), {}
for i = 2, #ARGV, 3 do
  local x, ended = ARGV[i], tonumber(ARGV[i + 2])
  local key = P .. 'c:' .. x
  local r = redis.call('HMGET', key, 's', 'v', 'n', 'g', 'id', 'd', 'ik', 'w', 'tn', 'ox')
  local done = 1
  if r[1] then
    if not ENDS[r[1]] or number(r[2]) ~= tonumber(ARGV[i + 1]) then
      done = 0
    elseif r[4] or not r[6] or remember(x, ended, r[1], r[5], r[6], r[7], r[8], r[9], r[10]) then
      local at, left = ended + life, redis.call('PTTL', key)
      if left < 0 or ms + left > at then
        redis.call('PEXPIREAT', key, int(at))
        for n = 2, number(r[3]) do
          local other = redis.call('HGET', key, 'x' .. n)
          if other then redis.call('PEXPIREAT', P .. 'x:' .. other, int(at)) end
        end
      end
    end
  end
  answer[#answer + 1] = done
end
return answer
