-- Puts records of ended calls back that left Redis for the archive, so that results which come late find them. Whoever has a record,
-- or is of a campaign that is gone, stays as it is.
-- ARGV: ms that a record is kept, then for each call: extid, how many names and values follow, names and values in turns
-- Answer for each: 1 when it has a record now, 0 otherwise
local life, answer, at = tonumber(ARGV[1]), {}, 2
while at <= #ARGV do
  local x, size = ARGV[at], tonumber(ARGV[at + 1])
  local key, r = P .. 'c:' .. x, {}
  for i = at + 2, at + size, 2 do r[ARGV[i]] = ARGV[i + 1] end
  local here = redis.call('EXISTS', key)
  if here == 0 and ENDS[r.s] and (not r.g or redis.call('EXISTS', P .. 'g:' .. r.g) == 1) then
    redis.call('HSET', key, unpack(ARGV, at + 2, at + 1 + size))
    redis.call('PEXPIRE', key, life)
    for n = 2, number(r.n) do
      if r['x' .. n] then redis.call('SET', P .. 'x:' .. r['x' .. n], x .. ':' .. n, 'PX', life) end
    end
    here = 1
  end
  answer[#answer + 1] = here
  at = at + 2 + size
end
return answer
