-- Numbers onto a do-not-call list. ARGV: campaign ('' for the list of all calls, ~OWNER for an owner's own), then for each: number, its entry as JSON
-- Answer: {added, how many were new} or {unknown, 0}: there is no such campaign. A campaign's list lives as long as the campaign.
local ENTRY_BYTES = 100 -- of a number and its place in the list
local g = ARGV[1]
local list = g == '' and P .. 'dnc' or P .. 'dnc:' .. g
local campaign = g ~= '' and string.sub(g, 1, 1) ~= '~'
if campaign and redis.call('EXISTS', P .. 'g:' .. g) == 0 then return { 'unknown', 0 } end
local new, bytes = 0, 0
for i = 2, #ARGV, 2 do
  if redis.call('HSETNX', list, ARGV[i], ARGV[i + 1]) == 1 then new, bytes = new + 1, bytes + ENTRY_BYTES + #ARGV[i + 1] end
end
-- Nobody is kept from such a list; but its bytes leave its key less room for campaigns, which would be copied with it.
local q = campaign and new > 0 and quota_of(redis.call('HGET', P .. 'g:' .. g, 'qt'))
if q then hold_rows(q, g, 0, bytes) end
local left = campaign and redis.call('PTTL', P .. 'g:' .. g) or -1
if left > 0 then redis.call('PEXPIRE', list, left) end
return { 'added', new }
