-- Adds ARGV[2] to a count, and returns the sum. The count's life (ARGV[1], in ms) begins when it is 1.
-- Not by INCRBY, which the Redis users of earlier versions may not use.
local sum
for _ = 1, ARGV[2] do
  sum = redis.call('INCR', KEYS[1])
  if sum == 1 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
  end
end
return sum
