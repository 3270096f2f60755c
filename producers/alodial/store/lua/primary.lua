-- Which server this store is on, and who has to repeat what its predecessor may have forgotten.
-- ARGV: met run_id quarantine_ms patience_ms   a connection to the server with this run id was made
--   or: done worker generation                              this worker has repeated its POSTs of the last moments
-- Answer: {generation, ms until claims go on, 0 when they do, now, when a worker asked last on the server before (0: not known)}.
-- The generation grows with each server, and is not one that was before: of a restored backup the number that comes next was. A worker that knows
-- another one neither claims nor arms. After a change nobody claims until every worker is done, or for patience_ms; for
-- quarantine_ms in any case, until no worker can take the old primary for the current one any more.
-- How old a heartbeat is says nothing here: Redis may have been away for an hour in which nobody could write one.
local key, owing = P .. 'primary', P .. 'owing'
if ARGV[1] == 'met' then
  local known = redis.call('HMGET', key, 'run', 'gen', 'seen')
  if known[1] ~= ARGV[2] then
    local generation = int(known[1] and math.max(number(known[2]) + 1, math.floor(ms / 1000)) or 1)
    redis.call('HSET', key, 'run', ARGV[2], 'gen', generation, 'at', ms)
    if known[1] then
      if known[3] then redis.call('HSET', key, 'was', generation .. ' ' .. known[3]) end
      local patience = tonumber(ARGV[4])
      redis.call('HSET', key, 'open', ms + tonumber(ARGV[3]), 'until', ms + patience)
      redis.call('DEL', owing)
      for _, worker in ipairs(redis.call('HKEYS', P .. 'workers')) do redis.call('SADD', owing, worker) end
      redis.call('PEXPIRE', owing, patience)
    end
  end
else
  redis.call('HSET', key, 'seen', int(ms))
  if ARGV[3] == redis.call('HGET', key, 'gen') then redis.call('SREM', owing, ARGV[2]) end
end
local generation, wait = primary_state()
-- A worker of an earlier version begins a generation without it.
local of, was = string.match(redis.call('HGET', key, 'was') or '', '^(%d+) (%d+)$')
return { number(generation), wait, ms, of == generation and tonumber(was) or 0 }
