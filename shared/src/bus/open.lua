-- Opens a scene that isn't there yet; answers whether it did.
local scene = KEYS[1]
local account, binding, life, tombstone = unpack(ARGV)
if redis.call('EXISTS', scene) == 1 then
  return 0
end
local time = redis.call('TIME')
local expires = time[1] * 1000 + math.floor(time[2] / 1000) + life
redis.call('HSET', scene, 'state', 'open', 'account', account, 'expires', string.format('%.0f', expires))
if binding ~= '' then
  redis.call('HSET', scene, 'binding', binding)
end
redis.call('PEXPIREAT', scene, string.format('%.0f', expires + tombstone))
return 1
