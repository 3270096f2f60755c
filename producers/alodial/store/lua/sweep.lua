-- Gives an exit to what no worker will move any more. Run again while it answers that it found its limit.
-- ARGV: limit result_timeout_ms channel_ms redial_after_ms poison_after, then `limit` spare extids
-- Answer: {found, {what, id, extid, account, attempt}...}; what is given_back, unconfirmed, timed_out, expired, failed
local limit, timeout, channel = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local redial_after, poison = tonumber(ARGV[4]), tonumber(ARGV[5])
local answer, spare = { 0 }, 6
-- Another primary since a moment ago: workers still repeat what it may have missed.
local _, settling = primary_state()
if settling > 0 then return answer end
local function found(what, r)
  answer[1] = answer[1] + 1
  answer[#answer + 1] = { what, r.id, r.x, r.a, r.n }
end
-- Redis was away, or its clock jumped: the pacer makes the times good first, and whoever holds a lease speaks before it ends.
local wait = clock_step() ~= 0
local draining = number(redis.call('GET', P .. 'drain')) > ms
local function past(zset)
  if wait or zset == AWAIT and draining then return {} end
  return redis.call('ZRANGEBYSCORE', zset, '-inf', ms, 'LIMIT', 0, limit)
end

for _, x in ipairs(past(LEASE)) do
  local r = load(x)
  redis.call('ZREM', LEASE, x)
  if r and r.s == 'queued' then
    -- Claimed, and not armed in time: not one byte was sent. It is a suspect from now on, which is handed out alone; only the
    -- death of a worker that had it alone, and said so (confirm), is counted against it.
    local key, crashes = P .. 'c:' .. x, 0
    if r.cr and redis.call('HGET', key, 'al') == r.tok then crashes = redis.call('HINCRBY', key, 'cr', 1)
    else redis.call('HSETNX', key, 'cr', 0) end
    if crashes >= poison then
      move(r, 'failed', 'poison', 'why', 'poison')
      emit(r, 'failed')
      found('failed', r)
    else
      give_back(r)
      found('given_back', r)
    end
  elseif r and r.s == 'submitting' then
    local attempt = { id = r.id, x = r.x, a = r.a, n = r.n }
    local counted = redis.call('ZSCORE', P .. 'chan:' .. r.a, x)
    unconfirm(r, 'worker_lost', timeout, counted and channel or 0, redial_after, ARGV[spare])
    spare = spare + 1
    found('unconfirmed', attempt)
  end
end
for _, x in ipairs(past(AWAIT)) do
  local r = load(x)
  redis.call('ZREM', AWAIT, x)
  if r and (r.s == 'submitted' or r.s == 'unconfirmed') then
    move(r, 'timed_out')
    emit(r, 'timed_out')
    found('timed_out', r)
  end
end
for _, x in ipairs(past(EXP)) do
  local r = load(x)
  redis.call('ZREM', EXP, x)
  if r and (r.s == 'scheduled' or r.s == 'queued') and expires_by(r, ms) then
    move(r, 'expired', 'expires_at')
    emit(r, 'expired')
    found('expired', r)
  end
end
return answer
