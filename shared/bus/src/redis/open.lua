-- Creates a scene, if it doesn't exist. Returns 1 if it did, 0 if not.
local scene = KEYS[1]
local life, tombstone = ARGV[1], ARGV[2]
if redis.call('EXISTS', scene) == 1 then
  return 0
end
local time = redis.call('TIME')
local expires = time[1] * 1000 + math.floor(time[2] / 1000) + life
redis.call('HSET', scene, 'state', 'open', 'expires', string.format('%.0f', expires), unpack(ARGV, 3))
redis.call('PEXPIREAT', scene, string.format('%.0f', expires + tombstone))
return 1
