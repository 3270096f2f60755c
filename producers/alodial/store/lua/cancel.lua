-- Cancels calls that were not submitted yet. ARGV: campaign ('' for any: only calls of it are touched), then for each call:
-- extid (of any of its attempts), reason
-- Answer for each: {outcome, id, state, extid}; outcome is canceled (also when it was before), late, unknown
local answer = {}
for i = 2, #ARGV, 2 do
  local x = ARGV[i]
  local r = load(x)
  if not r then
    local alias = redis.call('GET', P .. 'x:' .. x)
    r = alias and load(string.match(alias, '^(%d+):'))
  end
  if not r or (ARGV[1] ~= '' and r.g ~= ARGV[1]) then
    answer[#answer + 1] = { 'unknown', '', '', x }
  elseif r.s == 'canceled' then
    answer[#answer + 1] = { 'canceled', r.id, r.s, r.x }
  elseif r.s == 'scheduled' or r.s == 'queued' then
    move(r, 'canceled', ARGV[i + 1])
    emit(r, 'canceled')
    answer[#answer + 1] = { 'canceled', r.id, r.s, r.x }
  else
    answer[#answer + 1] = { 'late', r.id, r.s, r.x }
  end
end
return answer
