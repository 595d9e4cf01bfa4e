-- Takes all that a request wants of its gauges, or nothing.
--
-- KEYS: for each take the hash of its holder and the sorted set of its leases, by when
-- they end.
--
-- ARGV: the lease of the request; for how many milliseconds it holds; how many leases
-- have ended, and those; then for each take five: the form of its gauge (`rate`, `sum`,
-- `leases`), the field of its state, its limit, the period of a rate in milliseconds or
-- the start of the window of a sum, what has to be left, and what is used up.
--
-- Answers whether all was taken, the time, and for each take its state, two numbers.
-- What a state means stands in the program, which does the same in `limit::rate`.

local LEASE, LEASE_MILLIS, ENDED = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local FIRST, PARTS = 4 + ENDED, 6
-- No state has to be kept longer: the longest window is a month.
local KEPT_MILLIS = 32 * 24 * 60 * 60 * 1000

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local function state_of(key, field)
    local text = redis.call('HGET', key, field)
    local first, second = string.match(text or '', '^(%d+) (%d+)$')
    return tonumber(first or 0), tonumber(second or 0)
end

local takes, allowed = {}, true
for at = FIRST, #ARGV, PARTS do
    local number = (at - FIRST) / PARTS
    local take = {
        key = KEYS[number * 2 + 1],
        leases = KEYS[number * 2 + 2],
        form = ARGV[at],
        field = ARGV[at + 1],
        limit = tonumber(ARGV[at + 2]),
    }
    local span, need, cost = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
    if take.form == 'leases' then
        for ended = 4, 3 + ENDED do
            redis.call('ZREM', take.leases, ARGV[ended])
        end
        redis.call('ZREMRANGEBYSCORE', take.leases, '-inf', now)
        take.first, take.second = redis.call('ZCARD', take.leases), 0
        allowed = allowed and take.first + need <= take.limit
        take.after_first, take.after_second = take.first + cost, 0
    else
        take.first, take.second = state_of(take.key, take.field)
        if take.form == 'rate' then
            if take.first < now then
                take.first, take.second = now, 0
            end
            take.second = math.min(take.second, take.limit - 1)
            local parts = need * span + take.second
            local free_at = take.first + math.floor(parts / take.limit)
            if parts % take.limit > 0 then
                free_at = free_at + 1
            end
            allowed = allowed and free_at <= now + span
            parts = cost * span + take.second
            take.after_first = take.first + math.floor(parts / take.limit)
            take.after_second = parts % take.limit
        else
            if take.first < span then
                take.first, take.second = span, 0
            end
            allowed = allowed and take.second + need <= take.limit
            take.after_first, take.after_second = take.first, take.second + cost
        end
    end
    takes[#takes + 1] = take
end

local told = { allowed and 1 or 0, now }
for _, take in ipairs(takes) do
    if not allowed then
        told[#told + 1] = take.first
        told[#told + 1] = take.second
    else
        if take.form == 'leases' then
            redis.call('ZADD', take.leases, now + LEASE_MILLIS, LEASE)
            redis.call('PEXPIRE', take.leases, LEASE_MILLIS)
        else
            local state = string.format('%.0f %.0f', take.after_first, take.after_second)
            redis.call('HSET', take.key, take.field, state)
            local kept = math.max(take.after_first - now, 0) + 60000
            if take.form == 'sum' then
                kept = KEPT_MILLIS
            end
            if redis.call('PTTL', take.key) < kept then
                redis.call('PEXPIRE', take.key, string.format('%.0f', kept))
            end
        end
        told[#told + 1] = take.after_first
        told[#told + 1] = take.after_second
    end
end
return told
