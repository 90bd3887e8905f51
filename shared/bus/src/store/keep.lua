-- Returns the value of KEYS[1] as it was at the first call with this copy (ARGV[1], in the same slot), empty if it had
-- none. The copy is kept for ARGV[2] ms.
local kept = redis.call('GET', ARGV[1])
if kept then
  return kept
end
local value = redis.call('GET', KEYS[1]) or ''
redis.call('SET', ARGV[1], value, 'PX', ARGV[2])
return value
