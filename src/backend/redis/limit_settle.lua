-- Notes what was used besides what was taken, and which leases have ended or go on: once.
--
-- KEYS[1] is the marker of the writer: the number of the last settlement of it that was
-- applied. Then for each deed the key it is done to: the hash of a holder, or the sorted
-- set of its leases.
--
-- ARGV: the number of the settlement; for how many seconds the marker is kept; for how
-- many milliseconds a lease holds; then for each deed five: what it is (`rate`, `sum`,
-- `ended`, `kept`), the field or the lease, the limit, the period of a rate in milliseconds
-- or the start of the window of a sum, and the amount.

local number, marker_seconds, lease_millis = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local FIRST, PARTS = 4, 5
local KEPT_MILLIS = 32 * 24 * 60 * 60 * 1000
-- The most that a sum comes to: `limit::MONEY_MAX`.
local MOST = 9000000000000000

if number <= tonumber(redis.call('GET', KEYS[1]) or 0) then
    return 0
end
-- First, so that a server without room refuses before anything is written.
redis.call('SET', KEYS[1], ARGV[1], 'EX', marker_seconds)

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

for at = FIRST, #ARGV, PARTS do
    local key = KEYS[(at - FIRST) / PARTS + 2]
    local deed, name = ARGV[at], ARGV[at + 1]
    local limit, span, amount = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
    if deed == 'ended' then
        redis.call('ZREM', key, name)
    elseif deed == 'kept' then
        redis.call('ZADD', key, 'XX', now + lease_millis, name)
        redis.call('PEXPIRE', key, lease_millis)
    else
        local text = redis.call('HGET', key, name)
        local first, second = string.match(text or '', '^(%d+) (%d+)$')
        first, second = tonumber(first or 0), tonumber(second or 0)
        local kept = KEPT_MILLIS
        if deed == 'rate' then
            if first < now then
                first, second = now, 0
            end
            local parts = amount * span + math.min(second, limit - 1)
            first, second = first + math.floor(parts / limit), parts % limit
            kept = math.max(first - now, 0) + 60000
        elseif first <= span then
            -- What belongs to a window that is over is not counted in the next.
            if first < span then
                first, second = span, 0
            end
            second = math.min(second + amount, MOST)
        end
        redis.call('HSET', key, name, string.format('%.0f %.0f', first, second))
        if redis.call('PTTL', key) < kept then
            redis.call('PEXPIRE', key, string.format('%.0f', kept))
        end
    end
end
return 1
