-- Forgets an object and takes it out of the index of its kind; whether there was one.
--
-- KEYS: the object, the index. ARGV: the id.

redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('UNLINK', KEYS[1])
