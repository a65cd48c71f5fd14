"""What the server does in one step, in Lua.

Each of them looks first whether a message is still pending, and acknowledges it last: a script that
fails in the middle is not undone.
"""

from hashlib import sha1

MOST = 7800
"""Strings of an entry that a script can add, as Lua's stack has room for 8,000."""

IS_PENDING = """
local function pending(id, consumer)
  if consumer then
    return #redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1, consumer) > 0
  end
  return #redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1) > 0
end
"""

PUBLISH = (
    IS_PENDING
    + """
local at, done = 3, 0
while at <= #ARGV do
  local id, fields = ARGV[at], tonumber(ARGV[at + 1])
  if pending(id) then
    local add = {'XADD', KEYS[2]}
    if ARGV[2] ~= '' then
      add[3], add[4], add[5] = 'MAXLEN', '~', ARGV[2]
    end
    add[#add + 1] = '*'
    for i = at + 2, at + 1 + fields do
      add[#add + 1] = ARGV[i]
    end
    redis.call(unpack(add))
    redis.call('XACK', KEYS[1], ARGV[1], id)
    done = done + 1
  end
  at = at + 2 + fields
end
return done
"""
)
"""Acknowledge messages, each with an entry in another stream: its result, or what killed it.

KEYS: the stream, the other one. ARGV: the group, the length of the other stream or nothing, and for
each message its id, the number of strings that follow, and fields and values.
"""

RELEASE = (
    IS_PENDING
    + """
for at = 4, #ARGV, 3 do
  if pending(ARGV[at], ARGV[2]) then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, ARGV[at],
      'IDLE', ARGV[at + 1], 'RETRYCOUNT', ARGV[at + 2], 'JUSTID')
  end
end
"""
)
"""Give messages back, as far as the consumer still has them.

They belong to a consumer of a name that nobody has, so that what is pending for one is what it
holds. KEYS: the stream. ARGV: the group, the consumer, that name, and for each message its id, for
how many milliseconds it counts as idle, and how often as delivered.
"""

LEAVE = """
local handed = {}
for i = 6, #ARGV do
  handed[ARGV[i]] = true
end
for _, each in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 100000, ARGV[2])) do
  local times = each[4]
  if not handed[each[1]] then
    times = times - 1
  end
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, each[1],
    'IDLE', ARGV[4], 'RETRYCOUNT', times, 'JUSTID')
end
if ARGV[5] == '1' and #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
"""
"""Give back all that a consumer has, and forget the consumer if that is wanted.

KEYS: the stream. ARGV: the group, the consumer, the name for what is given back, for how many
milliseconds that counts as idle, 1 to forget, and the ids that were handed to the user: only for
these it was an attempt.
"""

KEEP = (
    f"local most = {MOST}"
    + """
local key, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local lease, attempts, room, cursor = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local held, kept, lost, own, has_last = {}, {}, {}, {}, false
for i = 8, #ARGV do
  held[ARGV[i]] = true
end
for _, each in ipairs(redis.call('XPENDING', key, group, '-', '+', 100000, consumer)) do
  if held[each[1]] then
    held[each[1]] = nil
    kept[#kept + 1] = each[1]
    has_last = has_last or each[4] >= attempts
  elseif #own < room then
    own[#own + 1] = each[1]
  end
end
for id, _ in pairs(held) do
  lost[#lost + 1] = id
end
for at = 1, #kept, 1000 do
  local renew = {'XCLAIM', key, group, consumer, 0}
  for i = at, math.min(at + 999, #kept) do
    renew[#renew + 1] = kept[i]
  end
  renew[#renew + 1] = 'JUSTID'
  redis.call(unpack(renew))
end

local found = {}
local function take(entries)
  for _, entry in ipairs(entries) do
    if entry and entry[2] then
      local id = entry[1]
      local times = redis.call('XPENDING', key, group, id, id, 1)[1][4]
      if attempts > 0 and times > attempts then
        local fields = #entry[2] > most and {} or entry[2]
        for _, each in ipairs({'dead:stream', key, 'dead:group', group, 'dead:id', id,
            'dead:attempts', times - 1}) do
          fields[#fields + 1] = each
        end
        redis.call('XADD', KEYS[2], '*', unpack(fields))
        redis.call('XACK', key, group, id)
      elseif attempts > 1 and times == attempts and has_last then
        redis.call('XCLAIM', key, group, ARGV[7], 0, id,
          'IDLE', lease, 'RETRYCOUNT', times - 1, 'JUSTID')
      else
        has_last = has_last or times == attempts
        found[#found + 1] = {id, times, entry[2]}
      end
    end
  end
end
for _, id in ipairs(own) do
  local entries = redis.call('XCLAIM', key, group, consumer, 0, id)
  if #entries == 0 or not entries[1] then
    redis.call('XACK', key, group, id)
  else
    take(entries)
  end
end
room = room - #own
if room > 0 then
  local claimed = redis.call('XAUTOCLAIM', key, group, consumer, lease, cursor, 'COUNT', room)
  cursor = claimed[1]
  take(claimed[2])
end
return {lost, cursor, found}
"""
)
"""Renew what a consumer holds, and take over what nobody holds any more.

KEYS: the stream, the one for messages that were tried too often. ARGV: the group, the consumer, the
lease in milliseconds, the most attempts or 0, how many may be taken over, where to look from, the
name for what is given back, and the ids that are held. What is pending for the consumer and not
held is taken over first. It returns the ids that are lost, where to look next, and what was taken
over: id, number of the attempt, fields and values.

A consumer has one message at a time in its last attempt, and gives others back uncounted: the
message that has killed its consumers is then dead alone, without those that waited beside it. One
of more fields than a script can add is dead without them.
"""

ALL = (PUBLISH, RELEASE, LEAVE, KEEP)


def digest(script: str) -> str:
    """What the server calls it."""
    return sha1(script.encode(), usedforsecurity=False).hexdigest()
