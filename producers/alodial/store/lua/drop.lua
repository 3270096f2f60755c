-- Deletes a campaign that is still a draft; whatever else it is by now stays.
-- ARGV: campaign, draft key ('' for none).  Answer: {dropped or kept, state it was found in, '' when it is gone}
local g, draft = ARGV[1], P .. 'gd:' .. ARGV[2]
local state = redis.call('HGET', P .. 'g:' .. g, 's')
if state and state ~= 'draft' then return { 'kept', state } end
if redis.call('GET', draft) == g then redis.call('DEL', draft) end
forget_campaign(g)
return { 'dropped', state or '' }
