-- Adds a batch of lines to the buckets they lie in: all of them and once.
--
-- KEYS[1] is the marker of the writer: the number of the last batch of it that was
-- applied. All other keys are buckets: hashes with a field for each labels, and the
-- field `rev`, which is no labels.
--
-- ARGV: the number of the batch; for how many seconds the marker is kept; for each
-- bucket when it ends, in seconds since the epoch; then for each line its labels, its
-- tally, and the places among the buckets of those it is added to: three of them.
--
-- A tally is three tables one after the other, as MessagePack: the counts in their
-- order, and twice the counts of steps of time. What a later version appends to the list
-- of counts is added up as well.
--
-- Everything that can fail is done before the first write: Redis does not take back
-- what a script wrote before an error. The first write is one that a full server
-- refuses; those after it are not refused, by its rules.

local MARKER_SECONDS = ARGV[2]
local BUCKETS = #KEYS - 1
local FIRST_LINE = 3 + BUCKETS
local LINE_PARTS = 5
-- The largest number up to which a double counts one by one. A sum stays there.
local MOST = 9007199254740992

local call = redis.call
local number = tonumber(ARGV[1])
local applied = tonumber(redis.call('GET', KEYS[1]) or 0)
if number <= applied then
    return 0
end

local function tables_of(value)
    return { cmsgpack.unpack(value) }
end

local function merge(into, tally)
    for part = 1, #tally do
        local held = into[part]
        for at, count in pairs(tally[part]) do
            local before = held[at]
            if not before then
                held[at] = count
            elseif count > 0 then
                local sum = before + count
                if sum > MOST then
                    sum = MOST
                end
                held[at] = sum
            end
        end
    end
end

-- For each bucket its fields as they will be: a tally, or the value of one that is there
-- for the first time.
local pending = {}
local revisions = {}
local clock = redis.call('TIME')
-- A bucket that was lost and begins anew must not come by a revision it had before.
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
for bucket = 1, BUCKETS do
    pending[bucket] = {}
    local revision = tonumber(redis.call('HGET', KEYS[bucket + 1], 'rev') or 0) + 1
    revisions[bucket] = string.format('%.0f', math.max(revision, now))
end

for line = FIRST_LINE, #ARGV, LINE_PARTS do
    local labels, value = ARGV[line], ARGV[line + 1]
    local tally = nil
    for at = line + 2, line + 4 do
        local bucket = tonumber(ARGV[at])
        local fields = pending[bucket]
        local held = fields[labels] or call('HGET', KEYS[bucket + 1], labels)
        if held then
            tally = tally or tables_of(value)
            -- What is no tally is replaced: it would fail every batch otherwise.
            local is_tally = true
            if type(held) == 'string' then
                is_tally, held = pcall(tables_of, held)
            end
            is_tally = is_tally and pcall(merge, held, tally)
            fields[labels] = is_tally and held or value
        else
            fields[labels] = value
        end
    end
end

for bucket = 1, BUCKETS do
    local key = KEYS[bucket + 1]
    for labels, held in pairs(pending[bucket]) do
        if type(held) ~= 'string' then
            held = cmsgpack.pack(unpack(held))
        end
        call('HSET', key, labels, held)
    end
    redis.call('HSET', key, 'rev', revisions[bucket])
    redis.call('EXPIREAT', key, ARGV[2 + bucket])
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', MARKER_SECONDS)
return 1
