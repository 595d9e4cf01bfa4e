-- Tells what has changed in some kinds of documents. Writes nothing.
--
-- KEYS: for each kind its documents and their revisions, as in document_change.lua.
-- ARGV: for each kind the revision seen.
--
-- Answers, for each kind: the revision, whether this is all there is (1) or what has
-- changed (0), and then id, revision and content of each document; a content of '' is
-- that of a removed one, all others begin with a colon.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local function content_of(stored)
  if not stored then return '' end
  local ends_at, content = string.match(stored, '^(%d+)(:.*)$')
  ends_at = tonumber(ends_at)
  if ends_at ~= 0 and ends_at <= now then return '' end
  return content
end

local told = {}
for at = 1, #ARGV do
  local documents, revisions = KEYS[2 * at - 1], KEYS[2 * at]
  local seen = tonumber(ARGV[at])
  local revision = tonumber(redis.call('HGET', documents, '') or '0')
  local floor = tonumber(redis.call('HGET', documents, '~') or '0')
  local whole = seen == 0 or seen < floor or seen > revision
  local kind = { tostring(revision), whole and '1' or '0' }
  if whole or seen < revision then
    local from = whole and '-inf' or ('(' .. ARGV[at])
    local changed = redis.call('ZRANGEBYSCORE', revisions, from, '+inf', 'WITHSCORES')
    for i = 1, #changed, 2 do
      local content = content_of(redis.call('HGET', documents, changed[i]))
      if not whole or content ~= '' then
        kind[#kind + 1] = changed[i]
        kind[#kind + 1] = changed[i + 1]
        kind[#kind + 1] = content
      end
    end
  end
  told[at] = kind
end
return told
