"""A proxy for Kafka's protocol: passes requests and answers on, but for those that a test names.

    proxy = Proxy()
    broker = Broker(folder, proxy=proxy)        # and the client's bootstrap is proxy.bootstrap
    rule = proxy.on(END_TXN, b"my-transactional-id", HOLD)
    rule.met.wait(10); ...; rule.go_on.set()

A rule is for the next request of that kind whose bytes hold the text, and for that one alone:

HOLD     the broker gets it when `go_on` is set, also when the client has closed the connection by then; what follows on the
         connection waits behind it
CUT      the broker never gets it; the connection is closed
SWALLOW  the broker gets it and answers; then `met` is set, and when `go_on` is set the connection is closed: the client never
         learns what became of it
"""

import asyncio
import threading

PRODUCE, END_TXN, TXN_OFFSET_COMMIT = 0, 26, 28
HOLD, CUT, SWALLOW = "hold", "cut", "swallow"
LINGER_SECONDS = 2  # a connection to the broker outlives its client's by this, so that what was passed on is read


class Rule:
    def __init__(self, api, text, act):
        self.api, self.text, self.act = api, text, act
        self.met, self.go_on = threading.Event(), threading.Event()


async def wait_for(event):
    while not event.is_set():
        await asyncio.sleep(0.002)


async def frame_of(reader):
    size = await reader.readexactly(4)
    return size + await reader.readexactly(int.from_bytes(size, "big"))


class Connection:
    def __init__(self, proxy, client, broker):
        self.proxy = proxy
        self.client, self.to_client = client
        self.broker, self.to_broker = broker
        self.swallow = {}  # correlation id -> rule

    async def requests(self):
        while True:
            frame = await frame_of(self.client)
            rule = self.proxy.rule_for(frame)
            if rule is not None and rule.act == SWALLOW:
                self.swallow[frame[8:12]] = rule
            elif rule is not None:
                rule.met.set()
                if rule.act == CUT:
                    return
                await wait_for(rule.go_on)
            self.to_broker.write(frame)
            await self.to_broker.drain()

    async def answers(self):
        while True:
            frame = await frame_of(self.broker)
            rule = self.swallow.get(frame[4:8])
            if rule is not None:
                rule.met.set()
                await wait_for(rule.go_on)
                return
            self.to_client.write(frame)
            await self.to_client.drain()

    async def serve(self):
        ways = [asyncio.create_task(self.requests()), asyncio.create_task(self.answers())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            self.to_client.close()
            await asyncio.sleep(LINGER_SECONDS)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self.to_client.close()
            self.to_broker.close()


class Proxy:
    """Listens on a port of its own, in a thread. `target`, the broker's port, may be set later."""

    def __init__(self, target=None):
        self.target = target
        self.rules = []
        self.lock = threading.Lock()
        self.loop = asyncio.new_event_loop()
        self.tasks = set()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.connected, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def on(self, api, text, act):
        rule = Rule(api, text, act)
        with self.lock:
            self.rules.append(rule)
        return rule

    def rule_for(self, frame):
        """Takes it off the list. A request begins with its length, kind (2 bytes), version (2) and correlation id (4)."""
        api = int.from_bytes(frame[4:6], "big")
        with self.lock:
            for rule in self.rules:
                if rule.api == api and rule.text in frame:
                    self.rules.remove(rule)
                    return rule
        return None

    async def connected(self, *client):
        self.tasks.add(asyncio.current_task())
        try:
            broker = await asyncio.open_connection("127.0.0.1", self.target)
            await Connection(self, client, broker).serve()
        except OSError:
            client[1].close()  # as a broker that is down
        finally:
            self.tasks.discard(asyncio.current_task())

    def stop(self):
        async def end():
            self.server.close()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
