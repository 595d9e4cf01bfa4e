-- Keeps an object for a time, and notes it in the index of its kind.
--
-- KEYS: the object, the index: a sorted set of ids by the millisecond they end.
-- ARGV: the id, the content, for how many milliseconds.
--
-- The index lives as long as what it names, and forgets here what has ended.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local millis = tonumber(ARGV[3])
-- Fails on what is no index before anything is written.
redis.call('ZCARD', KEYS[2])
local left = redis.call('PTTL', KEYS[2])

redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now))
redis.call('ZADD', KEYS[2], string.format('%.0f', now + millis), ARGV[1])
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', math.max(left, millis)))
return 1
