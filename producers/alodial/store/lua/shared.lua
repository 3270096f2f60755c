-- Work that one process at a time does for all: takes its lease or keeps it, and saves its state with the events of a change.
-- ARGV: name of the work, process, lease in ms (0 gives it back), number of the state that it read ('' saves nothing), state, event...
-- Answer: {outcome, number, state}; outcome is other (another process has the lease), held, saved, or moved (another state was saved)
local key, mine, lease = P .. 'shared:' .. ARGV[1], ARGV[2], tonumber(ARGV[3])
local h = redis.call('HMGET', key, 'holder', 'until', 'n', 'state', 'digest')
local n, state = number(h[3]), h[4] or ''
if h[1] and h[1] ~= mine and number(h[2]) > ms then return { 'other', n, '' } end
redis.call('HSET', key, 'holder', mine, 'until', ms + lease)
if ARGV[4] == '' then return { 'held', n, state } end
local digest = redis.sha1hex(ARGV[4] .. ' ' .. mine .. ' ' .. ARGV[5])
-- Asked again because the answer was lost.
if h[5] == digest then return { 'saved', n, state } end
if n ~= tonumber(ARGV[4]) then return { 'moved', n, state } end
redis.call('HSET', key, 'n', n + 1, 'state', ARGV[5], 'digest', digest)
for i = 6, #ARGV do emit_raw(ARGV[i]) end
return { 'saved', n + 1, ARGV[5] }
