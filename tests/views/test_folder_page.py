"""A folder's page links to what is in it, pages first, and no name becomes markup or another address."""

import re
from html import unescape

from mechlab.views.folder_page import folder_page


def test_pages_come_first_and_addresses_are_encoded():
    page = folder_page("/runs/", ["b.json", "data/", "a é.html", "c?d#e.html"])
    links = re.findall(r'<a href="([^"]*)">([^<]*)</a>', page)
    assert links == [
        ("../", "../"),
        ("./a%20%C3%A9.html", "a é.html"),
        ("./c%3Fd%23e.html", "c?d#e.html"),
        ("./data/", "data/"),
        ("./b.json", "b.json"),
    ]
    assert "<h1>/runs/</h1>" in page and "<script" not in page and not re.search(r"https?:", page)


def test_a_name_is_no_markup_and_the_top_has_no_way_up():
    page = folder_page("/", ["<img src=x onerror=alert(1)>.html", "javascript:alert(1)"])
    assert "<img" not in page and '"../"' not in page
    assert [unescape(name) for name in re.findall(r'<a href="\./[^"]*">([^<]*)</a>', page)] == [
        "<img src=x onerror=alert(1)>.html",
        "javascript:alert(1)",
    ]
    assert "There are no files here." in folder_page("/", [])
