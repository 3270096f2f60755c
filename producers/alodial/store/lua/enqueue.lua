-- Stores calls, each once for its id, its extid and its idempotency key.
-- ARGV: retention of idempotency keys in ms, then for each call 14 values:
--   extid id body account priority reference metadata not_before expires on_unconfirmed redial campaign digest key
-- Answer: { {accounts to ring}, {outcome, extid, id, state}, ... }; outcome is created, same or conflict.
local keep = ARGV[1]
local answer, ring, touched = { {} }, {}, {}
local born = { scheduled = 0, queued = 0 }
for i = 2, #ARGV, 14 do
  local x, id, account, priority = ARGV[i], ARGV[i + 1], ARGV[i + 3], ARGV[i + 4]
  local digest, idem = ARGV[i + 12], ARGV[i + 13]
  local found, foreign = x, false
  if idem ~= '' then found = redis.call('GET', P .. 'k:' .. idem) or x end
  local old = redis.call('HMGET', P .. 'c:' .. found, 'id', 's', 'd')
  if not old[1] and found ~= x then
    -- The key outlived its call's record; the extid may still be somebody's.
    found = x
    old = redis.call('HMGET', P .. 'c:' .. x, 'id', 's', 'd')
  end
  -- Only an extid of the caller's choice can meet one that a redial was given: ours have 50 random bits.
  if not old[1] and digest ~= '' then foreign = redis.call('GET', P .. 'x:' .. x) end
  if old[1] then
    local same = old[1] == id or (digest ~= '' and old[3] == digest)
    answer[#answer + 1] = { same and (old[1] == id and 'created' or 'same') or 'conflict', found, old[1], old[2] }
  elseif foreign then
    answer[#answer + 1] = { 'conflict', x, '', '' }
  else
    local not_before, expires = ARGV[i + 7], ARGV[i + 8]
    local state = (not_before ~= '' and tonumber(not_before) > ms) and 'scheduled' or 'queued'
    local fields = { 's', state, 'id', id, 'b', ARGV[i + 2], 'tl', state .. ' ' .. ms }
    local function put(name, value) if value ~= '' then fields[#fields + 1] = name; fields[#fields + 1] = value end end
    if account ~= 'default' then put('a', account) end
    if priority ~= 'n' then put('p', priority) end
    put('r', ARGV[i + 5]); put('m', ARGV[i + 6]); put('nb', not_before); put('x', expires)
    put('u', ARGV[i + 9]); put('rd', ARGV[i + 10]); put('g', ARGV[i + 11]); put('d', digest)
    redis.call('HSET', P .. 'c:' .. x, unpack(fields))
    if idem ~= '' then redis.call('SET', P .. 'k:' .. idem, x, 'PX', keep) end
    if expires ~= '' then redis.call('ZADD', EXP, expires, x) end
    redis.call('XADD', P .. 'index', '*', 'x', x)
    born[state] = born[state] + 1
    if not touched[account] then
      redis.call('SADD', P .. 'accounts', account)
      touched[account] = true
    end
    if state == 'queued' then
      redis.call('RPUSH', P .. 'q:' .. account .. ':' .. priority, x)
      ring[account] = true
      emit({ x = x, id = id, s = state, r = ARGV[i + 5], m = ARGV[i + 6], g = ARGV[i + 11], v = 0, n = 1 }, 'queued')
    else
      redis.call('ZADD', DUE, not_before, x)
    end
    answer[#answer + 1] = { 'created', x, id, state }
  end
end
for state, n in pairs(born) do if n > 0 then redis.call('HINCRBY', COUNTS, state, n) end end
for account in pairs(ring) do
  if bell(account) then answer[1][#answer[1] + 1] = account end
end
return answer
