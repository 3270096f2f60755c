-- Lifts the pause and breaker of an account; with '' those of all accounts and the emergency stop. ARGV: account
if ARGV[1] == '' then redis.call('DEL', P .. 'stop') end
for _, account in ipairs(redis.call('SMEMBERS', P .. 'accounts')) do
  if ARGV[1] == '' or ARGV[1] == account then
    redis.call('HDEL', P .. 'acct:' .. account, 'hold', 'why', 'brk', 'bk', 'probe', 'ar', 'un', 'uo', 'rl')
    let_refused_go(account)
  end
end
return 1
