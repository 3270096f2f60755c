-- Keeps a session. ARGV: its hash, its record, the scope of its key or person, idle seconds, the second in which it ends, the
-- second of now, how many a scope may have
-- Answer: 1
local own = P .. 'sessions:' .. ARGV[3]
redis.call('SET', P .. 'session:' .. ARGV[1], ARGV[2], 'EX', ARGV[4])
for _, index in ipairs({ P .. 'sessions', own }) do
  redis.call('ZADD', index, ARGV[5], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', index, '-inf', '(' .. ARGV[6])
end
redis.call('EXPIREAT', own, ARGV[5])
for _, extra in ipairs(redis.call('ZRANGE', own, 0, -(tonumber(ARGV[7]) + 1))) do
  redis.call('DEL', P .. 'session:' .. extra)
  redis.call('ZREM', P .. 'sessions', extra)
  redis.call('ZREM', own, extra)
end
return 1
