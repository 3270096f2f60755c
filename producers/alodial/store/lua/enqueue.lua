-- Stores calls, each once for its id, and for its owner's extid and idempotency key.
-- ARGV: retention of idempotency keys in ms, deadline in ms by Redis' clock (0: none), then for each call 5 values:
--   extid id body reference buckets
--   and where buckets begin with a space 5 more:
--   account priority metadata not_before expires
--   and with two spaces besides these 10 more:
--   on_unconfirmed redial campaign digest key owner redial_of tenant spare quota
--   key: the idempotency key, and behind a space the one under which an older version stored the same row
--   tenant: 1 when the owner has extids of its own, '' when it shares those of the installation
--   spare: "extid id" of ours, for an extid of the caller's choice that another owner has
--   quota: "key daily_calls" of the API key that it comes by and, where it has such, " cap_calls cap_seconds first_calls first_seconds":
--     how often it may call a number and ring it first, 0 for no limit; campaign.lua looks at them again when it is armed.
--     What follows behind a semicolon is described in quota.lua
-- Answer: { {accounts to ring}, row, ... }; a row is 1 (stored and queued), 2 (stored and scheduled) or
--   {outcome, extid of the record, id, state, the caller's extid} of the call that was there: created (by this very request, or just
--   now under the spare), same or conflict, which is of this owner; full: there is no room for a new one (instead of the id how much is used, and the limit); or
--   limit, with the limit's name for the id and the seconds to wait for the caller's extid.
-- After the deadline nothing is stored and the answer is Redis' clock in ms: whoever asked was told so by then.
-- A plain call that comes alone is stored by enqueue_alone.lua as a rule, which also looks at the deadline.
-- Seldom here: int
local answer, ring, rung = { {}, nil }, nil, nil -- room for two: a table that grows is made anew
local optional_fields -- made when a call has any
local fields = { 's', '', 'id', '', 'b', '', 'tl', '', 'v', 1, '', '' } -- most have no more
local values = ARGV -- a local variable: it is looked at ten times a call
local quiet = false -- whether it is known that nobody has to be woken

local i, following = 3, 3
while i <= #values do
  local x, id, body, reference, buckets = values[i], values[i + 1], values[i + 2], values[i + 3], values[i + 4]
  local account, priority, metadata, not_before, expires, optional = 'default', 'n', '', '', '', 0
  local unconfirmed, redial, g, digest, idem, owner, tenant, spare, quota = '', '', '', '', '', '', '', '', ''
  following = i + 5
  local more, most = string.byte(buckets, 1, 2)
  if more == 32 then
    account, priority, metadata, not_before, expires = values[i + 5], values[i + 6], values[i + 7], values[i + 8], values[i + 9]
    following, optional = i + 10, 6
    if most == 32 then
      unconfirmed, redial, g, digest, idem = values[i + 10], values[i + 11], values[i + 12], values[i + 13], values[i + 14]
      owner, tenant, spare, quota = values[i + 15], values[i + 17], values[i + 18], values[i + 19]
      following, optional = i + 20, 18
    end
  end
  local alone = i == 3 and following > #values
  local shown, found, r, theirs, name, looked = x, x, nil, nil, nil, false
  if digest ~= '' or idem ~= '' or spare ~= '' then
    r, found, theirs, x, name, spare, idem = met(x, digest, idem, owner, tenant, spare)
  else
    local exists
    if alone then
      -- All in one command: the key of the memory counts twice and the bell's four times.
      local bell_of = P .. 'bell:' .. account
      exists = there or redis.call('EXISTS', P .. 'c:' .. x, ROOM, ROOM, bell_of, bell_of, bell_of, bell_of)
      looked, quiet = exists % 4 >= 2, exists >= 4
    else
      exists = redis.call('EXISTS', P .. 'c:' .. x)
    end
    if exists % 2 == 1 then r, found, theirs = met(x, '', '', owner, tenant, '') end
  end
  if r and r[1] then
    local outcome = 'conflict'
    if r[1] == id or spare ~= '' and spare == found .. ' ' .. r[1] then outcome = 'created'
    elseif digest ~= '' and r[3] == digest then outcome = 'same' end
    -- A key that comes with an extid stored before names that call from now on.
    if idem ~= '' and outcome ~= 'conflict' then name_call(idem, found, r[2], quota ~= '' and quota_of(quota), ARGV[1]) end
    answer[#answer + 1] = { outcome, found, r[1], r[2], r[6] and string.match(r[6], '%d+$') or found }
  elseif theirs and spare == '' then
    answer[#answer + 1] = { 'conflict', x, '', '', x }
  elseif store_full(alone, looked) then
    answer[#answer + 1] = { 'full', x, store_full(), '', x }
  else
    local q, limit, wait, bytes = quota ~= '' and quota_of(quota), nil, 60, nil
    if q then
      bytes = CALL_BYTES + #body + #reference + #metadata
      limit = over_store(q, 1, bytes)
      if not limit then limit, wait = over_quota(quota, body) end
    end
    if limit then
      answer[#answer + 1] = { 'limit', x, limit, '', int(math.ceil(wait)) }
    else
      if theirs then x, id = string.match(spare, '^(%d+) (.+)$') end
      local key = P .. 'c:' .. x
      local state = (not_before ~= '' and tonumber(not_before) > ms) and 'scheduled' or 'queued'
      local paced = q and q.gap > 0 and state
      if paced == 'queued' then
        local at = next_turn(q.name .. ':' .. priority, q.gap)
        if at > ms then state, not_before = 'scheduled', int(at) end
      end
      local n = 8
      fields[2], fields[4], fields[6], fields[8] = state, id, body, state .. ' ' .. now
      if state == 'queued' then fields[9], fields[10], n = 'v', 1, 10 end
      if account ~= 'default' then fields[n + 1], fields[n + 2], n = 'a', account, n + 2 end
      if priority ~= 'n' then fields[n + 1], fields[n + 2], n = 'p', priority, n + 2 end
      if reference ~= '' then fields[n + 1], fields[n + 2], n = 'r', reference, n + 2 end
      if optional > 0 then optional_fields = optional_fields or { 7, 'm', 8, 'nb', 9, 'x', 10, 'u', 11, 'rd', 12, 'g', 13, 'd', 15, 'w', 16, 'of' } end
      for at = 1, optional, 2 do
        local value = values[i + optional_fields[at]]
        if value ~= '' then fields[n + 1], fields[n + 2], n = optional_fields[at + 1], value, n + 2 end
      end
      if quota ~= '' then
        local capping, caps = string.match(quota, '^(%S+) %d+( %d+ %d+ %d+ %d+)')
        if caps then fields[n + 1], fields[n + 2], n = 'kc', capping .. caps, n + 2 end
      end
      if tenant ~= '' then fields[n + 1], fields[n + 2], n = 'tn', 1, n + 2 end
      if theirs then
        fields[n + 1], fields[n + 2], n = 'ox', name, n + 2
        redis.call('SET', P .. 'xo:' .. name, x)
      end
      -- A redial is counted when its time comes (redial_waits).
      if q and q.daily + q.gap > 0 and (unconfirmed ~= '' or redial ~= '') then
        fields[n + 1], fields[n + 2], n = 'qt', quota, n + 2
      end
      if paced == 'scheduled' then fields[n + 1], fields[n + 2], n = 'pg', q.name .. ':' .. priority .. ' ' .. int(q.gap), n + 2 end
      if q and (q.live > 0 or q.bytes > 0) then fields[n + 1], fields[n + 2], n = 'hb', hold_call(q, bytes), n + 2 end
      -- The space says that nobody chose the extid: see archived.lua.
      if idem ~= '' then fields[n + 1], fields[n + 2], n = 'ik', (spare == '' and ' ' or '') .. idem, n + 2 end
      redis.call('HSET', key, unpack(fields, 1, n))
      if idem ~= '' then redis.call('SET', P .. 'k:' .. idem, x) end
      if expires ~= '' then redis.call('ZADD', EXP, expires, x) end
      listed(x, buckets, owner, g ~= '' and g, not_before, alone)
      if state == 'queued' then
        counted.queued = (counted.queued or 0) + 1
        local list = account .. ':' .. priority
        if tenant ~= '' then list = list .. ':' .. owner end
        local calls = made_ready[list]
        if calls then
          calls[#calls + 1] = x
        else
          made_ready[list] = { x }
          -- Its line begins, so the tenant takes turns from now on.
          if tenant ~= '' and redis.call('EXISTS', P .. 'q:' .. list) == 0 then
            into_turns(account .. ':' .. priority, owner, 'RPUSH')
          end
        end
        if not ring then
          ring, rung = { account }, not alone and { [account] = true }
        elseif not rung[account] then
          ring[#ring + 1], rung[account] = account, true
        end
        queued_event(id, theirs and string.match(name, '%d+$') or x, owner, reference, g, metadata)
        answer[#answer + 1] = theirs and { 'created', x, id, state, shown } or 1
      else
        counted.scheduled = (counted.scheduled or 0) + 1
        redis.call('ZADD', DUE, not_before, x)
        redis.call('SADD', P .. 'accounts', account)
        answer[#answer + 1] = theirs and { 'created', x, id, state, shown } or 2
      end
    end
  end
  i = following
end
if ring and not quiet then
  for _, account in ipairs(ring) do
    if bell(account) then answer[1][#answer[1] + 1] = account end
  end
end
return answer
