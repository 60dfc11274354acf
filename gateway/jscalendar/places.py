# SPDX-License-Identifier: Apache-2.0
"""Where an event is and what hangs on it: locations, virtualLocations, links; LOCATION, CONFERENCE, ATTACH, URL.

iCalendar has one LOCATION; further places are VLOCATION components (RFC 9073 §7.2). Keys come from JSID, else from the
content, so that reading twice gives the same keys.
"""

import re
from collections.abc import Iterator
from typing import Any

from gateway.itip.tree import Component, Prop, escape_text
from gateway.jscalendar.values import Json, JsonMap, derived_id, is_id, safe_uri

_GEO = re.compile(r"geo:([+-]?\d{1,3}(?:\.\d{1,12})?),([+-]?\d{1,3}(?:\.\d{1,12})?)\Z", re.ASCII)
_LINK_NAMES = ("ATTACH", "URL", "IMAGE", "LINK")


def read_locations(component: Component) -> Json:
    """Read LOCATION with GEO, and VLOCATION components."""
    places: Json = {}
    line = component.first("LOCATION")
    geo = _geo_uri(component.value("GEO"))
    if (line is not None and line.text) or geo:
        place: Json = {"@type": "Location"}
        if line is not None and line.text:
            place["name"] = line.text
        if geo:
            place["coordinates"] = geo
        places[_key(line.param("JSID") if line is not None else None, "location", places)] = place
    for other in component.children("VLOCATION"):
        place = _read_vlocation(other)
        if len(place) > 1:
            uid = other.value("UID")
            places[_key(uid, "location" + str(sorted(place.items())), places)] = place
    return {"locations": places} if places else {}


def write_locations(event: JsonMap, old: Component) -> Iterator[Prop | Component]:
    """Write the main (or first) place as LOCATION and GEO, each other one as a VLOCATION."""
    places: JsonMap = event.get("locations") or {}
    main = event.get("mainLocationId")
    first = main if main in places else next(iter(places), None)
    if first is None:
        return
    place = places[first]
    line = old.first("LOCATION")
    if place.get("name"):
        value = escape_text(place["name"])
        kept = line.with_value(value) if line is not None and line.value != value else line or Prop("LOCATION", value)
        yield kept if first == derived_id("location") else kept.with_param("JSID", first)
    if _lat_lon(place.get("coordinates")):
        yield Prop("GEO", _lat_lon(place["coordinates"]) or "")
    known = {other.value("UID"): other for other in old.children("VLOCATION")}
    for key, other in places.items():
        if key != first and (other.get("name") or other.get("description")):
            yield _written_vlocation(key, other, known.get(key))


def read_virtual(component: Component) -> Json:
    """Read CONFERENCE (RFC 7986 §5.11)."""
    places: Json = {}
    for prop in component.all("CONFERENCE"):
        if not prop.value.strip():
            continue
        place: Json = {"@type": "VirtualLocation", "uri": safe_uri(prop.value)}
        if prop.param("LABEL"):
            place["name"] = prop.param("LABEL")
        features = {word.strip().lower(): True for value in prop.param_values("FEATURE") for word in value.split(",")}
        if features:
            place["features"] = features
        places[_key(prop.param("JSID"), prop.value.strip(), places)] = place
    return {"virtualLocations": places} if places else {}


def write_virtual(event: JsonMap, old: Component) -> Iterator[Prop]:
    """Write a CONFERENCE line per virtual location."""
    lines = {safe_uri(prop.value): prop for prop in old.all("CONFERENCE")}
    for key, place in (event.get("virtualLocations") or {}).items():
        line = lines.get(place["uri"]) or Prop("CONFERENCE", place["uri"], (("VALUE", ("URI",)),))
        line = line.with_param("LABEL", *_one(place.get("name")))
        features = [word.upper() for word, held in (place.get("features") or {}).items() if held]
        line = line.with_param("FEATURE", *features)
        yield line.with_param("JSID", *_own_key(key, place["uri"]))


def read_links(component: Component) -> Json:
    """Read ATTACH, URL, IMAGE and LINK."""
    links: Json = {}
    for prop in component.all(*_LINK_NAMES):
        href = _href(prop)
        if not href:
            continue
        link: Json = {"@type": "Link", "href": href}
        rel = _rel(prop)
        if rel:
            link["rel"] = rel
        title = prop.param("LABEL") or prop.param("FILENAME")
        if title:
            link["title"] = title
        if prop.param("FMTTYPE") and not href.startswith("data:"):
            link["contentType"] = prop.param("FMTTYPE")
        size = prop.param("SIZE") or ""
        if size.isdecimal() and size.isascii() and len(size) < 16:
            link["size"] = int(size)
        if prop.name == "IMAGE" and prop.param("DISPLAY"):
            link["display"] = (prop.param("DISPLAY") or "").lower()
        links[_key(prop.param("JSID"), href, links)] = link
    return {"links": links} if links else {}


def write_links(event: JsonMap, old: Component) -> Iterator[Prop]:
    """Write a line per link, old lines kept where they say the same; a link without href has nothing to write yet."""
    lines = {_href(prop): prop for prop in old.all(*_LINK_NAMES)}
    urls = 0
    for key, link in (event.get("links") or {}).items():
        href = link.get("href")
        if not href:
            continue
        before = lines.get(href)
        name = _link_name(link, before, urls)
        urls += name == "URL"
        line = before if before is not None and before.name == name else _new_link(name, href)
        if link.get("contentType") and line.param("VALUE") != "BINARY":
            line = line.with_param("FMTTYPE", link["contentType"])
        if link.get("title") != (line.param("LABEL") or line.param("FILENAME")):
            line = line.with_param("LABEL", *_one(link.get("title")))
        if link.get("size") is not None and name == "ATTACH":
            line = line.with_param("SIZE", str(link["size"]))
        if name == "LINK":
            line = line.with_param("LINKREL", *_one(link.get("rel")))
        if name == "IMAGE":
            line = line.with_param("DISPLAY", *_one((link.get("display") or "").upper()))
        yield line.with_param("JSID", *_own_key(key, href))


def _read_vlocation(component: Component) -> Json:
    place: Json = {"@type": "Location"}
    for name, member in (("NAME", "name"), ("DESCRIPTION", "description")):
        if component.text(name):
            place[member] = component.text(name)
    kinds = {
        word.strip().lower(): True
        for prop in component.all("LOCATION-TYPE")
        for word in prop.text.split(",")
        if word.strip()
    }
    if kinds:
        place["locationTypes"] = kinds
    geo = _geo_uri(component.value("GEO"))
    if geo:
        place["coordinates"] = geo
    return place


def _written_vlocation(key: str, place: JsonMap, old: Component | None) -> Component:
    component = (old or Component("VLOCATION", (Prop("UID", key),))).without(
        "NAME", "DESCRIPTION", "LOCATION-TYPE", "GEO"
    )
    lines = [
        Prop(name, escape_text(place[member]))
        for name, member in (("NAME", "name"), ("DESCRIPTION", "description"))
        if place.get(member)
    ]
    kinds = [escape_text(kind) for kind, held in (place.get("locationTypes") or {}).items() if held]
    if kinds:
        lines.append(Prop("LOCATION-TYPE", ",".join(kinds)))
    if _lat_lon(place.get("coordinates")):
        lines.append(Prop("GEO", _lat_lon(place["coordinates"]) or ""))
    made = component.adding(*lines)
    return old if old is not None and old == made else made


def _geo_uri(value: str | None) -> str | None:
    latitude, _, longitude = (value or "").strip().partition(";")
    uri = f"geo:{latitude.strip()},{longitude.strip()}"
    return uri if _GEO.match(uri) else None


def _lat_lon(uri: Any) -> str | None:
    """Return a geo: URI of two numbers as GEO writes it; one with more to it is carried instead (RFC 5870)."""
    match = _GEO.match(uri) if isinstance(uri, str) else None
    return None if match is None else f"{match[1]};{match[2]}"


def _href(prop: Prop) -> str:
    if (prop.param("VALUE") or "").upper() == "BINARY" or (prop.param("ENCODING") or "").upper() == "BASE64":
        return f"data:{prop.param('FMTTYPE') or 'application/octet-stream'};base64,{prop.value.strip()}"
    return safe_uri(prop.value)


def _rel(prop: Prop) -> str | None:
    if prop.name == "LINK":
        return prop.param("LINKREL")
    return {"ATTACH": "enclosure", "IMAGE": "icon", "URL": "describedby"}[prop.name]


def _link_name(link: JsonMap, before: Prop | None, urls: int) -> str:
    rel = link.get("rel")
    if before is not None and _rel(before) == rel:
        return before.name
    if rel == "enclosure":
        return "ATTACH"
    if rel == "icon":
        return "IMAGE"
    return "URL" if rel == "describedby" and not urls and not link["href"].startswith("data:") else "LINK"


def _new_link(name: str, href: str) -> Prop:
    head, comma, data = href.partition(",")
    if comma and head.startswith("data:") and head.endswith(";base64") and name in ("ATTACH", "IMAGE"):
        kind = head.removeprefix("data:").removesuffix(";base64") or "application/octet-stream"
        return Prop(name, data, (("VALUE", ("BINARY",)), ("ENCODING", ("BASE64",)), ("FMTTYPE", (kind,))))
    return Prop(name, href, (("VALUE", ("URI",)),) if name in ("LINK", "IMAGE") else ())


def _key(given: str | None, content: str, taken: JsonMap) -> str:
    if given is not None and is_id(given) and given not in taken:
        return given
    key = derived_id(content)
    while key in taken:
        key = derived_id(key)
    return key


def _own_key(key: str, content: str) -> tuple[str, ...]:
    return () if key == derived_id(content) else (key,)


def _one(value: Any) -> tuple[str, ...]:
    return (str(value),) if value else ()
