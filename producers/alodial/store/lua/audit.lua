-- Appends an act behind the newest one. ARGV: '1' for the stream of own keys, the hash that is thought to be the newest, the hash
-- of this entry, the entry, how many are kept
-- Answer: {1, this hash}; {0, the newest hash} when another entry came first, so that the caller chains to that one
local stream = P .. (ARGV[1] == '1' and 'audit:own' or 'audit')
local newest = redis.call('GET', stream .. ':head') or ''
if newest == ARGV[3] then return { 1, newest } end
if newest ~= ARGV[2] then return { 0, newest } end
redis.call('XADD', stream, 'MAXLEN', '~', ARGV[5], '*', 'e', ARGV[4], 'h', ARGV[3])
redis.call('SET', stream .. ':head', ARGV[3])
return { 1, ARGV[3] }
