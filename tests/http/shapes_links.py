"""APIs that name the URL of the next page."""

from typing import Any

from api_shapes import HOME, ITEMS, Answer, Shape, asked, by_number, by_url, following, part, some

from anystream.http import LinkHeader, NextURL

PATH = "/v1/things"


def named(
    name: str, make: Any, items: str, path: str, typo: str, *, prefix: str = HOME, **options: Any
) -> Shape:
    return Shape(
        name,
        by_url(make, prefix),
        items,
        {"next": NextURL(path, **options), "items": items},
        {"next": NextURL(typo), "items": items},
    )


def header(name: str, make: Any) -> Shape:
    """A bare list with a `Link` header."""

    def whole(items: list[Any], url: str | None) -> Answer:
        return Answer(items, headers=some(Link=make(url)))

    return Shape(name, by_url(whole), "", {"next": LinkHeader()}, {"next": LinkHeader("nxet")})


def to_next(url: str | None, more: str = "") -> str:
    first = f'<{HOME}>; rel="first"'
    return f'{first}, <{url}>; rel="next"{more}' if url else first


def sentry(request: Any) -> Any:
    """Names a next page for ever, and says whether that has results."""
    start = asked(request, "after")
    left = str(following(start) is not None).lower()
    link = f'<{HOME}?after={start + 10}>; rel="next"; results="{left}"'
    return Answer(part(start), headers={"Link": link})


def leftover(name: str, last: Any, path: str, best: NextURL) -> Shape:
    """An explicit no beside the URL of a page that does not exist."""

    def answer(request: Any) -> Any:
        start = asked(request, "after")
        more = following(start) is not None
        return {"data": part(start), **last(more), path: f"{HOME}?after={start + 10}"}

    return Shape(name, answer, "data", {"next": best}, {"next": NextURL(f"{path}z")})


def paypal(items: list[Any], url: str | None) -> Any:
    links = [{"href": HOME, "rel": "self", "method": "GET"}]
    return {
        "plans": items,
        "links": [*links, *([{"href": url, "rel": "next", "method": "GET"}] if url else [])],
    }


def fhir(items: list[Any], url: str | None) -> Any:
    links = [{"relation": "self", "url": HOME}]
    links += [{"relation": "next", "url": url}] if url else []
    return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": items}


LINKS = [
    named(
        "Django REST",
        lambda items, url: {"count": 25, "next": url, "previous": None, "results": items},
        "results",
        "next",
        "nxt",
    ),
    named(
        "Azure", lambda items, url: some(value=items, nextLink=url), "value", "nextLink", "nextlink"
    ),
    named(
        "OData v4",
        lambda items, url: (
            {"@odata.context": "x", "value": items} | ({"@odata.nextLink": url} if url else {})
        ),
        "value",
        "@odata.nextLink",
        "odata.nextLink",
    ),
    named(
        "OData v3",
        lambda items, url: some(odata__metadata="x", value=items, odata__nextLink=url),
        "value",
        "odata.nextLink",
        "nextLink",
    ),
    named(
        "OData v2",
        lambda items, url: {"d": {"results": items} | ({"__next": url} if url else {})},
        "d.results",
        "d.__next",
        "d.next",
    ),
    named(
        "HubSpot",
        lambda items, url: some(results=items, paging=url and {"next": {"after": 1, "link": url}}),
        "results",
        "paging.next.link",
        "paging.nxt.link",
    ),
    named(
        "Facebook",
        lambda items, url: {"data": items, "paging": some(cursors={"after": "x"}, next=url)},
        "data",
        "paging.next",
        "paging.nxt",
    ),
    named(
        "Zendesk", lambda items, url: {"users": items, "next_page": url}, "users", "next_page", "n"
    ),
    named(
        "camelCase",
        lambda items, url: {"things": items, "nextPageUrl": url},
        "things",
        "nextPageUrl",
        "nextPageURL",
    ),
    named(
        "PascalCase",
        lambda items, url: {"Items": items, "NextPageLink": url},
        "Items",
        "NextPageLink",
        "nextPageLink",
    ),
    named(
        "kebab-case",
        lambda items, url: {"items": items, "next-page-url": url},
        "items",
        "next-page-url",
        "next_page_url",
    ),
    named(
        "HAL",
        lambda items, url: {
            "_embedded": {"things": items},
            "_links": some(self={"href": HOME}, next=url and {"href": url}),
        },
        "_embedded.things",
        "_links.next.href",
        "_links.nxt.href",
    ),
    named(
        "JSON:API",
        lambda items, url: {"jsonapi": {"version": "1.0"}, "data": items, "links": {"next": url}},
        "data",
        "links.next",
        "link.next",
    ),
    named(
        "JSON:API with objects",
        lambda items, url: {"data": items, "links": {"next": url and {"href": url, "meta": {}}}},
        "data",
        "links.next.href",
        "links.nxt.href",
    ),
    named("list of links", paypal, "plans", "links[rel=next].href", "links[rel=nxt].href"),
    named(
        "a relation with a dot",
        lambda items, url: {
            "items": items,
            "totalResults": len(ITEMS),
            "links": [
                {"rel": "self", "href": HOME, "method": "GET"},
                *([{"rel": "page.next", "href": url, "method": "GET"}] if url else []),
            ],
        },
        "items",
        "links[rel=page.next].href",
        "links[rel=page.nxt].href",
    ),
    *(
        named(
            f"an object whose {name} is its URL",
            lambda items, url, name=name: {
                "@context": "http://iiif.io/api/discovery/1/context.json",
                "type": "OrderedCollectionPage",
                "orderedItems": items,
                **({"next": {name: url, "type": "OrderedCollectionPage"}} if url else {}),
            },
            "orderedItems",
            f"next.{name}",
            f"nxt.{name}",
        )
        for name in ("id", "@id")  # as IIIF and JSON-LD have it
    ),
    named(
        "Zenodo",
        lambda items, url: {
            "hits": {"hits": items, "total": len(ITEMS)},
            "links": some(self=HOME, next=url),
        },
        "hits.hits",
        "links.next",
        "links.nxt",
    ),
    named(
        "keys with a dot",
        lambda items, url: {
            "search": {"took": 1},
            "search.v1": {"hits": items, "next": {"href": url} if url else None},
        },
        "search.v1.hits",
        "search.v1.next.href",
        "search.v1.nxt.href",
    ),
    named("FHIR", fhir, "entry", "link[relation=next].url", "link[relation=nxt].url"),
    named(
        "Hydra",
        lambda items, url: {
            "hydra:member": items,
            "hydra:view": {"@id": HOME} | ({"hydra:next": url} if url else {}),
        },
        "hydra:member",
        "hydra:view.hydra:next",
        "hydra:view.next",
    ),
    named(
        "Asana",
        lambda items, url: {"data": items, "next_page": url and {"offset": "x", "uri": url}},
        "data",
        "next_page.uri",
        "nextpage.uri",
    ),
    named(
        "Twilio",
        lambda items, url: {"calls": items, "meta": {"page": 0, "next_page_url": url}},
        "calls",
        "meta.next_page_url",
        "meta.next",
    ),
    named(
        "Coinbase",
        lambda items, url: {"data": items, "pagination": {"limit": 10, "next_uri": url}},
        "data",
        "pagination.next_uri",
        "pagination.next_url",
    ),
    named(
        "Spotify",
        lambda items, url: {"tracks": {"items": items, "next": url}},
        "tracks.items",
        "tracks.next",
        "track.next",
    ),
    named(
        "DigitalOcean",
        lambda items, url: {"droplets": items, "links": {"pages": some(next=url)} if url else {}},
        "droplets",
        "links.pages.next",
        "links.page.next",
    ),
    named(
        "deep",
        lambda items, url: {"response": {"body": {"page": {"nextUrl": url}, "rows": items}}},
        "response.body.rows",
        "response.body.page.nextUrl",
        "response.page.nextUrl",
    ),
    named(
        "SoundCloud",
        lambda items, url: {"collection": items, "next_href": url},
        "collection",
        "next_href",
        "next_ref",
    ),
    named(
        "SendGrid",
        lambda items, url: {"result": items, "_metadata": some(self=HOME, next=url)},
        "result",
        "_metadata.next",
        "metadata.next",
    ),
    named(
        "a path",
        lambda items, url: {"items": items, "next": url},
        "items",
        "next",
        "n",
        prefix=PATH,
    ),
    named(
        "a query", lambda items, url: {"items": items, "next": url}, "items", "next", "n", prefix=""
    ),
    Shape(
        "the query of a page",
        by_number(
            lambda items, number: {"items": items, "next": f"?page={number + 1}" * (number < 3)},
            "page",
        ),
        "items",
        {"next": NextURL()},
        {"next": NextURL("nxt")},
    ),
    Shape(
        "Confluence",
        by_url(
            lambda items, url: {
                "results": items,
                "_links": some(base="https://api.test/wiki", next=url),
            },
            "/rest/things",
        ),
        "results",
        {"next": NextURL("_links.next", base="_links.base")},
        {"next": NextURL("_links.nxt", base="_links.base")},
        url="https://api.test/wiki/rest/things",
    ),
    header("Link header", to_next),
    header("Link header with an empty anchor", lambda url: to_next(url, '; anchor=""')),
    header(
        "Link header with a relative target",
        lambda url: to_next(url.removeprefix("https://api.test") if url else None),
    ),
    header("Link header unquoted", lambda url: f"<{url}>; rel=next" if url else to_next(None)),
    Shape(
        "Link header with its own anchor",
        lambda request: Answer(
            part(asked(request, "after")),
            headers={
                "Link": to_next(
                    f"?after={following(asked(request, 'after'))}"
                    if following(asked(request, "after"))
                    else None,
                    f'; anchor="{request.url}"',
                )
            },
        ),
        "",
        {"next": LinkHeader()},
        {"next": LinkHeader("nxet")},
    ),
    Shape("Sentry", sentry, "", {"next": LinkHeader()}, {"next": LinkHeader("nxet")}),
    leftover(
        "has_more is false",
        lambda more: {"has_more": more},
        "next",
        NextURL(more="has_more"),
    ),
    leftover("isLast", lambda more: {"isLast": not more}, "next", NextURL(more="!isLast")),
    leftover(
        "end_of_stream",
        lambda more: {"end_of_stream": not more},
        "next_page",
        NextURL("next_page", more="!end_of_stream"),
    ),
    leftover("done", lambda more: {"done": not more}, "nextURL", NextURL("nextURL", more="!done")),
    leftover("last", lambda more: {"last": not more}, "next", NextURL(more="!last")),
]
