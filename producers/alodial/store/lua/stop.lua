-- Turns the emergency stop on, unless it is. ARGV: reason, who, name of this request
-- Answer: {the stop that is on as JSON, 1 when this request turned it on}
local key = P .. 'stop'
local on = redis.call('GET', key)
if on then return { on, string.find(on, '"by":"' .. ARGV[3] .. '"', 1, true) and 1 or 0 } end
local stop = cjson.encode({ reason = ARGV[1], who = ARGV[2], at = ms, by = ARGV[3] })
redis.call('SET', key, stop)
return { stop, 1 }
