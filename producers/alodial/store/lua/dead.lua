-- Looks over the newest of the dead without their bodies. Changes nothing.
-- ARGV: after ('' for the newest), kind or '', reason or '', most rows, most looked at, bytes of a body's beginning
-- Answer: {where to go on or '', rows of {id, kind, reason, type, length, beginning}}
local after, kind, reason = ARGV[1], ARGV[2], ARGV[3]
local most, looks, head = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local rows, last, more = {}, after == '' and '+' or '(' .. after, ''
while #rows < most and looks > 0 do
  -- A few at a time: a body may have 256 KiB.
  local entries = redis.call('XREVRANGE', P .. 'dead', last, '-', 'COUNT', math.min(50, looks))
  if #entries == 0 then return { '', rows } end
  for _, entry in ipairs(entries) do
    looks = looks - 1
    more = entry[1]
    local f = {}
    for i = 1, #entry[2], 2 do f[entry[2][i]] = entry[2][i + 1] end
    if (kind == '' or f.kind == kind) and (reason == '' or f.reason == reason) then
      rows[#rows + 1] = { entry[1], f.kind, f.reason, f.type, #f.body, string.sub(f.body, 1, head) }
      if #rows >= most then break end
    end
  end
  last = '(' .. more
end
return { more, rows }
