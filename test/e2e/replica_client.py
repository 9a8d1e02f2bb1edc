"""A client of replicas from docs/PROTOCOL.md alone: text frames, the types lww and counter, a replica kept in memory."""
import asyncio, datetime, itertools, json, sys, websockets

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"


def now():
    """The present moment as the time of a stamp: MMDHmSssnn in Base64x64."""
    t = datetime.datetime.now(datetime.timezone.utc)
    months, ms = (t.year - 2010) * 12 + t.month - 1, t.microsecond // 1000
    numbers = [months // 64, months % 64, t.day - 1, t.hour, t.minute, t.second, ms // 64, ms % 64, 0, 0]
    return "".join(DIGITS[n] for n in numbers).rstrip("0")


def after(time):
    """The next time after that one: its sequence, the last two digits, goes up by one."""
    number = 0
    for digit in time.ljust(10, "0"):
        number = number * 64 + DIGITS.index(digit)
    number += 1
    return "".join(DIGITS[number >> 6 * i & 63] for i in range(9, -1, -1)).rstrip("0")


class Replica:
    def __init__(self, database):
        self.database, self.ids = database, itertools.count(1)
        self.id = self.last = None  # replica id; time of its last op
        self.stored = self.spread = ""  # times of its last ops that a peer has, that a second peer has
        self.unsafe = []  # ops that no second peer is known to have
        self.seen = {}  # origin => time, of what came since the last op
        self.objects, self.versions = {}, {}  # (type, id) => state; => origin => time
        self.peer, self.position, self.isLive = None, None, False

    async def connect(self, url):
        self.socket = await websockets.connect(url)
        options = {"replica": self.id, "last": self.last} if self.id else {}
        self.open = await self.send("openDatabase", database=self.database, options=options)
        info = (await self.reply(self.open))["info"]
        assert self.id in (None, info["replica"]), "another replica id: the ops would need new stamps"
        self.moved = self.peer not in (None, info["peer"])
        if self.moved:
            self.position = None  # of another peer's log
        self.id, self.peer, self.from_time = info["replica"], info["peer"], info.get("fromTime", "")
        self.last = self.last or info.get("storedTime")
        self.acknowledge(info.get("storedTime"), info.get("spreadTime"))

    async def send(self, type, **fields):
        number = next(self.ids)
        await self.socket.send(json.dumps({"type": type, "id": number, **fields}))
        return number

    async def reply(self, number):
        """The first message with that id; what comes before is taken note of."""
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.recv(), 10))
            if message["type"] == "refused":
                raise RuntimeError(message)
            self.note(message)
            if message["id"] == number:
                return message

    def note(self, message):
        if message["type"] == "acked":
            self.acknowledge(message.get("stored"), message.get("spread"))
        if message["type"] == "patch":
            for item in message["items"]:
                self.take(item)
            self.position, self.isLive = message["position"], message["isLive"]

    def acknowledge(self, stored, spread):
        self.stored, self.spread = max(self.stored, stored or ""), max(self.spread, spread or "")
        self.unsafe = [op for op in self.unsafe if op[0].split("-")[0] > self.spread]

    async def subscribe(self, **what):
        options = {**what, "position": self.position} if self.position else what
        subscription = number = await self.send("subscribe", open=self.open, options=options, have=None)
        while not (await self.reply(number))["isLive"]:
            number = await self.send("next", subscription=subscription)

    def write(self, type, id, payload):
        time = max(now(), self.from_time, after(max([self.last or "0", *self.seen.values()])))
        seen = [f"{at}-{origin}" for origin, at in self.seen.items()]
        op = [f"{time}-{self.id}", self.last or "0", type, id, payload, seen]
        self.last, self.seen = time, {}
        self.unsafe.append(op)
        self.take(op)

    async def submit(self):
        # What its author had seen matters only to another peer than the one that it was seen at.
        ops = [op if self.moved else op[:5] for op in self.unsafe]
        return await self.send("submit", open=self.open, ops=ops)

    async def safe(self):
        """All that was written is at a second peer."""
        while self.unsafe:
            self.note(json.loads(await asyncio.wait_for(self.socket.recv(), 10)))

    def take(self, item):
        if len(item) == 3:
            return self.take_state(*item)
        stamp, prev, type, id, payload = item[:5]
        time, origin = stamp.split("-")
        versions = self.versions.setdefault((type, id), {})
        if time <= versions.get(origin, ""):
            return
        versions[origin] = time
        if origin != self.id:
            self.seen[origin] = max(time, self.seen.get(origin, ""))
        if type == "counter":
            sums = self.objects.setdefault((type, id), {})
            sums[origin] = sums.get(origin, 0) + payload
        if type == "lww":
            fields = self.objects.setdefault((type, id), {})
            for name, value in payload.items():
                self.set_field(fields, name, time, origin, value)

    def take_state(self, type, id, state):
        vector, body = state
        versions = self.versions.setdefault((type, id), {})
        target = self.objects.setdefault((type, id), {})
        if type == "counter":
            for origin, total in body:
                if dict(vector)[origin] > versions.get(origin, ""):
                    target[origin] = total
        if type == "lww":
            for name, stamp, value in body:
                self.set_field(target, name, *stamp.split("-"), value)
        for origin, time in vector:
            versions[origin] = max(time, versions.get(origin, ""))

    def set_field(self, fields, name, time, origin, value):
        if (time, origin) > fields.get(name, (("", ""), None))[0]:
            fields[name] = ((time, origin), value)

    def value(self, type, id):
        state = self.objects.get((type, id), {})
        if type == "counter":
            return sum(state.values())
        return {name: value for name, (_, value) in state.items() if value is not None}


async def main(database, first, second):
    """Writes at the first node, loses the connection with an answer under way, and goes on at the second."""
    replica = Replica(database)
    await replica.connect(first)
    await replica.subscribe(prefix="shared:")
    found = replica.value("lww", "shared:1")
    replica.write("lww", "shared:1", {"by": "python", "old": None})
    replica.write("counter", "shared:visits", 1)
    await replica.reply(await replica.submit())
    await replica.safe()

    replica.write("counter", "shared:visits", 1)
    await replica.submit()
    await replica.socket.close()  # Nobody knows whether that arrived.
    replica.write("lww", "shared:2", {"offline": True})
    replica.write("counter", "shared:visits", 1)

    again = replica.id
    await replica.connect(second)
    assert replica.id == again
    await replica.subscribe(prefix="shared:")
    await replica.reply(await replica.submit())
    await replica.safe()
    result = {
        "found": found,
        "first": replica.value("lww", "shared:1"),
        "second": replica.value("lww", "shared:2"),
        "visits": replica.value("counter", "shared:visits"),
        "isSafe": replica.spread == replica.last,
        "moved": replica.moved,
    }
    await replica.socket.close()
    print(json.dumps(result))


asyncio.run(main(*sys.argv[1:]))
