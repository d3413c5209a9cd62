-- One call of the queue's script, behind queue.lua, whose names it goes on with: what asks and changes nothing of the
-- queue, the one operation that is called for, and the answer.
--
-- Answer: {code or "", now, next due moment or 0 when the share is over, seq, held, waiting, slots, sender here}, then
-- what the operation answers; only code and now when there is no such share. What others must hear is published
-- as seq (16 digits) and events, which news.rs reads.

local function save()
    local changed = {}
    for _, name in ipairs(NUMBERS) do
        if session[name] ~= stored[name] then
            changed[#changed + 1] = name
            changed[#changed + 1] = plain(session[name])
        end
    end
    if #changed > 0 then
        redis.call('HSET', SESSION, unpack(changed))
    end
end

local function answer(code, rest)
    if session and #events > 0 then
        session.seq = session.seq + 1
        redis.call('SPUBLISH', ARGV[9], padded(session.seq) .. table.concat(events))
    end
    if not session then
        return { code, plain(now) }
    end
    local due = session.sender_until
    if over then
        due = 0
    else
        save()
        local first = redis.call('ZRANGE', ACTIVE, 0, 0, 'WITHSCORES')
        due = math.min(due, tonumber(first[2]) or due)
    end
    local reply = { code, plain(now), plain(due), plain(session.seq), held, waiting, session.slots, session.here }
    for _, value in ipairs(rest or {}) do
        reply[#reply + 1] = value
    end
    return reply
end

-- As `operations`, of those that leave the queue as it is.
local questions = {
    standings = function()
        local places = {}
        for at = FIRST_ARGUMENT, #ARGV do
            places[#places + 1] = standing(ARGV[at])
        end
        return places
    end,
    opened = function()
        local active = {}
        for _, peer in ipairs(redis.call('ZRANGE', ACTIVE, 0, -1)) do
            if connected(get(peer)) then
                active[#active + 1] = peer
            end
        end
        return active
    end,
    -- The last words of a message: what they are is for news.rs to know.
    publish = function()
        tell(a)
    end,
    set_summary = function()
        redis.call('HSET', SESSION, 'summary', a)
    end,
    summary = function()
        return { redis.call('HGET', SESSION, 'summary') }
    end,
}

if not load() then
    if operation ~= 'open' then
        return answer('share_not_found')
    elseif ARGV[FIRST_ARGUMENT + 3] == 'full' then
        return answer('server_full')
    end
    create(a, tonumber(b), FIRST_ARGUMENT + 4)
else
    if questions[operation] then
        return answer('', questions[operation]())
    end
    local code, rest = operations[operation]()
    settle()
    if operation ~= 'open' then
        return answer(code or '', rest)
    end
end
if c ~= '' then
    redis.call('HSET', SESSION, 'summary', string.sub(c, 2))
end
return answer('')
