-- Rings again, because a person says so, calls whose POST's outcome nobody knows. Pressed twice it is one new attempt.
-- ARGV: who, then for each call 3 values: extid, the attempt that is to be repeated, spare_extid
-- Answer for each: {outcome, id, state, extid, attempt}; outcome is redial, already (that attempt has a later one), late (its
-- outcome is known by now), over (it or its campaign has ended), unknown
local answer = {}
local function redial(x, n, spare)
  local r = load(x)
  if not r then return { 'unknown', '', '', x, 0 } end
  local function says(outcome) return { outcome, r.id, r.s, r.x, r.n } end
  if r.n > n then return says(r.cx == spare and 'redial' or 'already') end
  if r.s ~= 'unconfirmed' then return says('late') end
  if expires_by(r, ms) then return says('over') end
  if r.g then
    local state = redis.call('HGET', P .. 'g:' .. r.g, 's')
    if state ~= 'running' and state ~= 'paused' then return says('over') end
  end
  local attempt, extid = r.n, r.cx or r.x
  schedule(r, 0, 'operator ' .. ARGV[1], spare)
  emit(r, 'redial_scheduled', nil, attempt, extid)
  return says('redial')
end
for i = 2, #ARGV, 3 do answer[#answer + 1] = redial(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]) end
return answer
