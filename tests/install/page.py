"""The page as installed: `python page.py VSTORE STORE` starts it, asks for all that a browser would, and ends it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from http.cookiejar import CookieJar
from urllib.request import HTTPCookieProcessor, build_opener


def main(program: str, store: str) -> None:
    command = [program, "--store", store, "serve", "--no-open", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        address = json.loads(running.stdout.readline())["address"]
        origin = address.partition("/?")[0]
        ask = build_opener(HTTPCookieProcessor(CookieJar())).open
        ask(address).read()
        assert json.load(ask(f"{origin}/state"))["current"] is not None
        seen: set[str] = set()
        wanted = re.findall(r'(?:href|src)="(/static/[^"]+)"', ask(f"{origin}/").read().decode())
        while wanted:
            name = wanted.pop()
            if name in seen:
                continue
            seen.add(name)
            text = ask(origin + name).read().decode()
            folder = name.rpartition("/")[0]
            for other in re.findall(r'(?:from|import\()\s*"(\.[^"]+)"', text):
                place = f"{folder}/{other}".replace("/./", "/")
                wanted.append(re.sub(r"/[^/]+/\.\./", "/", place))
        running.terminate()
        assert running.wait(30) == 0
    print(f"the page: {len(seen)} files of its own")


main(*sys.argv[1:])
