-- Settles a scene: `Scene::settle` in Redis. It writes first and publishes last, because a script that fails half-way
-- rolls nothing back.
-- See docs/decisions/001-one-place-decides-what-a-scene-may-do.md.
local scene = KEYS[1]
local channel, delivery, from, to, life, tombstone, body = unpack(ARGV, 1, 7)
-- A guard that may be tried once; its name is empty if there is none.
local tried, value, wrong_to, wrong_body, guards = unpack(ARGV, 8, 12)
-- A value that is replaced along with the step, if it is still the one that was read; its name is empty if there is none.
-- was_set says whether one was read; its life is in ms, and empty for ever. If it is a guess that is wrong, nothing is done.
-- See docs/decisions/100-a-login-is-counted-in-the-step-that-settles-it.md.
local along, was_set, read, written, along_life, is_guess = unpack(ARGV, 13, 18)
local first_field = 19
-- Whether the value is still the one that was read. An error says no: the value then stays as it is, for the caller to replace
-- and to hear of the error.
local function is_unchanged()
  return redis.pcall('GET', along) == (was_set == '1' and read)
end
local guessed_right = is_guess == '1' and is_unchanged()
if is_guess == '1' and not guessed_right then
  local there = redis.pcall('GET', along)
  -- An error is no wrong guess: the scene is settled, and the value left to the caller.
  if type(there) ~= 'table' then
    return { 'guess', there }
  end
end

local names = { 'account', 'binding', 'page', 'who', 'number', 'choices', 'grant', 'person', 'open_trace', 'login_trace' }

local stored = redis.call('HMGET', scene, 'state', 'expires', 'seq', 'events', 'd:' .. delivery, 'kept', unpack(names))
local state, expires, seq, events, repeated = stored[1], tonumber(stored[2]), tonumber(stored[3]), stored[4], stored[5]
-- For how long the scene is kept beyond its tombstone, in ms. A login shortens the life of the state, but the page's key
-- is valid as long as before.
local kept = tonumber(stored[6] or 0)
if not state then
  return { 'unknown' }
end
if not expires then
  return { 'malformed' }
end
local facts = {}
for i, name in ipairs(names) do
  facts[name] = stored[6 + i] or ''
end

local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)

-- The seq of the event that this call publishes; empty if it publishes none.
local published_seq = ''
-- '1' if this call replaces the value along with the step.
local replaced = ''

local function answer(verdict)
  local now_state = state
  if now >= expires and (state == 'open' or state == 'scanned' or state == 'confirmed') then
    now_state = 'expired'
  end
  local parts = { verdict, now_state, math.max(expires - now, 0), published_seq }
  for _, name in ipairs(names) do
    parts[#parts + 1] = facts[name]
  end
  parts[#parts + 1] = replaced
  return parts
end

if repeated then
  return answer('repeated')
end
if not string.find(from, ',' .. answer('')[2] .. ',', 1, true) then
  return answer('state')
end
local arg = first_field
for _ = 1, guards do
  if facts[ARGV[arg]] ~= ARGV[arg + 1] then
    return answer(ARGV[arg])
  end
  arg = arg + 2
end

local last = #ARGV
if tried ~= '' and facts[tried] ~= value then
  if facts[tried] == '' then
    return answer(tried)
  end
  to, body, life, last, along = wrong_to, wrong_body, '', arg - 1, ''
end

-- Redis would refuse these only after the scene was written: the login would count, and no page would hear of it.
-- See docs/decisions/035-a-missing-right-stops-a-login-before-it-is-stored.md.
if not redis.acl_check_cmd('PEXPIREAT', scene, '0') then
  return redis.error_reply("NOPERM this user has no permissions to run the 'pexpireat' command in settle.lua")
end
if body ~= '' and not redis.acl_check_cmd('SPUBLISH', channel, body) then
  return redis.error_reply("NOPERM this user has no permissions to run the 'spublish' command on the scene's channel")
end

state = to
local writes = { 'state', to, 'd:' .. delivery, '1' }
for i = arg, last, 2 do
  facts[ARGV[i]] = ARGV[i + 1]
  writes[#writes + 1] = ARGV[i]
  writes[#writes + 1] = ARGV[i + 1]
end
if life ~= '' then
  kept = math.max(expires + kept - (now + life), 0)
  expires = now + life
  writes[#writes + 1] = 'expires'
  writes[#writes + 1] = string.format('%.0f', expires)
  writes[#writes + 1] = 'kept'
  writes[#writes + 1] = string.format('%.0f', kept)
end
local line
if body ~= '' then
  seq = string.format('%.0f', math.max(now_us, (seq or 0) + 1))
  line = seq .. ' ' .. body
  writes[#writes + 1] = 'seq'
  writes[#writes + 1] = seq
  writes[#writes + 1] = 'events'
  writes[#writes + 1] = events and events .. '\n' .. line or line
end
redis.call('HSET', scene, unpack(writes))
redis.call('PEXPIREAT', scene, string.format('%.0f', expires + tombstone + kept))
if along ~= '' and (guessed_right or is_unchanged()) then
  local set = { 'SET', along, written }
  if along_life ~= '' then
    set = { 'SET', along, written, 'PX', along_life }
  end
  replaced = redis.pcall(unpack(set)).err and '' or '1'
end
if line then
  redis.call('SPUBLISH', channel, line)
  published_seq = seq
end
return answer('applied')
