-- Grants sends to one endpoint: Meter.Take of package gate, which explains the arithmetic. All numbers are whole and
-- below 2^53, so Lua's are exact.
--
-- KEYS[1]  the endpoint's meter, a string "level at"; none for an empty one
-- ARGV[1]  now, in microseconds
-- ARGV[2]  sends per minute, 1 to 2^32
-- ARGV[3]  sends wanted
--
-- Returns {granted, microseconds until the next may be granted, 0 when all were}.
--
-- The meter expires when it has long drained: a missing meter grants the same as an empty one.
local now, rate, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local second, minute = 1000000, 60000000
local full = math.max(rate * second, minute)

local level, at = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
level, at = tonumber(level) or 0, tonumber(at) or 0
if at > now + second then
  at = now
end
local elapsed = math.min(math.max(0, now - at), minute)
level = math.max(0, math.min(level, full) - math.min(elapsed * rate, full))
at = math.max(at, now)

local granted = math.max(0, math.min(want, math.floor((full - level) / minute)))
level = level + granted * minute
-- Half a minute more than it needs to drain, lest it vanish early for a process whose clock differs.
local drains = math.ceil((level / rate + at - now) / 1000)
redis.call('SET', KEYS[1], string.format('%.0f %.0f', level, at), 'PX', drains + 30000)
if granted >= want then
  return {granted, 0}
end
local missing = math.max(0, level + minute - full)
return {granted, math.floor((missing + rate - 1) / rate) + at - now}
