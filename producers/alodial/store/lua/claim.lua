-- Takes the next calls that may go now, urgent before normal before bulk; within a priority single calls before those of
-- campaigns, and campaigns by their weights. Tenants take turns: in its turn goes a single call of the tenant, or else one of its
-- campaigns. Between two calls of tenants goes one of the installation's own or of its campaigns, or else one of a lower priority
-- of whoever has nothing in this. Every limit is checked before a call is taken.
-- Asked again with the same token (its answer was lost) it gives the same calls while their lease lasts; with a max of 0 it
-- puts them back instead. A suspect (a worker died between its claim and its arm) is the only call of its claim.
-- ARGV: epoch account token max horizon_us lease_ms rate second_us cap channel_ms retry_probe_ms attend_ms
--   frequency_caps own_numbers daily_calls daily_seconds reserve_seconds patience_ms tick_us
-- Answer: {status, wait_us, calls...}; status is
--   ok     calls were taken, or only the rate is in the way: come again after wait_us. Workers take turns then, half the
--          horizon or at least a slot apart, so that a claim is worth a round trip; where a turn is missed (a worker died), the
--          slots are still claimed before they are due. The calls of a tick start together at its end, so a long tick is claimed
--          as a whole, by one worker, half the horizon before its end; slots of a missed turn are made good for
--   empty  nothing is ready         cap  every channel is in use       hold  the account pauses for wait_us
--   paced  only campaigns that are held back by their own pace have calls: come again after wait_us
--   stop   the emergency stop       lost the store is not the one this worker began with
--   moved  another server is the primary since: repeat what was POSTed, then ask for the generation (primary.lua)
-- A call: {extid, id, body, us to its slot (negative for one of a tick that has begun), attempt, tries, current extid, priority, campaign, reference, slot_us, suspect: 1 or 0}
local epoch, account, token = ARGV[1], ARGV[2], ARGV[3]
local max, horizon, lease = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local rate, second, cap, channel_ms = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local probe_ms, attend = tonumber(ARGV[11]), ARGV[12]
local daily_calls, daily_seconds, reserve = tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17])
local store, settling = same_store(epoch)
if store ~= 'same' then return { store, 0 } end
-- Another primary since a moment ago: workers still repeat what it may have missed.
if settling > 0 then return { 'ok', int(math.min(settling, 100) * 1000) } end
local CLAIM = P .. 'claim:' .. token
local PRIORITY = { u = 'urgent', n = 'normal', b = 'bulk' }
local us_text = int(us)
local tick = tonumber(ARGV[19])
local ahead = tick > horizon and horizon / 10 or horizon
local reach = tick > 0 and math.ceil((us + ahead) / tick) * tick - us or horizon

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
local state = redis.call('HMGET', acct, 'tat', 'hold', 'brk', 'vn', 'vb', 'bk', 'uo', 'ou', 'low', 'tt', 'turn')
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
local gap = rate > 0 and second / rate or 0
-- No slot is further ahead than that, unless the clock went back or the rate was lower: an hour's gap would go on for an hour.
if rate > 0 then tat = math.min(tat, us + math.max(horizon, second) + gap) end
-- us: a worker is not away for longer, however many there are; a clock that was set back neither. In whole slots or ticks, as it
-- comes too early or too late for them otherwise.
local step = math.max(gap, tick)
-- While workers take turns the slots since the last tick are theirs still; whoever finds the rate free starts now.
local oldest = tick > 0 and number(state[11]) > us - 2 * tick and us - 2 * tick or us
local longest_turn = rate > 0 and math.ceil(400000 / step) * step
local answer, status, wait, looked = { 'ok', 0 }, 'ok', 0, 0
local low = tonumber(state[9] or nil) or math.huge
local groups, looks = {}, 0 -- campaigns that share among themselves: those of the installation, and of each tenant
local taken = {}

-- Campaigns are looked at by functions that are made when there are some.
local open_group, from_campaigns, close_group
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
  local function go(flow)
    leave(flow.group.set, flow.g, flow.v)
    keep_pace(flow)
    keep_filled(flow)
  end

  local function wait_until(flow, at)
    look_at(flow.g, at)
    go(flow)
  end

  local function wait_for_slot(flow)
    redis.call('ZADD', P .. 'paced:' .. account .. ':' .. flow.group.p, int(flow.tat), flow.g)
    go(flow)
  end

  -- Who frees a channel says so (channel_freed); workers of before did not, and of a call that is lost nobody hears.
  local function wait_for_channel(flow)
    go(flow)
    if redis.call('EXISTS', P .. 'gq:' .. flow.g) == 0 then return end
    redis.call('SADD', P .. 'full:' .. account .. ':' .. flow.group.p, flow.g)
    local lapses = redis.call('ZRANGE', P .. 'gchan:' .. flow.g, 0, 0, 'WITHSCORES')[2]
    look_at(flow.g, math.min(tonumber(lapses or nil) or ms, ms + 60000))
  end

  -- A campaign with ready calls, or nil when nothing of it may go now.
  local function flow_of(g, v, group)
    local c = redis.call('HMGET', P .. 'g:' .. g, 's', 'w', 'pace', 'gtat', 'ch', 'dc', 'dm', 'rs', 'nz', 'pre', 'end', 'cur', 'tot', 'left')
    if c[1] ~= 'running' then leave(group.set, g, v); return nil end
    -- Its end was set after these calls were ready: they expire, at whatever hour.
    if c[11] and tonumber(c[11]) <= ms then return { g = g, group = group, v = v, w = 1, pace = 0, free = max, over = true } end
    local flow = { g = g, group = group, v = v, w = math.max(1, number(c[2])), pace = number(c[3]), tat = number(c[4]),
      pre = c[10] or nil, free = max, rows = not c[14] and number(c[12]) < number(c[13]) }
    -- No slot is further ahead than that, unless the clock went back.
    local furthest = us + 1000000 + 1000000 / flow.pace
    if flow.tat > furthest then
      flow.tat = furthest
      redis.call('HSET', P .. 'g:' .. g, 'gtat', int(furthest))
    end
    if not c[9] then
      local opens = opening(P .. 'cal:' .. g)
      if opens ~= 0 then return wait_until(flow, opens or ms + 3600000) end
    end
    if number(c[5]) > 0 then
      redis.call('ZREMRANGEBYSCORE', P .. 'gchan:' .. g, '-inf', ms)
      flow.share = true
      flow.free = number(c[5]) - redis.call('ZCARD', P .. 'gchan:' .. g)
    end
    if c[6] or c[7] then
      local day, tomorrow = today(g)
      local is_full, again = day_is_full(g, day, tomorrow, number(c[6]), number(c[7]), number(c[8]))
      if is_full then return wait_until(flow, again) end
    end
    return flow
  end

  -- The next few campaigns in the order of their virtual time. Those that were looked at before are still in front of them.
  local function load_more(group)
    local flows, known = group.flows, group.known
    local rows = redis.call('ZRANGE', group.set, #flows, #flows + 3, 'WITHSCORES')
    group.more = #rows == 8
    for i = 1, #rows, 2 do
      group.edge = tonumber(rows[i + 1])
      looks = looks + 1
      if not known[rows[i]] then
        known[rows[i]] = true
        flows[#flows + 1] = flow_of(rows[i], group.edge, group)
      end
    end
  end

  open_group = function(p, owner)
    local field, virtual = 'v' .. p, state[p == 'n' and 4 or 5]
    if owner then
      field = field .. ':' .. owner
      virtual = redis.call('HGET', acct, field)
    end
    local group = { p = p, set = fair_of(account, p, owner), field = field, virtual = number(virtual), flows = {}, known = {}, edge = 0 }
    load_more(group)
    return group
  end

  -- The next call of these campaigns: extid and flow. Nil when there is none that may go now.
  from_campaigns = function(group)
    local flows = group.flows
    while true do
      local best, where
      for i, flow in ipairs(flows) do
        if not best or flow.v < best.v then best, where = flow, i end
      end
      if group.more and looks < MAX_LOOKS and not (best and best.v <= group.edge) then
        load_more(group)
      elseif not best then
        return nil
      elseif best.pace > 0 and best.tat - us > horizon then
        table.remove(flows, where)
        wait_for_slot(best)
      elseif best.free <= 0 then
        table.remove(flows, where)
        wait_for_channel(best)
      else
        local x = redis.call('LPOP', P .. 'gq:' .. best.g)
        best.popped = true
        if x then return x, best end
        table.remove(flows, where)
        go(best)
      end
    end
  end

  -- What these campaigns used is written down.
  close_group = function(group)
    for _, flow in ipairs(group.flows) do
      if flow.taken then redis.call('ZADD', group.set, score(flow.v), flow.g) end
      keep_pace(flow)
      keep_filled(flow)
    end
    if group.reached then redis.call('HSET', acct, group.field, score(group.reached)) end
  end
end

-- The next call of the campaigns of a tenant, or of the installation, which may have none.
local function next_of_campaigns(p, owner)
  if p == 'u' then return nil end
  local name = owner and p .. ':' .. owner or p
  if groups[name] == nil then
    if redis.call('EXISTS', P .. 'fair:' .. account .. ':' .. name) == 0 then
      groups[name] = false
    else
      if not open_group then make_campaigns() end
      groups[name] = open_group(p, owner)
    end
  end
  if not groups[name] then return nil end
  return from_campaigns(groups[name])
end

-- Tenants are served by functions that are made when there are some.
local MAX_TENANTS = 200
local next_of_tenants, next_of_others
local have_turns = {}
local function make_tenants()
  -- A tenant's next call, when it is its turn; then it stands behind the others while it has more.
  local function next_of_tenant(p, owner)
    local level = account .. ':' .. p
    local line, flow = P .. 'q:' .. level .. ':' .. owner, nil
    local x = redis.call('LPOP', line)
    if not x then x, flow = next_of_campaigns(p, owner) end
    redis.call('LREM', P .. 'turns:' .. level, 1, owner)
    local has_more = redis.call('EXISTS', line, P .. 'fair:' .. level .. ':' .. owner) > 0
    if has_more then redis.call('RPUSH', P .. 'turns:' .. level, owner) end
    return x, flow, has_more
  end

  local function tenants_of(p) return redis.call('LRANGE', P .. 'turns:' .. account .. ':' .. p, 0, MAX_TENANTS - 1) end

  -- The next call of the tenant whose turn it is, its campaign, and the tenant.
  next_of_tenants = function(p)
    local turns, first = P .. 'turns:' .. account .. ':' .. p, nil
    while true do
      local owner = redis.call('LINDEX', turns, 0)
      if not owner or owner == first then break end
      local x, flow, has_more = next_of_tenant(p, owner)
      if x then return x, flow, owner end
      if has_more then first = first or owner end
    end
    have_turns[p] = false
  end

  -- The same of tenants that have nothing in the priorities up to number `above`.
  next_of_others = function(p, above)
    local busy = {}
    for i = 1, above do
      for _, owner in ipairs(tenants_of(LEVELS[i])) do busy[owner] = true end
    end
    for _, owner in ipairs(tenants_of(p)) do
      if not busy[owner] then
        local x, flow = next_of_tenant(p, owner)
        if x then return x, flow, owner end
      end
    end
  end
end

-- Once for each priority: campaigns whose slot has come join the others, and whether tenants have anything. Most accounts have none.
local function look_for_turns(p)
  local turns, paced = P .. 'turns:' .. account .. ':' .. p, P .. 'paced:' .. account .. ':' .. p
  have_turns[p] = false
  if redis.call('EXISTS', turns, paced) == 0 then return end
  for _, g in ipairs(redis.call('ZRANGEBYSCORE', paced, '-inf', int(us + horizon), 'LIMIT', 0, 100)) do
    redis.call('ZREM', paced, g)
    join(g, account, p)
  end
  have_turns[p] = redis.call('EXISTS', turns) == 1
  if have_turns[p] and not next_of_tenants then make_tenants() end
end

-- The next call of the installation's own, and its campaign.
local no_singles = {}
local function next_of_own(p)
  if not no_singles[p] then
    local x = redis.call('LPOP', P .. 'q:' .. account .. ':' .. p)
    if x then return x end
    no_singles[p] = true
  end
  return next_of_campaigns(p)
end

-- The next call from priority number `i` on, its priority, its campaign, and the tenant to which it belongs. After a tenant's call
-- of a priority others are served first, in that and in lower ones; there tenants with more in priorities up to `above` wait.
local after = {}
for _, p in ipairs(LEVELS) do after[p] = state[10] and string.find(state[10], p, 1, true) ~= nil end
local function next_call(i, above)
  local p = LEVELS[i]
  if not p then return nil end
  if have_turns[p] == nil then look_for_turns(p) end
  local next_tenants = above > 0 and next_of_others or next_of_tenants
  if have_turns[p] and not after[p] then
    local x, flow, owner = next_tenants(p, above)
    if x then
      after[p] = true
      return x, p, flow, owner
    end
  end
  local x, flow = next_of_own(p)
  if x then
    after[p] = false
    return x, p, flow
  end
  local turn = have_turns[p] and after[p]
  if not have_turns[p] and i == at then at = i + 1 end
  local lower, owner
  x, lower, flow, owner = next_call(i + 1, turn and i or above)
  if x then
    after[p] = false
    return x, lower, flow, owner
  end
  if turn then
    x, flow, owner = next_tenants(p, above)
    if x then return x, p, flow, owner end
  end
end

while #answer - 2 < max and #answer - 2 < free do
  local slot = us
  if rate > 0 then
    slot = math.max(oldest, tat)
    if slot - us > reach then
      local starts = tick > 0 and (math.ceil(slot / tick) - 1) * tick + 1 or slot
      wait = starts - us - ahead
      break
    end
  end
  local x, p, flow, owner = next_call(at, 0)
  if not x then
    status = 'empty'
    break
  else
    looked = looked + 1
    local r = redis.call('HMGET', P .. 'c:' .. x, 's', 'tok', 'x', 'id', 'b', 'n', 'rt', 'cx', 'g', 'r', 'z', 'cr', 'w', 'kc')
    -- Canceled, expired or taken already: its place in the list is only a trace.
    if r[1] == 'queued' and not r[2] then
      -- A suspect among others would take them along if it kills its worker: the next claim begins with it.
      if r[12] and #taken > 0 then
        if flow then redis.call('LPUSH', P .. 'gq:' .. flow.g, x)
        elseif owner then into_line(account .. ':' .. p, owner, x, 'LPUSH')
        else redis.call('LPUSH', P .. 'q:' .. account .. ':' .. p, x) end
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
          if flow.v > flow.group.virtual then
            flow.group.virtual, flow.group.reached = flow.v, flow.v
          end
          flow.v, flow.taken, flow.free = flow.v + 1 / flow.w, true, flow.free - 1
          if flow.share then redis.call('ZADD', P .. 'gchan:' .. flow.g, ms + lease + channel_ms, x) end
        end
        redis.call('HSET', P .. 'c:' .. x, 'tok', token)
        leased[#leased + 1], leased[#leased + 2] = ms + lease, x
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
for _, group in pairs(groups) do
  if group then close_group(group) end
end
local after_tenants = (after.u and 'u' or '') .. (after.n and 'n' or '') .. (after.b and 'b' or '')
if after_tenants ~= (state[10] or '') then
  if after_tenants == '' then redis.call('HDEL', acct, 'tt') else redis.call('HSET', acct, 'tt', after_tenants) end
end
local turn
if wait > 0 then
  -- Only the rate is in the way: the next slot comes within the horizon at `first`, and is due a horizon later.
  local first = us + wait
  local lead = tick > horizon and tick - horizon / 2 or horizon / 2
  turn = math.max(first + lead, number(state[11]) + math.max(step, horizon / 2))
  turn = math.min(turn, math.max(first, us + longest_turn))
  wait = turn - us
end
if turn then redis.call('HSET', acct, 'tat', int(tat), 'turn', int(turn))
elseif #answer > 2 and rate > 0 then redis.call('HSET', acct, 'tat', int(tat)) end
if status == 'empty' and number(state[11]) > 0 then redis.call('HDEL', acct, 'turn') end
if #answer > 2 and probing then redis.call('HSET', acct, 'hold', ms + probe_ms, 'probe', token) end
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
if #taken > 0 or turn then redis.call('SET', CLAIM, status .. ' ' .. int(us + wait) .. ' ' .. table.concat(taken, ' '), 'PX', lease) end
return answer
