-- What one address may spend, and what it holds, as one atomic step in Redis.
--
-- KEYS: 1 the one key. ARGV: 1 "allow", "hold" or "release", 2 now or "" for Redis's own clock, then
--   allow: 3 the time in which a whole burst is earned again, 4 the burst; answers 0, or how long to wait.
--   hold: 3 member, 4 the most members, 5 the time until it lapses; answers 1, or 0 when others are that many.
--   release: 3 member.
-- Moments and times are microseconds. Everything expires by itself. The answer is a table of one.

local key, operation, now = KEYS[1], ARGV[1], tonumber(ARGV[2])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
end

if operation == 'allow' then
    -- The generic cell rate algorithm (ITU-T I.371): the key holds when all that was spent is earned again.
    local per, burst = tonumber(ARGV[3]), tonumber(ARGV[4])
    local spent = math.max(tonumber(redis.call('GET', key)) or 0, now)
    local after = spent + math.floor(per / burst)
    local wait = after - (now + per)
    if wait > 0 then
        return { string.format('%.0f', wait) }
    end
    redis.call('SET', key, string.format('%.0f', after), 'PX', math.max(1, math.ceil((after - now) / 1000)))
    return { 0 }
elseif operation == 'hold' then
    local member, cap, time = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
    redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
    if not redis.call('ZSCORE', key, member) and redis.call('ZCARD', key) >= cap then
        return { 0 }
    end
    redis.call('ZADD', key, now + time, member)
    -- As long as its longest member; a little more does no harm.
    if redis.call('PTTL', key) < time / 1000 then
        redis.call('PEXPIRE', key, math.ceil(time / 1000) + 1)
    end
    return { 1 }
elseif operation == 'release' then
    redis.call('ZREM', key, ARGV[3])
    return { 1 }
end
return redis.error_reply('ERR no such operation')
