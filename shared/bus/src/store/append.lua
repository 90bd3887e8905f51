-- Appends an entry, if the stream has fewer than ARGV[2] entries. Returns 1 if it did, 0 if not.
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
-- Written by version 0.1.0 under the name `letter`; it can't change.
redis.call('XADD', KEYS[1], '*', 'letter', ARGV[1])
return 1
