-- Writes a value, or removes it, if what is stored is still what the caller has read. Returns 1, or
-- what is stored instead. Flags say whether a value was read (was_set) and whether one is written (sets);
-- life is in ms, and empty for ever.
local was_set, read, sets, value, life = unpack(ARGV)
local stored = redis.call('GET', KEYS[1])
if stored ~= (was_set == '1' and read) then
  return stored
end
if sets == '0' then
  redis.call('DEL', KEYS[1])
elseif life == '' then
  redis.call('SET', KEYS[1], value)
else
  redis.call('SET', KEYS[1], value, 'PX', life)
end
return 1
