-- Removes the entries of one shard whose hints are out, unless they were set anew, or claimed by another, meanwhile.
--
-- KEYS[1]  the shard, a sorted set: member = entry, score = microseconds when it is due, or when its lease ends
-- ARGV     member, lease, member, lease, ...: each entry, and when the lease ends that it was claimed with
--
-- Returns how many entries were removed.
local removed = 0
for i = 1, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score and tonumber(score) == tonumber(ARGV[i + 1]) then
    removed = removed + redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return removed
