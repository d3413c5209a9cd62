-- The queue of one share, by the rules of `sluice_protocol::queue`, as one atomic step in Redis.
--
-- KEYS, all with the share's hash tag:
--   1 session   hash: join_hash, summary (sealed), and the numbers in NUMBERS below
--   2 active    sorted set: who holds a slot, by the moment at which its stage lapses
--   3 waiting   sorted set: who is in line, by arrival; peers are raw bytes, so that equals go by id
--   4 progress  hash: every receiver, as "STAGE PROGRESS UNTIL ARRIVAL", or "dismissed"
-- ARGV: 1 operation, 2 now or "" for Redis's own clock, 3 lease, 4 grace, 5 presence, 6 sender's grace,
--   7 most receivers, 8 milliseconds for which the keys outlive a heartbeat, 9 the share's channel;
--   from 10 on what the operation asks for.
-- Moments and times are microseconds, those since the Unix epoch: a double holds them exactly until 2255.
--
-- Answer: {code or "", now, next due moment or 0 when the share is over, seq, held, waiting, slots, sender here}, then
-- what the operation answers; only code and now when there is no such share. What others must hear is published
-- as seq (16 digits) and events, which news.rs reads.

local SESSION, ACTIVE, WAITING, PROGRESS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local FIRST_ARGUMENT = 10
-- How many of the line are looked at in one go when a slot is free.
local CHUNK = 64
-- Waiting receivers' lapses have no index; they are looked for this often.
local SWEEP = 15000000

local operation = ARGV[1]
local now = tonumber(ARGV[2])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
end
local rules = {}
for at, name in ipairs({ 'lease', 'grace', 'presence', 'sender_grace', 'max_receivers', 'ttl' }) do
    rules[name] = tonumber(ARGV[at + 2])
end

-- The session, as it was loaded or made; what differs from `stored` is written back at the end.
local session, stored
-- Sizes of the two sorted sets.
local held, waiting = 0, 0
local told_moves, told_waiting = 0, 0
local over, events = false, {}

-- Plain `tostring` keeps 14 digits only.
local function plain(number)
    return string.format('%.0f', number)
end

-- As it stands in what is published.
local function padded(number)
    return string.format('%016.0f', number)
end

local function tell(event)
    events[#events + 1] = event
end

-- slots; here: 1 while the sender is there; sender_until; first_arrival: tickets of lost queues name earlier ones;
-- last_arrival: the greatest handed out; moves; ready: how many in line may be promoted; dismissed: how many were
-- let go; swept: when lapses were looked for in the whole line; seq: counts what was published.
local NUMBERS =
    { 'slots', 'here', 'sender_until', 'first_arrival', 'last_arrival', 'moves', 'ready', 'dismissed', 'swept', 'seq' }

local function load()
    local values = redis.call('HMGET', SESSION, 'join_hash', unpack(NUMBERS))
    if not values[1] then
        return false
    end
    session, stored = { join_hash = values[1] }, {}
    for at, name in ipairs(NUMBERS) do
        session[name] = tonumber(values[at + 1])
        stored[name] = session[name]
    end
    held = redis.call('ZCARD', ACTIVE)
    waiting = redis.call('ZCARD', WAITING)
    if redis.call('HLEN', PROGRESS) ~= held + waiting + session.dismissed then
        -- One of the keys was lost, to eviction or by hand: the peers build it all again.
        redis.call('DEL', unpack(KEYS))
        session = nil
        return false
    end
    told_moves, told_waiting = session.moves, waiting
    return true
end

-- A set or hash that came to be after the last heartbeat vanishes with the others.
local function outlive(key)
    redis.call('PEXPIREAT', key, redis.call('PEXPIRETIME', SESSION))
end

local function renew()
    -- By Redis's clock, and the same for all.
    local time = redis.call('TIME')
    local moment = time[1] * 1000 + math.floor(time[2] / 1000) + rules.ttl
    for _, key in ipairs(KEYS) do
        redis.call('PEXPIREAT', key, moment)
    end
end

local function parse(text)
    if not text then
        return nil
    end
    local stage, progress, moment, arrival = string.match(text, '^(%a+) (%S+) (%d+) (%d+)$')
    return stage
        and { stage = stage, progress = progress, moment = tonumber(moment), arrival = tonumber(arrival) }
end

-- The receiver, or nil for one that is unknown or dismissed.
local function get(peer)
    return parse(redis.call('HGET', PROGRESS, peer))
end

local function put(peer, receiver)
    local moments = plain(receiver.moment) .. ' ' .. plain(receiver.arrival)
    local text = receiver.stage .. ' ' .. receiver.progress .. ' ' .. moments
    if redis.call('HSET', PROGRESS, peer, text) == 1 and redis.call('HLEN', PROGRESS) == 1 then
        outlive(PROGRESS)
    end
end

local function holds_slot(receiver)
    return receiver.stage ~= 'waiting' and receiver.stage ~= 'ready'
end

local function connected(receiver)
    return receiver.stage == 'active' or receiver.stage == 'dropped'
end

local function detach(peer, receiver)
    if holds_slot(receiver) then
        redis.call('ZREM', ACTIVE, peer)
        held = held - 1
    else
        redis.call('ZREM', WAITING, peer)
        waiting = waiting - 1
        session.moves = session.moves + 1
        if receiver.stage == 'ready' then
            session.ready = session.ready - 1
        end
    end
end

local function attach(peer, receiver)
    put(peer, receiver)
    if holds_slot(receiver) then
        redis.call('ZADD', ACTIVE, receiver.moment, peer)
        held = held + 1
        if held == 1 then
            outlive(ACTIVE)
        end
    else
        redis.call('ZADD', WAITING, receiver.arrival, peer)
        waiting = waiting + 1
        if waiting == 1 then
            outlive(WAITING)
        elseif redis.call('ZRANK', WAITING, peer) ~= waiting - 1 then
            -- Not the last: all behind it have moved.
            session.moves = session.moves + 1
        end
        if receiver.stage == 'ready' then
            session.ready = session.ready + 1
        end
    end
end

local function set_stage(peer, receiver, stage, moment)
    local new = { stage = stage, progress = receiver.progress, moment = moment, arrival = receiver.arrival }
    if holds_slot(receiver) ~= holds_slot(new) then
        detach(peer, receiver)
        attach(peer, new)
        return new
    end
    put(peer, new)
    if holds_slot(new) then
        redis.call('ZADD', ACTIVE, moment, peer)
    elseif receiver.stage ~= stage then
        session.ready = session.ready + (stage == 'ready' and 1 or -1)
    end
    return new
end

-- why: '-', or 'd' for one that was dismissed.
local function remove(peer, why)
    local receiver = get(peer)
    if not receiver then
        return
    end
    redis.call('HDEL', PROGRESS, peer)
    detach(peer, receiver)
    if connected(receiver) then
        tell('L' .. peer)
    end
    tell('G' .. peer .. why)
end

-- why: 'e' ended by the sender, 'g' the sender is gone.
local function finish(why)
    tell('E' .. why)
    redis.call('DEL', unpack(KEYS))
    over = true
end

local function is_full()
    return held + waiting + session.dismissed >= rules.max_receivers
end

local function next_arrival()
    session.last_arrival = math.max(now, session.last_arrival + 1)
    return session.last_arrival
end

local function promote(peer, receiver)
    local moment = now + rules.lease
    set_stage(peer, receiver, 'promoted', moment)
    tell('P' .. peer .. padded(moment))
end

-- Fills the free slots, in order of arrival, with those that are ready and have not lapsed.
local function fill()
    local at, ready = 0, session.ready
    while ready > 0 and held < session.slots do
        local peers = redis.call('ZRANGE', WAITING, at, at + CHUNK - 1)
        if #peers == 0 then
            return
        end
        local texts = redis.call('HMGET', PROGRESS, unpack(peers))
        at = at + #peers
        for index, peer in ipairs(peers) do
            local receiver = parse(texts[index])
            if receiver.stage == 'ready' then
                ready = ready - 1
                if receiver.moment > now then
                    promote(peer, receiver)
                    at = at - 1
                    if held >= session.slots then
                        return
                    end
                end
            end
        end
    end
end

-- The last step of every command.
local function settle()
    if over then
        return
    end
    if session.here == 1 then
        fill()
    end
    if told_moves ~= session.moves then
        told_moves = session.moves
        tell('M' .. padded(session.moves))
    end
    if told_waiting ~= waiting then
        told_waiting = waiting
        tell('W' .. padded(waiting))
    end
end

local function seen(peer)
    local receiver = get(peer)
    if not receiver then
        return 'not_authorised'
    end
    local moment = now + rules.presence
    if not holds_slot(receiver) then
        set_stage(peer, receiver, 'ready', moment)
    elseif receiver.stage == 'active' then
        set_stage(peer, receiver, 'active', moment)
    end
    return ''
end

local function join(peer, proof, arrival)
    if session.join_hash ~= proof then
        return 'not_authorised'
    end
    local text = redis.call('HGET', PROGRESS, peer)
    if text == 'dismissed' then
        return 'let_go'
    end
    local receiver = parse(text)
    local moment = now + rules.grace
    if not receiver then
        if is_full() then
            return 'share_full'
        end
        local lost = tonumber(arrival)
        arrival = lost and lost < session.first_arrival and lost or next_arrival()
        attach(peer, { stage = 'waiting', progress = '-', moment = moment, arrival = arrival })
    elseif not holds_slot(receiver) then
        set_stage(peer, receiver, receiver.stage, math.max(receiver.moment, moment))
    end
    return ''
end

local function claim(peer)
    local code = seen(peer)
    if code ~= '' then
        return code
    end
    settle()
    local receiver = get(peer)
    if not holds_slot(receiver) then
        return 'not_your_turn'
    end
    set_stage(peer, receiver, 'active', now + rules.presence)
    if receiver.stage == 'promoted' then
        tell('J' .. peer)
    end
    return ''
end

local function drop()
    local peer = ARGV[FIRST_ARGUMENT]
    local receiver = get(peer)
    local moment = now + rules.grace
    if receiver and receiver.stage == 'ready' then
        set_stage(peer, receiver, 'waiting', moment)
    elseif receiver and receiver.stage == 'active' then
        set_stage(peer, receiver, 'dropped', moment)
    end
end

local function sender_seen()
    session.sender_until = now + rules.presence
    renew()
    if session.here == 1 then
        return
    end
    session.here = 1
    tell('H')
    -- Nobody could connect meanwhile: their time begins now.
    for _, peer in ipairs(redis.call('ZRANGE', ACTIVE, 0, -1)) do
        local receiver = get(peer)
        if receiver.stage == 'promoted' then
            promote(peer, receiver)
        end
    end
end

local function sender_away()
    session.here = 0
    session.sender_until = now + rules.sender_grace
    renew()
    tell('A')
end

-- Bytes, not the order of some language as `<` has it.
local function is_before(one, other)
    if one.moment ~= other.moment then
        return one.moment < other.moment
    end
    for at = 1, #one.peer do
        local a, b = string.byte(one.peer, at), string.byte(other.peer, at)
        if a ~= b then
            return a < b
        end
    end
    return false
end

-- Everyone whose moment has come, in its order; those in line only when a sweep is due.
local function lapsed(force)
    local due = {}
    for _, peer in ipairs(redis.call('ZRANGE', ACTIVE, '-inf', plain(now), 'BYSCORE')) do
        local receiver = get(peer)
        due[#due + 1] = { peer = peer, moment = receiver.moment }
    end
    if waiting > 0 and (force or now >= session.swept + SWEEP) then
        session.swept = now
        local all = redis.call('HGETALL', PROGRESS)
        for at = 1, #all, 2 do
            local receiver = parse(all[at + 1])
            if receiver and not holds_slot(receiver) and receiver.moment <= now then
                due[#due + 1] = { peer = all[at], moment = receiver.moment }
            end
        end
        table.sort(due, is_before)
    end
    return due
end

local function tick(force)
    if session.sender_until <= now then
        if session.here == 0 then
            return finish('g')
        end
        -- Silent, though nobody saw its socket drop.
        sender_away()
    end
    for _, due in ipairs(lapsed(force)) do
        local receiver = get(due.peer)
        if receiver.stage ~= 'promoted' then
            remove(due.peer, '-')
        elseif session.here == 0 then
            -- Frozen: its time begins anew when the sender is back.
            set_stage(due.peer, receiver, 'promoted', now + rules.lease)
        else
            set_stage(due.peer, receiver, 'waiting', now + rules.grace)
            tell('O' .. due.peer)
        end
    end
end

local function create(join_hash, slots, first_active)
    session = {
        join_hash = join_hash,
        slots = slots,
        here = 0,
        sender_until = now + rules.sender_grace,
        first_arrival = now,
        last_arrival = 0,
        moves = 0,
        ready = 0,
        dismissed = 0,
        swept = now,
        -- Above that of any earlier share of this id, so that its watchers notice.
        seq = now,
    }
    stored = {}
    redis.call('HSET', SESSION, 'join_hash', join_hash)
    renew()
    for at = first_active, math.min(#ARGV, first_active + slots - 1) do
        local arrival = next_arrival()
        if redis.call('HEXISTS', PROGRESS, ARGV[at]) == 0 then
            local moment = now + rules.grace
            attach(ARGV[at], { stage = 'dropped', progress = '-', moment = moment, arrival = arrival })
        end
    end
end

-- {stage, until, arrival, ahead, held, moves}, or a code in its stead.
local function standing(peer)
    local receiver = get(peer)
    if not receiver then
        return { 'not_authorised' }
    end
    local ahead = not holds_slot(receiver) and redis.call('ZRANK', WAITING, peer) or 0
    local moment, arrival, moves = plain(receiver.moment), plain(receiver.arrival), plain(session.moves)
    return { receiver.stage, moment, arrival, ahead, held, moves }
end

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

local a, b, c = ARGV[FIRST_ARGUMENT], ARGV[FIRST_ARGUMENT + 1], ARGV[FIRST_ARGUMENT + 2]

-- What each operation does, before the queue is settled: a code or nil, and what it answers.
local operations = {
    -- a: join hash, b: slots, c: "" or "=" and the summary, then "full" if there may be no new share, then who was in
    -- a slot.
    open = function()
        if session.join_hash ~= a then
            redis.call('HSET', SESSION, 'join_hash', a)
        end
        session.slots = tonumber(b)
        if session.here == 0 then
            session.sender_until = now + rules.sender_grace
        end
        renew()
    end,
    -- a: peer, b: proof, c: arrival or "".
    join = function()
        local code = join(a, b, c)
        settle()
        return code, { standing(a) }
    end,
    -- Many at once, each as if it had come alone.
    seen = function()
        local places = {}
        for at = FIRST_ARGUMENT, #ARGV do
            seen(ARGV[at])
            settle()
            places[#places + 1] = standing(ARGV[at])
        end
        return '', places
    end,
    claim = function()
        local code = claim(a)
        settle()
        return code, { standing(a) }
    end,
    progress = function()
        local receiver = get(a)
        if receiver and holds_slot(receiver) then
            receiver.progress = b
            put(a, receiver)
        end
    end,
    leave = function()
        remove(a, '-')
    end,
    dismiss = function()
        remove(a, 'd')
        if not is_full() and redis.call('HSET', PROGRESS, a, 'dismissed') == 1 then
            session.dismissed = session.dismissed + 1
            outlive(PROGRESS)
        end
    end,
    sender_seen = sender_seen,
    drop = drop,
    sender_drop = function()
        if session.here == 1 then
            sender_away()
        end
    end,
    ['end'] = function()
        finish('e')
    end,
    tick = function()
        tick(a == 'sweep')
    end,
}

-- The same, of those that leave the queue as it is.
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
