-- Takes the calls that Redis has forgotten out of a stream that lists calls in the order of their creation. Runs through it bit by
-- bit: calls that are still there, because they wait for a far day or ended late, stay and hold nothing back.
-- ARGV: stream, entries to look at, ms after which it begins anew once it is through, age in ms of calls that may be gone
-- Answer: {entries removed, 1 when it is through, extids of calls that are there although they are older than that}
local key, looks, again, age = P .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local state = redis.call('HGET', P .. 'tidied', ARGV[1])
local through = state and string.match(state, '^through:(%d+)$')
if through and ms - tonumber(through) < again then return { 0, 1, {} } end
local from = (state and not through) and '(' .. state or '-'
local rows = redis.call('XRANGE', key, from, int(ms - age), 'COUNT', looks)
local gone, there = {}, {}
for _, row in ipairs(rows) do
  local x = row[2][2]
  if redis.call('EXISTS', P .. 'c:' .. x) == 1 then there[#there + 1] = x else gone[#gone + 1] = row[1] end
end
if #gone > 0 then redis.call('XDEL', key, unpack(gone)) end
local finished = #rows < looks
redis.call('HSET', P .. 'tidied', ARGV[1], finished and 'through:' .. int(ms) or rows[#rows][1])
return { #gone, finished and 1 or 0, there }
