-- Time that did not pass as usual. In front of the scripts that care, after lists.lua. A pacer looks at the clock four times
-- a second: when nobody did for longer than STEP, Redis was away, its clock jumped, or no worker was alive. In all three the
-- holders of leases had no chance to speak, so that the time of leases stands still.
local STEP, BACK, DRAIN = 2000, 1000, 60000

-- How many ms the clock is off what a pacer saw last: 0 while it goes on as usual.
local function clock_step()
  local step = ms - (tonumber(redis.call('GET', P .. 'seen')) or ms)
  return (step > STEP or step < -BACK) and step or 0
end

-- The calls under way, not those that wait: bounded by what the workers have in flight.
local function shift(zset, step)
  local rows = redis.call('ZRANGE', zset, 0, -1, 'WITHSCORES')
  for i = 1, #rows, 2 do redis.call('ZADD', zset, int(tonumber(rows[i + 1]) + step), rows[i]) end
end

-- The clock went back: what was a moment ahead would be hours ahead now. Campaigns are not gone through here, however many they
-- are: claim sees by itself that a pace is too far ahead, and what waits for a slot or to be filled is looked at by the patrol,
-- which starts over.
local function clamp_account(account, step)
  local acct = P .. 'acct:' .. account
  local state = redis.call('HMGET', acct, 'hold', 'tat')
  if number(state[1]) > ms then redis.call('HSET', acct, 'hold', int(math.max(ms, number(state[1]) + step))) end
  if number(state[2]) > us then redis.call('HSET', acct, 'tat', int(math.max(us, number(state[2]) + step * 1000))) end
  redis.call('DEL', P .. 'starts:' .. account, P .. 'bell:' .. account, P .. 'help:' .. account)
  shift(P .. 'chan:' .. account, step)
end

-- The shares of channels of the campaigns that these calls are of, each once.
local function clamp_shares(calls, step, done)
  for _, x in ipairs(redis.call('ZRANGE', calls, 0, -1)) do
    local g = redis.call('HGET', P .. 'c:' .. x, 'g')
    if g and not done[g] then
      done[g] = true
      shift(P .. 'gchan:' .. g, step)
    end
  end
end

-- Takes note of the time, and makes good what a step of it would break. Answers the step in ms.
local function keep_time()
  local step = clock_step()
  redis.call('SET', P .. 'seen', int(ms))
  if step == 0 then return 0 end
  shift(LEASE, step)
  if step > 0 then
    -- Results may wait in a spool: nothing is overdue before they had time to come in.
    redis.call('SET', P .. 'drain', int(ms + math.min(step, DRAIN)))
  else
    local done = {}
    clamp_shares(LEASE, step, done)
    for _, account in ipairs(redis.call('SMEMBERS', P .. 'accounts')) do
      clamp_account(account, step)
      clamp_shares(P .. 'chan:' .. account, step, done)
    end
    redis.call('DEL', P .. 'bell:inbox:', P .. 'drain', P .. 'patrol')
    for _, field in ipairs({ 'open', 'until' }) do
      local at = number(redis.call('HGET', P .. 'primary', field))
      if at > ms then redis.call('HSET', P .. 'primary', field, int(at + step)) end
    end
  end
  return step
end
