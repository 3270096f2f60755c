-- Records what became of a POST, or of a claim that never came to one.
-- ARGV: result_timeout_ms channel_ms max_tries redial_after_ms patience_ms frequency_caps own_numbers daily_calls
--   daily_seconds reserve_seconds address (a mark of the URL and token that were used), then for each call 9 values:
--   extid token outcome delay_ms hold_ms answer_json code spare_extid attempt (0: not known)
-- outcome: taken, rejected, unconfirmed, retry (refused for now: a try is used up; a hold below 0 is the account's own), unsent
-- (no connection), auth (wrong token), address (rejected in a way that says that the address is wrong), release (never tried)
-- Answer for each: the state it left the call in, 'auth' for a refused token, 'auth:opened', 'unsent:opened' or 'address:opened'
-- when that opened the account's breaker, or 'kept' when somebody else had the last word before. Asked again by the same holder (the answer was
-- lost), it says the same.
local timeout, channel, max_tries, redial_after = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local patience, address = tonumber(ARGV[5]), ARGV[11]
local answer = {}

local function record(r, token, outcome, delay, hold, json, code, spare)
  local key, a = P .. 'c:' .. r.x, account_of(r.a)
  local armed = r.s == 'submitting' or r.s == 'unconfirmed'
  if r.s == 'unconfirmed' then redis.call('ZREM', AWAIT, r.x) end
  unsuspect(r)
  if outcome == 'auth' then
    if armed then take_back(r) end
    reached(a, patience)
    if a.bk == 'address' then close_breaker(a) end
    return refuse(r, token, json, code)
  end
  if not armed and (outcome == 'taken' or outcome == 'unconfirmed') then
    -- Redis forgot the arm (a failover, a power failure), but the POST went out: it must not go out again.
    move(r, 'submitting', 'arm_forgotten', 'a' .. r.n, ms)
    spend_again(r, 6)
    armed = true
  end
  -- Only an answer to a POST with this token shows that the token works.
  if armed and outcome ~= 'unsent' and outcome ~= 'release' then
    reached(a, patience)
    if outcome == 'taken' or outcome == 'rejected' then accepted(a, outcome == 'taken') end
    if outcome == 'taken' and a.tk ~= address then
      a.tk = address
      redis.call('HSET', a.key, 'tk', address)
    end
  end
  if armed and outcome ~= 'taken' and outcome ~= 'unconfirmed' then take_back(r) end
  if outcome == 'unsent' then
    return out_of_reach(r, token, delay, json, code)
  elseif outcome == 'address' then
    return misaddressed(r, token, json, code)
  elseif outcome == 'release' then
    if armed then move(r, 'queued', code) end
    give_back(r)
  elseif outcome == 'taken' then
    r.st = token .. ' submitted'
    move_and_emit(r, 'submitted', nil, 'submitted', nil, nil, nil, 'o' .. r.n, json, 'st', r.st)
    awaiting[#awaiting + 1], awaiting[#awaiting + 2] = ms + timeout, r.x
    keep_channels(r, timeout, channel)
  elseif outcome == 'unconfirmed' then
    unconfirm(r, code, timeout, channel, redial_after, spare, 'o' .. r.n, json)
    -- A redirect: whether that call rang nobody knows, and no other is sent there.
    if a.tk ~= address and string.find(code, '^status_3') then doubt_address(a, token, code) end
  elseif outcome == 'rejected' then
    move(r, 'rejected', code, 'o' .. r.n, json, 'why', code)
    emit(r, 'rejected')
  else
    if hold ~= 0 then pause(a, hold, code) end
    local tries = redis.call('HINCRBY', key, 'rt', 1)
    if json ~= '' then redis.call('HSET', key, 'o' .. r.n, json) end
    if tries >= max_tries then
      move(r, 'failed', code, 'why', code)
      emit(r, 'failed')
    else
      -- Should it expire before that, the sweeper ends it at its time.
      schedule(r, delay, code)
    end
  end
  return r.s
end

-- The redial of an attempt whose outcome is known after all has not gone out: it is as if it had never been scheduled.
local function withdraw_redial(r)
  local key = P .. 'c:' .. r.x
  redis.call('DEL', P .. 'x:' .. r.cx)
  redis.call('HDEL', key, 'x' .. r.n, 'o' .. r.n, 'a' .. r.n, 'lt', 'tok')
  redis.call('ZREM', DUE, r.x)
  redis.call('ZREM', LEASE, r.x)
  free_channel(r)
  r.n, r.tok = r.n - 1, nil
  r.cx = r.n > 1 and redis.call('HGET', key, 'x' .. r.n) or nil
  redis.call('HSET', key, 'n', r.n)
  if r.cx then redis.call('HSET', key, 'cx', r.cx) else redis.call('HDEL', key, 'cx') end
  if r.s == 'scheduled' then move(r, 'queued', 'redial_withdrawn') end
  move(r, 'submitting', 'redial_withdrawn')
end

-- Whether this holder's word counts, though the record may not say that it holds the call any more.
local function heard(r, token, outcome, attempt)
  if r.tok == token and (r.s == 'submitting' or r.s == 'queued') then return true end
  local certain = outcome ~= 'unconfirmed'
  -- The sweeper was first: what it could not know, its worker does.
  if r.s == 'unconfirmed' then return certain and r.tok == token end
  if r.s ~= 'queued' and r.s ~= 'scheduled' then return false end
  if attempt == r.n and (outcome == 'taken' or outcome == 'unconfirmed' or outcome == 'rejected') then
    -- Claim and arm are forgotten together, perhaps claimed again since: this POST went out, so that no other may.
    redis.call('ZREM', DUE, r.x)
    redis.call('ZREM', LEASE, r.x)
    if r.s == 'scheduled' then move(r, 'queued', 'arm_forgotten') end
    redis.call('HSET', P .. 'c:' .. r.x, 'tok', token)
    r.tok = token
    return true
  end
  if certain and r.n > 1 and redis.call('HGET', P .. 'c:' .. r.x, 'lt') == token .. ' ' .. (r.n - 1)
    and redis.call('HEXISTS', P .. 'c:' .. r.x, 'h' .. (r.n - 1)) == 0 then
    withdraw_redial(r)
    return true
  end
  return false
end

local function settle(x, token, outcome, delay, hold, json, code, spare, attempt)
  local r = load(x)
  if not r then return 'kept' end
  local key = P .. 'c:' .. x
  local mark = token .. ' '
  if r.st and string.sub(r.st, 1, #mark) == mark then return string.sub(r.st, #mark + 1) end
  if outcome == 'address' and account_of(r.a).tk == address then outcome = 'rejected' end
  if not heard(r, token, outcome, attempt) then
    -- A result or the sweeper came first. What AloVoice said is kept for the operator, the state is not taken back.
    local n = attempt > 0 and attempt or (r.n == 1 or r.tok == token) and r.n or 0
    local over = ENDS[r.s] or r.s == 'unconfirmed'
    if json ~= '' and n > 0 and (n < r.n or n == r.n and over) then redis.call('HSETNX', key, 'o' .. n, json) end
    -- The call ended while this POST was out, and its channel was kept for it: it is not in use.
    if ENDS[r.s] and attempt == r.n and outcome ~= 'taken' and outcome ~= 'unconfirmed' then free_channel(r) end
    return 'kept'
  end
  local answer = record(r, token, outcome, delay, hold, json, code, spare)
  if r.st ~= mark .. answer then redis.call('HSET', key, 'st', mark .. answer) end
  return answer
end

for i = 12, #ARGV, 9 do
  answer[#answer + 1] = settle(ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), ARGV[i + 5],
    ARGV[i + 6], ARGV[i + 7], tonumber(ARGV[i + 8]))
end
return answer
