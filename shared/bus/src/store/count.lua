-- Adds one to a count, and returns the sum. The count's life (ARGV[1], in ms) begins when it is 1.
local sum = redis.call('INCR', KEYS[1])
if sum == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return sum
