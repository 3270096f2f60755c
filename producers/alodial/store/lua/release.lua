-- Frees the channels of calls that were sent and have no result; they go on waiting for it. A call that is still in progress then
-- takes a line that is not counted. ARGV: extids
-- Answer for each: 'released', also where it holds none any more, or 'kept' for a call that does not wait for a result
local answer = {}
for i = 1, #ARGV do
  local r = load(ARGV[i])
  if r and (r.s == 'submitted' or r.s == 'unconfirmed') then
    free_channel(r)
    answer[i] = 'released'
  else
    answer[i] = 'kept'
  end
end
return answer
