-- Lifts the emergency stop and an account's pause and breaker. ARGV: account, or '' for all
redis.call('DEL', P .. 'stop')
for _, account in ipairs(redis.call('SMEMBERS', P .. 'accounts')) do
  if ARGV[1] == '' or ARGV[1] == account then
    redis.call('HDEL', P .. 'acct:' .. account, 'hold', 'why', 'brk', 'probe')
  end
end
return 1
