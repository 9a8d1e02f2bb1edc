import asyncio, json, sys, websockets


async def main(url, command, key, value=None):
    request = {"type": command, "id": 1, "key": key}
    if command == "set":
        request["value"] = json.loads(value)
    async with websockets.connect(url) as socket:
        await socket.send(json.dumps(request))
        print(await socket.recv())


asyncio.run(main(*sys.argv[1:]))
