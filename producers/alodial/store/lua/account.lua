-- What stops a whole account, and what lets it go on: its token was refused, its address is wrong, AloVoice is out of reach, or
-- it asks for a pause. Shared by settle and resume. An open breaker (`brk`) lets one call through at the end of each pause; `bk`
-- says why it is open: 'unsent', 'address', or nothing for the token.
local OUT_OF_REACH = 3  -- connections in a row that did not come about, whatever the call
local OWN_REFUSALS = 3  -- of one call, each after others went through since its last one
local accounts = {}

-- An account's fields, read once in a script; whatever changes them changes this table too.
local function account_of(name)
  local a = accounts[name]
  if not a then
    local v = redis.call('HMGET', P .. 'acct:' .. name, 'brk', 'bk', 'hold', 'probe', 'ar', 'un', 'rl', 'tk')
    a = { name = name, key = P .. 'acct:' .. name, brk = tonumber(v[1] or nil), bk = v[2] or nil, hold = tonumber(v[3] or 0),
      probe = v[4] or nil, ar = v[5] or nil, un = tonumber(v[6] or 0), rl = tonumber(v[7] or 0), tk = v[8] or nil }
    accounts[name] = a
  end
  return a
end

local function hold_account(a, until_ms, why) -- seldom
  a.hold = until_ms
  redis.call('HSET', a.key, 'hold', int(until_ms), 'why', why)
end

-- AloVoice asks for a pause. Without a time of its own (-1) it is the account's: 1 s, doubling to 30 s while nothing is taken.
local function pause(a, for_ms, why) -- seldom
  if for_ms < 0 then
    -- What was under way when the pause began counts no further.
    if a.hold > ms then return end
    a.rl = redis.call('HINCRBY', a.key, 'rl', 1)
    for_ms = math.min(1000 * 2 ^ math.min(a.rl - 1, 5), 30000)
  end
  if ms + for_ms > a.hold then hold_account(a, ms + for_ms, why) end
end

local function open_breaker(a, kind, why, until_ms) -- seldom
  a.brk, a.bk, a.probe = 1, kind, nil
  redis.call('HSET', a.key, 'brk', 1)
  if kind then redis.call('HSET', a.key, 'bk', kind) end
  redis.call('HDEL', a.key, 'probe')
  hold_account(a, until_ms, why)
end

local function close_breaker(a) -- seldom
  a.brk, a.bk, a.probe, a.hold = nil, nil, nil, 0
  redis.call('HDEL', a.key, 'brk', 'bk', 'probe', 'hold', 'why')
end

-- Whether this failure is the probe's: what was under way when the breaker opened fails too and counts no further.
local function is_probe(a, token) return a.probe == token or a.hold <= ms end -- seldom

-- Calls that wait because the token was refused go now, where they still wait for nothing else.
local function let_refused_go(name) -- seldom
  local key = P .. 'refused:' .. name
  local waiting = redis.call('HGETALL', key)
  for i = 1, #waiting, 2 do
    local due = redis.call('ZSCORE', DUE, waiting[i])
    if due and tonumber(due) == tonumber(waiting[i + 1]) then redis.call('ZADD', DUE, ms, waiting[i]) end
  end
  if #waiting > 0 then redis.call('DEL', key) end
end

-- An answer to a POST, whatever it says, shows that AloVoice is within reach. After an outage longer than the patience of
-- calls, `ou` is the moment before which a call must have been ready to be too late.
local function reached(a, patience)
  if a.un > 0 then
    a.un = 0
    local since = number(redis.call('HGET', a.key, 'uo'))
    if a.bk == 'unsent' and ms - since >= patience then redis.call('HSET', a.key, 'ou', int(ms - patience)) end
    redis.call('HDEL', a.key, 'un', 'uo')
  end
  if a.brk and a.bk == 'unsent' then close_breaker(a) end
end

-- A POST that was taken, or refused for its content, shows that the token works; `ak` counts such proofs after a refusal.
local function accepted(a, taken)
  if taken and a.rl > 0 then
    a.rl = 0
    redis.call('HDEL', a.key, 'rl')
  end
  if not a.brk and not a.ar then return end
  redis.call('HINCRBY', a.key, 'ak', 1)
  redis.call('HDEL', a.key, 'ar')
  a.ar = nil
  if a.brk then
    close_breaker(a)
    let_refused_go(a.name)
  end
end

-- The token was refused, for this call. It is wrong when different calls are refused and none is taken between them: then the
-- breaker opens, for 1 minute, doubling to 15. A call alone is refused for its own sake, or nobody can tell: it waits as long
-- by itself, and others go. Refused again after others went through, OWN_REFUSALS times (`ta`: proofs then, such refusals,
-- refusals), it is at an end. Whatever was refused comes after all that has not been tried.
-- Answers the state, 'auth', or 'auth:opened'.
local function refuse(r, token, json, code) -- seldom
  local a, key = account_of(r.a), P .. 'c:' .. r.x
  local proofs = number(redis.call('HGET', a.key, 'ak'))
  local at, counted, total = string.match(redis.call('HGET', key, 'ta') or '', '^(%d+) (%d+) (%d+)$')
  counted, total = number(counted), number(total) + 1
  if tonumber(at) ~= proofs then counted = counted + 1 end
  redis.call('HSET', key, 'ta', proofs .. ' ' .. counted .. ' ' .. total)
  if json ~= '' then redis.call('HSET', key, 'o' .. r.n, json) end
  if counted >= OWN_REFUSALS and r.s ~= 'queued' then
    if a.ar == r.x then
      a.ar = nil
      redis.call('HDEL', a.key, 'ar')
    end
    move(r, 'rejected', 'token_refused_repeatedly', 'why', 'token_refused_repeatedly')
    emit(r, 'rejected')
    return r.s
  end
  local opened = false
  if a.brk then
    if is_probe(a, token) then
      a.brk, a.probe = redis.call('HINCRBY', a.key, 'brk', 1), nil
      redis.call('HDEL', a.key, 'probe')
      hold_account(a, ms + math.min(60000 * 2 ^ math.min(a.brk - 1, 4), 900000), code)
    end
  elseif a.ar and a.ar ~= r.x then
    open_breaker(a, nil, code, ms + 60000)
    opened = true
    -- The first one's own time would be over with the pause: others go before it too.
    local due = redis.call('HGET', P .. 'refused:' .. r.a, a.ar)
    if due and tonumber(redis.call('ZSCORE', DUE, a.ar) or nil) == tonumber(due) and tonumber(due) <= a.hold then
      redis.call('ZADD', DUE, a.hold + 1000, a.ar)
      redis.call('HSET', P .. 'refused:' .. r.a, a.ar, int(a.hold + 1000))
    end
  else
    a.ar = r.x
    redis.call('HSET', a.key, 'ar', r.x)
  end
  local delay = math.min(60000 * 2 ^ math.min(total - 1, 4), 900000)
  if a.brk then delay = math.max(delay, a.hold - ms + 1000) end
  schedule(r, delay, code)
  redis.call('HSET', P .. 'refused:' .. r.a, r.x, int(ms + delay))
  redis.call('PEXPIRE', P .. 'refused:' .. r.a, 3600000)
  return opened and 'auth:opened' or 'auth'
end

-- An answer says that the address is wrong, and nothing was ever taken at it (`tk`: the address at which a call was taken last): that
-- is our configuration and no fault of a call's. The breaker opens at once, for 5 s, doubling to a minute. Answers whether it opened.
local function doubt_address(a, token, code) -- seldom
  if not a.brk then
    open_breaker(a, 'address', code, ms + 5000)
    return true
  end
  if is_probe(a, token) then
    if a.bk ~= 'address' then
      open_breaker(a, 'address', code, ms + 5000)
      return true
    end
    a.brk, a.probe = redis.call('HINCRBY', a.key, 'brk', 1), nil
    redis.call('HDEL', a.key, 'probe')
    hold_account(a, ms + math.min(5000 * 2 ^ math.min(a.brk - 1, 4), 60000), code)
  end
  return false
end

-- A call that was sent to such an address has used up no try. It comes after what has not been tried, so that another is the
-- probe: should that be taken, this one's next refusal is its own. Answers the state, or 'address:opened'.
local function misaddressed(r, token, json, code) -- seldom
  local a = account_of(r.a)
  if json ~= '' then redis.call('HSET', P .. 'c:' .. r.x, 'o' .. r.n, json) end
  local opened = doubt_address(a, token, code)
  local delay = a.hold - ms + 1000
  schedule(r, delay, code)
  redis.call('HSET', P .. 'refused:' .. r.a, r.x, int(ms + delay))
  redis.call('PEXPIRE', P .. 'refused:' .. r.a, 3600000)
  return opened and 'address:opened' or r.s
end

-- No connection came about, so no byte left. That is no try of the call's: when it happens again and again the breaker opens,
-- for 1 s, doubling to a minute, and the calls wait in their places; claim ends those that waited too long.
-- Answers the state, or 'unsent:opened'.
local function out_of_reach(r, token, delay, json, code) -- seldom
  local a, key = account_of(r.a), P .. 'c:' .. r.x
  if json ~= '' then redis.call('HSET', key, 'o' .. r.n, json) end
  local opened = false
  if a.brk then
    if is_probe(a, token) then
      local times, first, most = a.brk, 60000, 900000
      if a.bk == 'unsent' then times, first, most = redis.call('HINCRBY', a.key, 'brk', 1), 1000, 60000 end
      a.brk, a.probe = times, nil
      redis.call('HDEL', a.key, 'probe')
      hold_account(a, ms + math.min(first * 2 ^ math.min(times - 1, 6), most), code)
    end
  else
    a.un = redis.call('HINCRBY', a.key, 'un', 1)
    if a.un == 1 then redis.call('HSET', a.key, 'uo', ms) end
    if a.un < OUT_OF_REACH then
      schedule(r, delay, code)
      return r.s
    end
    open_breaker(a, 'unsent', code, ms + 1000)
    opened = true
  end
  if r.s ~= 'queued' then move(r, 'queued', code) end
  give_back(r)
  return opened and 'unsent:opened' or r.s
end
