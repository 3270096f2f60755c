-- Keeps an uploaded file's record, if it still is of the version that the writer read. ARGV: its id, that version ("" for a new
-- one), seconds without a look at it after which it ends, ms in which the process that works on it writes again (0 while nobody
-- works), its owner, version, step and record
-- Answer: 1, or 0 when it is gone or of another version
local key = P .. 'draft:' .. ARGV[1]
local version = redis.call('HGET', key, 'v') or ''
if version ~= ARGV[2] and version ~= ARGV[6] then return 0 end
redis.call('HSET', key, 'o', ARGV[5], 'v', ARGV[6], 's', ARGV[7], 'r', ARGV[8])
redis.call('EXPIRE', key, ARGV[3])
redis.call('HSET', P .. 'drafts', ARGV[1], ARGV[5])
if tonumber(ARGV[4]) > 0 then
  redis.call('SET', key .. ':work', 1, 'PX', ARGV[4])
else
  redis.call('DEL', key .. ':work')
end
return 1
