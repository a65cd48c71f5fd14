"""The APIs in docs/command.md that need more than a path and a name, to their documented shape."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from anystream import http
from anystream._cli import main

from .running import at_home
from .small import Asked, Reply, Small, serving

__all__ = ["at_home"]  # a fixture

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(not hasattr(http, "NextParams"), reason="needs schemes that are to come"),
]

COUNT, SIZE = 25, 10

DOCS = Path(__file__).parents[2] / "docs" / "command.md"


def page(start: int) -> list[dict[str, Any]]:
    return [{"id": number} for number in range(COUNT)[start : start + SIZE]]


def reply(content: Any, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return 200, named, json.dumps(content).encode()


def refuse(why: str) -> Reply:
    return 400, {}, json.dumps({"error": why}).encode()


def query(asked: Asked) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(asked[1]).query).items()}


def body(asked: Asked) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asked[3])
    return found


def search_after(asked: Asked) -> Reply:
    sent = body(asked)
    assert sent["sort"] == ["id"]
    after = sent.get("search_after", [-1])
    hits = [{"_source": each, "sort": [each["id"]]} for each in page(after[0] + 1)]
    return reply({"hits": {"total": {"value": COUNT}, "hits": hits}})


def scroll(asked: Asked) -> Reply:
    """A request that does not say for how long to keep the context is the last one that uses it."""
    sent = body(asked)
    if urlsplit(asked[1]).path != "/_search/scroll":
        start = 0
    elif {*sent} - {"scroll_id", "scroll"}:
        return refuse(f"unknown parameter in {sent}")
    elif sent["scroll_id"] == "freed":
        return refuse("No search context found")
    else:
        start = int(sent["scroll_id"].removeprefix("scroll-"))
    hits = [{"_source": each} for each in page(start)]
    kept = "scroll" in query(asked) or "scroll" in sent
    following = f"scroll-{start + SIZE}" if kept else "freed"
    return reply({"_scroll_id": following, "hits": {"hits": hits}})


def dropbox(asked: Asked) -> Reply:
    sent = body(asked)
    if asked[1].endswith("/continue"):
        if [*sent] != ["cursor"]:
            return refuse(f"unknown fields in {sent}")
        start = int(sent["cursor"])
    else:
        start = 0
    more = start + SIZE < COUNT
    return reply({"entries": page(start), "cursor": str(start + SIZE), "has_more": more})


def plaid_get(asked: Asked) -> Reply:
    sent = body(asked)
    assert sent["access_token"] == "t"
    start = sent.get("options", {}).get("offset", 0)
    return reply({"transactions": page(start), "total_transactions": COUNT, "accounts": []})


def plaid_sync(asked: Asked) -> Reply:
    sent = body(asked)
    start = int(sent.get("cursor") or 0)
    more = start + SIZE < COUNT
    return reply(
        {"added": page(start), "removed": [], "next_cursor": str(start + SIZE), "has_more": more}
    )


def cmr(asked: Asked) -> Reply:
    start = int(asked[2].get("cmr-search-after", "0"))
    more = {"CMR_Search_After": str(start + SIZE)} if start < COUNT else {}
    return reply({"feed": {"entry": page(start)}}, CMR_Hits=str(COUNT), **more)


def heroku(asked: Asked) -> Reply:
    start = int(asked[2].get("range", "id 0..").split()[1].split(".")[0].lstrip("]"))
    more = start + SIZE < COUNT
    headers = {"Next-Range": f"id ]{start + SIZE}..; max=10"} if more else {}
    return 206 if more else 200, headers, json.dumps(page(start)).encode()


def mediawiki(asked: Asked) -> Reply:
    start = int(query(asked).get("apcontinue", "0"))
    assert (start > 0) == (query(asked).get("continue") == "-||")
    content: dict[str, Any] = {"batchcomplete": "", "query": {"allpages": page(start)}}
    if start + SIZE < COUNT:
        content["continue"] = {"apcontinue": str(start + SIZE), "continue": "-||"}
    return reply(content)


def telegram(asked: Asked) -> Reply:
    start = int(query(asked).get("offset", "0"))
    return reply({"ok": True, "result": [{"update_id": each["id"]} for each in page(start)]})


def quickbooks(asked: Asked) -> Reply:
    said = re.fullmatch(
        r"select \* from Invoice startposition ([0-9]+) maxresults ([0-9]+)", query(asked)["query"]
    )
    assert said is not None
    start, size = int(said[1]), int(said[2])
    found = range(COUNT)[start - 1 : start - 1 + size]
    invoices = {"Invoice": [{"id": number} for number in found]} if found else {}
    return reply({"QueryResponse": invoices, "time": "2026-11-28"})


def confluence(asked: Asked) -> Reply:
    assert urlsplit(asked[1]).path == "/wiki/rest/api/content"
    start = int(query(asked).get("start", "0"))
    links = {"base": f"http://{asked[2]['host']}/wiki"}
    if start + SIZE < COUNT:
        links["next"] = f"/rest/api/content?start={start + SIZE}"
    return reply({"results": page(start), "_links": links})


def fhir(asked: Asked) -> Reply:
    start = int(query(asked).get("_offset", "0"))
    here = f"http://{asked[2]['host']}/Patient"
    links = [{"relation": "self", "url": here}]
    if start + SIZE < COUNT:
        links.append({"relation": "next", "url": f"{here}?_offset={start + SIZE}"})
    return reply({"resourceType": "Bundle", "link": links, "entry": page(start)})


APIS: dict[str, tuple[str, Callable[[Asked], Reply], str]] = {
    "Elasticsearch, `search_after`": ("/items/_search", search_after, "_source.id"),
    "Elasticsearch, scroll": ("/items/_search", scroll, "_source.id"),
    "Dropbox": ("/2/files/list_folder", dropbox, "id"),
    "Plaid, `/transactions/get`": ("/transactions/get", plaid_get, "id"),
    "Plaid, `/transactions/sync`": ("/transactions/sync", plaid_sync, "id"),
    "NASA CMR": ("/search/granules.json", cmr, "id"),
    "Heroku": ("/apps", heroku, "id"),
    "MediaWiki": ("/w/api.php?action=query&list=allpages&format=json", mediawiki, "id"),
    "Telegram": ("/bot/getUpdates", telegram, "update_id"),
    "QuickBooks": ("/v3/company/1/query", quickbooks, "id"),
    "Confluence": ("/wiki/rest/api/content", confluence, "id"),
    "FHIR": ("/Patient", fhir, "id"),
}


def documented() -> dict[str, str]:
    """The options that the docs give for each API."""
    table = DOCS.read_text(encoding="utf-8").partition("\n| API | options |\n")[2]
    return dict(re.findall(r"^\| (.+) \| `([^|]*)` \|$", table.partition("\n\n")[0], re.MULTILINE))


def test_every_documented_api_is_tried() -> None:
    assert documented().keys() == APIS.keys()


@pytest.mark.parametrize("name", APIS)
def test_all_items_of_an_api(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path, answer, key = APIS[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "request.json").write_text('{"access_token": "t"}')
    with serving(Small(answer)) as small:
        options = documented()[name].replace("https://HOST", small.url)
        options = options.replace("https://api.dropboxapi.com", small.url)
        assert main(["pages", small.url + path, *shlex.split(options), "--select", key]) == 0
    assert capfd.readouterr() == ("".join(f"{number}\n" for number in range(COUNT)), "")
