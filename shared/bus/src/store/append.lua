-- Appends to a stream that has room. Answers whether it had.
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('XADD', KEYS[1], '*', 'letter', ARGV[1])
return 1
