-- Shortens the life of ended calls whose record is committed in the archive. Nothing else of them changes: idempotency keys keep
-- their own expiry, and a record that such a key or an extid of the caller's choice leads to stays as long as they do.
-- ARGV: ms that a record is kept after its call's end, then for each call: extid, its version, its end in ms
-- Answer for each: 1 when the record goes at that time at the latest (or is gone), 0 when the call has changed since
local life, answer = tonumber(ARGV[1]), {}
for i = 2, #ARGV, 3 do
  local x = ARGV[i]
  local key = P .. 'c:' .. x
  local r = redis.call('HMGET', key, 's', 'v', 'ik', 'd', 'n', 'ox', 'g')
  local done = 1
  if r[1] then
    if not ENDS[r[1]] or number(r[2]) ~= tonumber(ARGV[i + 1]) then
      done = 0
    else
      local named = r[3] or r[4] and not r[7]
      local at = tonumber(ARGV[i + 2]) + (named and math.max(life, KEEP) or life)
      local left = redis.call('PTTL', key)
      if left < 0 or ms + left > at then
        redis.call('PEXPIREAT', key, int(at))
        for n = 2, number(r[5]) do
          local other = redis.call('HGET', key, 'x' .. n)
          if other then redis.call('PEXPIREAT', P .. 'x:' .. other, int(at)) end
        end
        if r[6] then redis.call('PEXPIREAT', P .. 'xo:' .. r[6], int(at)) end
      end
    end
  end
  answer[#answer + 1] = done
end
return answer
