import asyncio, json, sys, msgpack, websockets


async def main(url, command, key, value=None):
    request = [2, 1, key] if command == "get" else [3, 1, key, {}, json.loads(value)]
    async with websockets.connect(url) as socket:
        await socket.send(msgpack.packb(request))
        print(json.dumps(msgpack.unpackb(await socket.recv())))


asyncio.run(main(*sys.argv[1:]))
