-- Numbers onto a do-not-call list. ARGV: campaign ('' for the list of all calls, ~OWNER for an owner's own), then for each: number, its entry as JSON
-- Answer: {added, how many were new} or {unknown, 0}: there is no such campaign. A campaign's list lives as long as the campaign.
local g = ARGV[1]
local list = g == '' and P .. 'dnc' or P .. 'dnc:' .. g
local campaign = g ~= '' and string.sub(g, 1, 1) ~= '~'
if campaign and redis.call('EXISTS', P .. 'g:' .. g) == 0 then return { 'unknown', 0 } end
local new = 0
for i = 2, #ARGV, 2 do new = new + redis.call('HSETNX', list, ARGV[i], ARGV[i + 1]) end
local left = campaign and redis.call('PTTL', P .. 'g:' .. g) or -1
if left > 0 then redis.call('PEXPIRE', list, left) end
return { 'added', new }
