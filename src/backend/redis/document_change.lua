-- Makes a change of one document, if it is still as it was seen.
--
-- KEYS: the documents of the kind: a hash of contents by id, each behind the
--       millisecond it ends at and a colon (0: never); the field with the empty name
--       is the revision of the kind, '~' the one below which removals are forgotten.
--       The revisions: a sorted set of ids, those of removed documents as well.
--       The ends: a sorted set of the ids that end, by the millisecond they do.
-- ARGV: the id; what was seen ('absent', 'anything' or a revision); 'put' or 'remove';
--       the content; for how many milliseconds (0: for ever).
--
-- Answers the revision of the change; 0 if the document is not as it was seen.

local TOMBSTONES_MAX = 1000
local SWEPT_MAX = 100

local documents, revisions, ends = KEYS[1], KEYS[2], KEYS[3]
local id, seen, deed, content = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local function note(changed)
  local revision = redis.call('HINCRBY', documents, '', 1)
  redis.call('ZADD', revisions, revision, changed)
  return revision
end

for _, ended in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, SWEPT_MAX)) do
  redis.call('ZREM', ends, ended)
  if redis.call('HDEL', documents, ended) == 1 then
    note(ended)
  end
end

local there = redis.call('HGET', documents, id)
if there then
  local ends_at = tonumber(string.match(there, '^(%d+):'))
  if ends_at ~= 0 and ends_at <= now then
    there = false
  end
end
if seen == 'absent' then
  if there then return 0 end
elseif seen ~= 'anything' then
  if not there or redis.call('ZSCORE', revisions, id) ~= seen then return 0 end
end

redis.call('ZREM', ends, id)
if deed == 'put' then
  local millis = tonumber(ARGV[5])
  local ends_at = 0
  if millis > 0 then
    ends_at = now + millis
    redis.call('ZADD', ends, string.format('%.0f', ends_at), id)
  end
  redis.call('HSET', documents, id, string.format('%.0f', ends_at) .. ':' .. content)
else
  redis.call('HDEL', documents, id)
end
local revision = note(id)

if redis.call('ZCARD', revisions) - redis.call('HLEN', documents) > TOMBSTONES_MAX then
  local oldest = redis.call('ZRANGE', revisions, 0, TOMBSTONES_MAX, 'WITHSCORES')
  for at = 1, #oldest, 2 do
    if redis.call('HEXISTS', documents, oldest[at]) == 0 and oldest[at] ~= id then
      redis.call('ZREM', revisions, oldest[at])
      redis.call('HSET', documents, '~', oldest[at + 1])
    end
  end
end
return revision
