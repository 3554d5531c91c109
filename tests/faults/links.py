#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network between the servers: one small TCP proxy for each directed link, all in one process of their own.

As a program it reads commands, one JSON list a line, and answers each with "ok" or an error:

  ["add", name, listen, port, source]    connections to listen:port go on to the link's target and seem to come from source
  ["point", name, address, port]         where the link leads (address null: nobody there); connections through it are reset when it changes
  ["cut", name, …]                       nothing gets through in either direction, silently, as with a pulled cable; nothing is lost either
  ["heal", name, …]                      it flows again
  ["drop", name, …]                      connections are reset, and what was on its way is lost (the machine behind it is off)

``Network`` is the other end of that pipe.
"""
import asyncio
import json
import subprocess
import sys


class Link:
    def __init__(self, source):
        self.source, self.target, self.connections = source, None, set()
        self.flowing = asyncio.Event()
        self.flowing.set()

    async def accept(self, reader, writer):
        self.connections.add(writer)
        other = None
        try:
            await self.flowing.wait()
            if not self.target:
                return
            back, other = await asyncio.open_connection(*self.target, local_addr=(self.source, 0))
            self.connections.add(other)
            tasks = [asyncio.ensure_future(self.pump(*pair)) for pair in ((reader, other), (back, writer))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
        except OSError:
            pass
        finally:
            for one in (writer, other):
                if one is not None:
                    self.connections.discard(one)
                    one.close()

    async def pump(self, reader, writer):
        try:
            while True:
                await self.flowing.wait()
                data = await reader.read(65536)
                await self.flowing.wait()      # cut while waiting: keep it
                if not data:
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            pass

    def reset(self):
        for writer in list(self.connections):
            writer.transport.abort()


class Proxies:
    def __init__(self):
        self.links = {}

    async def add(self, name, listen, port, source):
        link = Link(source)
        await asyncio.start_server(link.accept, listen, port)
        self.links[name] = link

    async def point(self, name, address, port):
        link, target = self.links[name], (address, port) if address else None
        if link.target != target:
            link.target = target
            link.reset()

    async def cut(self, *names):
        for name in names:
            self.links[name].flowing.clear()

    async def heal(self, *names):
        for name in names:
            self.links[name].flowing.set()

    async def drop(self, *names):
        for name in names:
            self.links[name].reset()


async def serve():
    proxies = Proxies()
    asyncio.get_running_loop().set_exception_handler(lambda *dummy: None)      # connections that end with the program
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while True:
        line = await commands.readline()
        if not line:
            return
        verb, *values = json.loads(line)
        try:
            await {"add": proxies.add, "point": proxies.point, "cut": proxies.cut, "heal": proxies.heal, "drop": proxies.drop}[verb](*values)
            answer = "ok"
        except OSError as error:
            answer = str(error)
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()


class Network:
    def __init__(self):
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.names = set()

    def __call__(self, *command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer != "ok":
            raise OSError(f"{command}: {answer or 'the proxies have ended'}")
        if command[0] == "add":
            self.names.add(command[1])

    def between(self, one, other):
        """Return both directed links of two nodes."""
        return [name for name in (f"{one}->{other}", f"{other}->{one}") if name in self.names]

    def towards(self, node):
        return [name for name in self.names if name.endswith(f"->{node}") or name.startswith(f"{node}->")]

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


if __name__ == "__main__":
    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        pass
