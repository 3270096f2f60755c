-- Numbers onto the do-not-call list of all calls as hashes, which nobody can read.
-- ARGV: inner and outer block of a new HMAC key (used where there is none yet), then for each: number, its entry as JSON
-- Answer: how many were not there as hashes before
local list, new = P .. 'dnc:#', 0
redis.call('HSETNX', list, 'i', ARGV[1])
redis.call('HSETNX', list, 'o', ARGV[2])
for i = 3, #ARGV, 2 do new = new + redis.call('HSETNX', list, hashed(ARGV[i]), ARGV[i + 1]) end
return new
