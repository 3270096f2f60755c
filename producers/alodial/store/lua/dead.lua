-- Looks over the newest of the dead without their bodies, which have keys of their own. Changes nothing.
-- ARGV: after ('' for the newest), kind or '', reason or '', most rows, most looked at, bytes of a body's beginning
-- Answer: {where to go on or '', rows of {id, kind, reason, type, length, beginning}}
local after, kind, reason = ARGV[1], ARGV[2], ARGV[3]
local most, looks, head = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local rows, last, more, step = {}, after == '' and '+' or '(' .. after, '', 100
while #rows < most and looks > 0 do
  local entries = redis.call('XREVRANGE', P .. 'dead', last, '-', 'COUNT', math.min(step, looks))
  if #entries == 0 then return { '', rows } end
  for _, entry in ipairs(entries) do
    looks = looks - 1
    more = entry[1]
    local f = {}
    for i = 1, #entry[2], 2 do f[entry[2][i]] = entry[2][i + 1] end
    -- An older version wrote the body, of up to 256 KiB, into the entry: few of those at a time.
    if f.body then step = 5 end
    if (kind == '' or f.kind == kind) and (reason == '' or f.reason == reason) then
      local beginning = ''
      if head > 0 then
        beginning = f.body and string.sub(f.body, 1, head) or redis.call('GETRANGE', P .. 'dead:' .. entry[1], 0, head - 1)
      end
      rows[#rows + 1] = { entry[1], f.kind, f.reason, f.type, f.body and #f.body or tonumber(f.size), beginning }
      if #rows >= most then break end
    end
  end
  last = '(' .. more
end
return { more, rows }
