-- Opens a scene that doesn't exist yet. Returns 1 if it did so, else 0.
local scene = KEYS[1]
local life, tombstone = ARGV[1], ARGV[2]
if redis.call('EXISTS', scene) == 1 then
  return 0
end
-- Redis would refuse it only after the scene was written, and the scene would stay for ever.
if not redis.acl_check_cmd('PEXPIREAT', scene, '0') then
  return redis.error_reply("NOPERM this user has no permissions to run the 'pexpireat' command in open.lua")
end
local time = redis.call('TIME')
local expires = time[1] * 1000 + math.floor(time[2] / 1000) + life
redis.call('HSET', scene, 'state', 'open', 'expires', string.format('%.0f', expires), unpack(ARGV, 3))
redis.call('PEXPIREAT', scene, string.format('%.0f', expires + tombstone))
return 1
