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
-- A tally is `counts;total;first_byte`: numbers with blanks between, without the zeros
-- at the end, and twice `step:count` with blanks between. Counts this program is too old
-- to know are added up as well.
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

local number = tonumber(ARGV[1])
local applied = tonumber(redis.call('GET', KEYS[1]) or 0)
if number <= applied then
    return 0
end

local function sum_of(one, other)
    local sum = one + other
    if sum > MOST then
        return MOST
    end
    return sum
end

-- What is not a tally counts as an empty one: it would fail every batch otherwise.
local function tally_of(text)
    local counts, total, first = string.match(text, '^([%d ]*);([%d: ]*);([%d: ]*)')
    local tally = { {}, {}, {} }
    if not counts then
        return tally
    end
    for count in string.gmatch(counts, '%d+') do
        tally[1][#tally[1] + 1] = tonumber(count)
    end
    for place, text in ipairs({ total, first }) do
        local steps = tally[place + 1]
        for step, count in string.gmatch(text, '(%d+):(%d+)') do
            steps[step] = tonumber(count)
        end
    end
    return tally
end

local function merge(into, tally)
    for place, count in ipairs(tally[1]) do
        into[1][place] = sum_of(into[1][place] or 0, count)
    end
    for part = 2, 3 do
        for step, count in pairs(tally[part]) do
            into[part][step] = sum_of(into[part][step] or 0, count)
        end
    end
end

-- Numbers that become text by themselves do so with 14 digits.
local function text_of_number(count)
    if count < 1e14 then
        return count
    end
    return string.format('%.0f', count)
end

local function text_of(tally)
    local counts = {}
    for place, count in ipairs(tally[1]) do
        counts[place] = text_of_number(count)
    end
    local parts = { table.concat(counts, ' ') }
    for part = 2, 3 do
        local steps = {}
        for step, count in pairs(tally[part]) do
            steps[#steps + 1] = step .. ':' .. text_of_number(count)
        end
        parts[part] = table.concat(steps, ' ')
    end
    return table.concat(parts, ';')
end

-- For each bucket its fields as they will be: a tally, or the text of one that is there
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
    local labels, text = ARGV[line], ARGV[line + 1]
    local tally = nil
    for at = line + 2, line + 4 do
        local bucket = tonumber(ARGV[at])
        local fields = pending[bucket]
        local held = fields[labels] or redis.call('HGET', KEYS[bucket + 1], labels)
        if held then
            tally = tally or tally_of(text)
            if type(held) == 'string' then
                held = tally_of(held)
            end
            merge(held, tally)
            fields[labels] = held
        else
            fields[labels] = text
        end
    end
end

for bucket = 1, BUCKETS do
    local key = KEYS[bucket + 1]
    for labels, held in pairs(pending[bucket]) do
        if type(held) ~= 'string' then
            held = text_of(held)
        end
        redis.call('HSET', key, labels, held)
    end
    redis.call('HSET', key, 'rev', revisions[bucket])
    redis.call('EXPIREAT', key, ARGV[2 + bucket])
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', MARKER_SECONDS)
return 1
