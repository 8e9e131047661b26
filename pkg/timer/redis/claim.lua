-- Takes the entries of one shard that are due, and holds them.
--
-- KEYS[1]  the shard, a sorted set: member = entry, score = microseconds when it is due, or when its lease ends
-- ARGV[1]  now, in microseconds
-- ARGV[2]  how many entries to take at most
-- ARGV[3]  when their lease ends, in microseconds
-- ARGV[4]  how many bytes an entry has
-- ARGV[5]  how many entries the caller took from the shard with the same now and lease just before
--
-- Returns {next, member, score, member, score, ...}: the entries taken, each with the score that it had, earliest
-- first; next is the lowest score among the entries that the caller did not take, '' when there are none.
--
-- An entry taken stays in the set, with the end of its lease as its score: should its process die, it is due again
-- then. Scores are passed on as the text they came as, because Lua would print large numbers rounded.
local limit = tonumber(ARGV[2])
-- One more than is taken: it is the next.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', 0, limit + 1)
local reply = {''}
if #due > 2 * limit then
  reply[1] = due[2 * limit + 2]
else
  local function after(score)
    return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. score, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  end
  local next = after(ARGV[1])
  local mine = tonumber(ARGV[5])
  if mine > 0 and tonumber(next) == tonumber(ARGV[3]) and redis.call('ZCOUNT', KEYS[1], next, next) == mine then
    next = after(next)
  end
  reply[1] = next or ''
end

local held = {}
for i = 1, math.min(#due, 2 * limit), 2 do
  if #due[i] == tonumber(ARGV[4]) then
    held[#held + 1] = ARGV[3]
    held[#held + 1] = due[i]
    reply[#reply + 1] = due[i]
    reply[#reply + 1] = due[i + 1]
  else
    -- Not an entry of ours. Left in, it would be due for ever.
    redis.call('ZREM', KEYS[1], due[i])
  end
end
-- In pieces, because Lua's stack bounds how many arguments a call may have.
local piece = 2000
for i = 1, #held, piece do
  redis.call('ZADD', KEYS[1], unpack(held, i, math.min(i + piece - 1, #held)))
end
return reply
