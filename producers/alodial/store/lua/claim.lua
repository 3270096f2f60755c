-- Takes the next calls that may go now, urgent before normal before bulk; within a priority single calls before those of
-- campaigns, and campaigns by their weights. Single calls of tenants go in turns, a call of each; between two of them goes a call
-- of the installation's own, or of a campaign. Every limit is checked before a call is taken.
-- Asked again with the same token (its answer was lost) it gives the same calls while their lease lasts; with a max of 0 it
-- puts them back instead. A suspect (a worker died between its claim and its arm) is the only call of its claim.
-- ARGV: epoch account token max horizon_us lease_ms rate burst cap channel_ms retry_probe_ms attend_ms
--   frequency_caps own_numbers daily_calls daily_seconds reserve_seconds patience_ms
-- Answer: {status, wait_us, calls...}; status is
--   ok     calls were taken, or only the rate is in the way: come again after wait_us
--   empty  nothing is ready         cap  every channel is in use       hold  the account pauses for wait_us
--   paced  only campaigns that are held back by their own pace have calls: come again after wait_us
--   stop   the emergency stop       lost the store is not the one this worker began with
--   moved  another server is the primary since: repeat what was POSTed, then ask for the generation (primary.lua)
-- A call: {extid, id, body, delay_us, attempt, tries, current extid, priority, campaign, reference, slot_us, suspect: 1 or 0}
local epoch, account, token = ARGV[1], ARGV[2], ARGV[3]
local max, horizon, lease = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local rate, burst, cap, channel_ms = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local probe_ms, attend = tonumber(ARGV[11]), ARGV[12]
local daily_calls, daily_seconds, reserve = tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17])
local store, settling = same_store(epoch)
if store ~= 'same' then return { store, 0 } end
-- Another primary since a moment ago: workers still repeat what it may have missed.
if settling > 0 then return { 'ok', int(math.min(settling, 100) * 1000) } end
local CLAIM = P .. 'claim:' .. token
local PRIORITY = { u = 'urgent', n = 'normal', b = 'bulk' }
local us_text = int(us)

local function row(x, r, slot, p)
  local at_once = slot == us
  return { x, r[4], r[5], at_once and '0' or int(slot - us), r[6] or '1', r[7] or '0', r[8] or x, PRIORITY[p], r[9] or '',
    r[10] or '', at_once and us_text or int(slot), r[12] and 1 or 0 }
end

-- What this very claim took before, as it was written down then: status, the end of the wait, and each call with its slot.
local function again(before)
  local status, ends = string.match(before, '^(%a+) (%d+)')
  local answer, back = { status, int(math.max(0, ends - us)) }, {}
  for x, slot in string.gmatch(before, ' (%d+):(%d+)') do
    local r = redis.call('HMGET', P .. 'c:' .. x, 's', 'tok', 'x', 'id', 'b', 'n', 'rt', 'cx', 'g', 'r', 'z', 'cr', 'w', 'kc', 'p')
    if r[1] == 'queued' and r[2] == token then
      if max > 0 then answer[#answer + 1] = row(x, r, tonumber(slot), r[15] or 'n') else table.insert(back, 1, x) end
    end
  end
  for _, x in ipairs(back) do give_back(load(x)) end
  if max == 0 then
    redis.call('DEL', CLAIM)
    return { 'ok', 0 }
  end
  return answer
end

local before = redis.call('GET', CLAIM)
if before then return again(before) end
if max == 0 then return { 'ok', 0 } end
if redis.call('EXISTS', P .. 'stop') == 1 then return { 'stop', 0 } end
local acct, chan = P .. 'acct:' .. account, P .. 'chan:' .. account
local state = redis.call('HMGET', acct, 'tat', 'hold', 'brk', 'vn', 'vb', 'bk', 'uo', 'ou', 'low', 'tt')
local hold = tonumber(state[2] or 0)
if hold > ms then return { 'hold', int((hold - ms) * 1000) } end
if daily_calls > 0 or daily_seconds > 0 then
  local day, tomorrow = today()
  local is_full, again = day_is_full('@' .. account, day, tomorrow, daily_calls, daily_seconds, reserve)
  if is_full then
    redis.call('HSET', acct, 'hold', again, 'why', 'daily_cap')
    return { 'hold', int((again - ms) * 1000) }
  end
end
-- An open breaker lets one call through to see whether the token is right or AloVoice within reach again, and nothing beside.
local probing = state[3]
if probing and max > 1 then max = 1 end
-- AloVoice is, or was, out of reach for so long that what was ready by then waits no longer, unless it has an end of its own.
local patience, stale = tonumber(ARGV[18]), number(state[8])
if state[6] == 'unsent' and ms - number(state[7]) >= patience then stale = ms - patience end
if ms - stale > patience + 604800000 then stale = 0 end

local function waited_too_long(r)
  local since = tonumber(string.match(r.tl or '', '(%d+)[^;]*$'))
  return since and since <= stale
end
-- While somebody attends, enqueue need not ring.
local function attend_or_leave()
  if attend == '0' then redis.call('DEL', P .. 'bell:' .. account)
  else redis.call('SET', P .. 'bell:' .. account, '1', 'PX', attend) end
end
local free = max
if cap > 0 then
  redis.call('ZREMRANGEBYSCORE', chan, '-inf', ms)
  free = cap - redis.call('ZCARD', chan)
  if free <= 0 then
    attend_or_leave()
    return { 'cap', 0 }
  end
end
read_rules(ARGV[13], ARGV[14])

local LEVELS = { 'u', 'n', 'b' }
local MAX_LOOKS = 200 -- campaigns that one claim looks at: about 1 ms
local at, tat = 1, tonumber(state[1] or 0)
local virtual = { n = number(state[4]), b = number(state[5]) }
local gap = rate > 0 and 1000000 / rate or 0
local answer, status, wait, looked = { 'ok', 0 }, 'ok', 0, 0
local low = tonumber(state[9] or nil) or math.huge
local flows, known, edge, more, looks = nil, {}, 0, false, 0
local taken = {}

-- Campaigns are looked at by functions that are made when there are some.
local from_campaigns, close_level
local function make_campaigns()
  -- When the next call of a campaign with a pace of its own may start.
  local function keep_pace(flow)
    if flow.taken and flow.pace > 0 then redis.call('HSET', P .. 'g:' .. flow.g, 'gtat', int(flow.tat)) end
  end

  -- Its hopper is filled up while there are rows.
  local function keep_filled(flow)
    if flow.rows and flow.popped and redis.call('LLEN', P .. 'gq:' .. flow.g) < low then
      redis.call('ZADD', HUNGRY, 'NX', int(ms), flow.g)
    end
  end

  -- Whoever may not go now stands in nobody's way: it leaves, and comes back with what it waits for.
  local function go(flow, p)
    leave(flow.g, account, p, flow.v)
    keep_pace(flow)
    keep_filled(flow)
  end

  local function wait_until(flow, p, at)
    look_at(flow.g, at)
    go(flow, p)
  end

  local function wait_for_slot(flow, p)
    redis.call('ZADD', P .. 'paced:' .. account .. ':' .. p, int(flow.tat), flow.g)
    go(flow, p)
  end

  -- Who frees a channel says so (channel_freed); workers of before did not, and of a call that is lost nobody hears.
  local function wait_for_channel(flow, p)
    go(flow, p)
    if redis.call('EXISTS', P .. 'gq:' .. flow.g) == 0 then return end
    redis.call('SADD', P .. 'full:' .. account .. ':' .. p, flow.g)
    local lapses = redis.call('ZRANGE', P .. 'gchan:' .. flow.g, 0, 0, 'WITHSCORES')[2]
    look_at(flow.g, math.min(tonumber(lapses or nil) or ms, ms + 60000))
  end

  -- A campaign with ready calls, or nil when nothing of it may go now.
  local function flow_of(g, v, p)
    local c = redis.call('HMGET', P .. 'g:' .. g, 's', 'w', 'pace', 'gtat', 'ch', 'dc', 'dm', 'rs', 'nz', 'pre', 'end', 'cur', 'tot', 'left')
    if c[1] ~= 'running' then leave(g, account, p, v); return nil end
    -- Its end was set after these calls were ready: they expire, at whatever hour.
    if c[11] and tonumber(c[11]) <= ms then return { g = g, v = v, w = 1, pace = 0, free = max, over = true } end
    local flow = { g = g, v = v, w = math.max(1, number(c[2])), pace = number(c[3]), tat = number(c[4]), pre = c[10] or nil, free = max,
      rows = not c[14] and number(c[12]) < number(c[13]) }
    -- No slot is further ahead than that, unless the clock went back.
    local furthest = us + 1000000 + 1000000 / flow.pace
    if flow.tat > furthest then
      flow.tat = furthest
      redis.call('HSET', P .. 'g:' .. g, 'gtat', int(furthest))
    end
    if not c[9] then
      local opens = opening(P .. 'cal:' .. g)
      if opens ~= 0 then return wait_until(flow, p, opens or ms + 3600000) end
    end
    if number(c[5]) > 0 then
      redis.call('ZREMRANGEBYSCORE', P .. 'gchan:' .. g, '-inf', ms)
      flow.share = true
      flow.free = number(c[5]) - redis.call('ZCARD', P .. 'gchan:' .. g)
    end
    if c[6] or c[7] then
      local day, tomorrow = today(g)
      local is_full, again = day_is_full(g, day, tomorrow, number(c[6]), number(c[7]), number(c[8]))
      if is_full then return wait_until(flow, p, again) end
    end
    return flow
  end

  -- The next few campaigns in the order of their virtual time. Those that were looked at before are still in front of them.
  local function load_more(p)
    local rows = redis.call('ZRANGE', P .. 'fair:' .. account .. ':' .. p, #flows, #flows + 3, 'WITHSCORES')
    more = #rows == 8
    for i = 1, #rows, 2 do
      edge = tonumber(rows[i + 1])
      looks = looks + 1
      if not known[rows[i]] then
        known[rows[i]] = true
        flows[#flows + 1] = flow_of(rows[i], edge, p)
      end
    end
  end

  local function open_level(p)
    flows, known, edge = {}, {}, 0
    local key = P .. 'paced:' .. account .. ':' .. p
    for _, g in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', int(us + horizon), 'LIMIT', 0, 100)) do
      redis.call('ZREM', key, g)
      join(g, account, p)
    end
    load_more(p)
  end

  -- The next call of this priority's campaigns: extid and flow. Nil when there is none that may go now.
  from_campaigns = function(p)
    if not flows then open_level(p) end
    while true do
      local best, where
      for i, flow in ipairs(flows) do
        if not best or flow.v < best.v then best, where = flow, i end
      end
      if more and looks < MAX_LOOKS and not (best and best.v <= edge) then
        load_more(p)
      elseif not best then
        return nil
      elseif best.pace > 0 and best.tat - us > horizon then
        table.remove(flows, where)
        wait_for_slot(best, p)
      elseif best.free <= 0 then
        table.remove(flows, where)
        wait_for_channel(best, p)
      else
        local x = redis.call('LPOP', P .. 'gq:' .. best.g)
        best.popped = true
        if x then return x, best end
        table.remove(flows, where)
        go(best, p)
      end
    end
  end

  -- Next level; what this one's campaigns used is written down.
  close_level = function(p)
    for _, flow in ipairs(flows) do
      if flow.taken then redis.call('ZADD', P .. 'fair:' .. account .. ':' .. p, score(flow.v), flow.g) end
      keep_pace(flow)
      keep_filled(flow)
    end
    flows = nil
  end
end

-- The next call of this priority's campaigns, of which there may be none.
local function next_of_campaigns(p)
  if p == 'u' then return nil end
  if not flows then
    if redis.call('EXISTS', P .. 'fair:' .. account .. ':' .. p, P .. 'paced:' .. account .. ':' .. p) == 0 then return nil end
    if not from_campaigns then make_campaigns() end
  end
  return from_campaigns(p)
end

-- The next call of a tenant whose turn it is, and the tenant.
local have_turns, after_tenant = {}, state[10] == '1'
local function next_of_tenants(p)
  local level = account .. ':' .. p
  local turns = P .. 'turns:' .. level
  while true do
    local owner = redis.call('LINDEX', turns, 0)
    if not owner then break end
    local line = P .. 'q:' .. level .. ':' .. owner
    local x = redis.call('LPOP', line)
    if redis.call('EXISTS', line) == 1 then redis.call('RPUSH', turns, owner) end
    redis.call('LPOP', turns)
    if x then
      after_tenant = true
      return x, owner
    end
  end
  have_turns[p] = false
end

-- The next call of a priority; its campaign, or the tenant from whose line it came. Most accounts have no tenants.
local function next_call(p)
  if have_turns[p] == nil then have_turns[p] = redis.call('EXISTS', P .. 'turns:' .. account .. ':' .. p) == 1 end
  local x, flow, owner
  if have_turns[p] and not after_tenant then
    x, owner = next_of_tenants(p)
    if x then return x, nil, owner end
  end
  x = redis.call('LPOP', P .. 'q:' .. account .. ':' .. p)
  if not x then x, flow = next_of_campaigns(p) end
  if x then after_tenant = false
  elseif have_turns[p] then x, owner = next_of_tenants(p) end
  return x, flow, owner
end

while #answer - 2 < max and #answer - 2 < free do
  local slot = us
  if rate > 0 then
    if tat > slot then slot = tat end
    if slot - us > horizon then wait = slot - us - horizon; break end
  end
  local p = LEVELS[at]
  local x, flow, owner = next_call(p)
  if not x then
    if flows then close_level(p) end
    at = at + 1
    if at > 3 then status = 'empty'; break end
  else
    looked = looked + 1
    local r = redis.call('HMGET', P .. 'c:' .. x, 's', 'tok', 'x', 'id', 'b', 'n', 'rt', 'cx', 'g', 'r', 'z', 'cr', 'w', 'kc')
    -- Canceled, expired or taken already: its place in the list is only a trace.
    if r[1] == 'queued' and not r[2] then
      -- A suspect among others would take them along if it kills its worker: the next claim begins with it.
      if r[12] and #taken > 0 then
        if owner then into_line(account .. ':' .. p, owner, x, 'LPUSH')
        else redis.call('LPUSH', flow and P .. 'gq:' .. flow.g or P .. 'q:' .. account .. ':' .. p, x) end
        break
      end
      local code, from
      local gone, late = nil, false
      if r[3] and tonumber(r[3]) <= ms then
        gone = load(x)
        late = expires_by(gone, ms)
      end
      if late or flow and flow.over then
        gone = gone or load(x)
        move(gone, 'expired', late and 'expires_at' or 'ends_at')
        emit(gone, 'expired')
        code = 'expired'
      else
        code, from = forbidden(x, tonumber(r[6] or 1), r[5] or '', r[9], r[11], flow and flow.pre, r[13], r[14])
        if code then withhold(load(x), code, from) end
      end
      if not code and stale > 0 and not r[3] then
        local gone = load(x)
        if waited_too_long(gone) then
          code = 'provider_unreachable'
          move(gone, 'failed', code, 'why', code)
          emit(gone, 'failed')
        end
      end
      if not code then
        if flow then
          if flow.pace > 0 then
            if flow.tat > slot then slot = flow.tat end
            flow.tat = slot + 1000000 / flow.pace
          end
          virtual[p] = math.max(virtual[p], flow.v)
          flow.v, flow.taken, flow.free = flow.v + 1 / flow.w, true, flow.free - 1
          if flow.share then redis.call('ZADD', P .. 'gchan:' .. flow.g, ms + lease + channel_ms, x) end
        end
        redis.call('HSET', P .. 'c:' .. x, 'tok', token)
        redis.call('ZADD', LEASE, ms + lease, x)
        if cap > 0 then redis.call('ZADD', chan, ms + lease + channel_ms, x) end
        if rate > 0 then tat = slot + gap end
        answer[#answer + 1] = row(x, r, slot, p)
        taken[#taken + 1] = x .. ':' .. (slot == us and us_text or int(slot))
        if r[12] then break end
      end
    end
    if looked >= 1000 then break end -- a bound on one script's time: 1,000 dead traces are about 2 ms
  end
end
if at <= 3 and flows then close_level(LEVELS[at]) end
if after_tenant ~= (state[10] == '1') then
  if after_tenant then redis.call('HSET', acct, 'tt', 1) else redis.call('HDEL', acct, 'tt') end
end
if #answer > 2 then
  if rate > 0 then redis.call('HSET', acct, 'tat', int(tat)) end
  if virtual.n > number(state[4]) then redis.call('HSET', acct, 'vn', score(virtual.n)) end
  if virtual.b > number(state[5]) then redis.call('HSET', acct, 'vb', score(virtual.b)) end
  if probing then redis.call('HSET', acct, 'hold', ms + probe_ms, 'probe', token) end
end
if cap > 0 and #answer - 2 >= free and status == 'ok' and #answer - 2 < max then status = 'cap' end
if status == 'empty' then
  -- Those that it did not come to are looked at by the next claim.
  if looks >= MAX_LOOKS then status = 'ok' end
  for _, p in ipairs({ 'n', 'b' }) do
    local next_slot = redis.call('ZRANGE', P .. 'paced:' .. account .. ':' .. p, 0, 0, 'WITHSCORES')[2]
    if next_slot and status ~= 'ok' then
      local ahead = math.max(0, tonumber(next_slot) - us - horizon)
      wait = status == 'paced' and math.min(wait, ahead) or ahead
      status = 'paced'
    end
  end
  if status == 'empty' and redis.call('EXISTS', P .. 'full:' .. account .. ':n', P .. 'full:' .. account .. ':b') > 0 then status = 'cap' end
end
attend_or_leave()
answer[1], answer[2] = status, int(wait)
if #taken > 0 then redis.call('SET', CLAIM, status .. ' ' .. int(us + wait) .. ' ' .. table.concat(taken, ' '), 'PX', lease) end
return answer
