-- Gives a name this value for so long, or none, if its value is still the one that the caller has
-- read. Answers 1, or what is there instead.
local has, read, gives, value, life = unpack(ARGV)
local there = redis.call('GET', KEYS[1])
if there ~= (has == '1' and read) then
  return there
end
if gives == '0' then
  redis.call('DEL', KEYS[1])
elseif life == '' then
  redis.call('SET', KEYS[1], value)
else
  redis.call('SET', KEYS[1], value, 'PX', life)
end
return 1
