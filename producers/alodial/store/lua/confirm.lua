-- The worker that was given a suspect alone has it, and is about to look at it: from here on its death counts against the call.
-- ARGV: extid token.  Answer: 1, or 0 when the call is somebody else's by now.
local x, token = ARGV[1], ARGV[2]
local r = redis.call('HMGET', P .. 'c:' .. x, 's', 'tok')
if r[1] ~= 'queued' or r[2] ~= token then return 0 end
redis.call('HSET', P .. 'c:' .. x, 'al', token)
return 1
