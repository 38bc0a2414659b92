"""A reader of HTML that is strict about what the report promises."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input"}
SHAPES = {"path", "circle", "rect"}


class Page(HTMLParser):
    """Collects pictures, addresses, anchors, headings, text and open tags.

    Attributes
    ----------
    images : list of dict
        Attributes of every ``<img>``.
    addresses : list of str
        All ``src`` and ``href``.
    ids : list of str
    open : list of str
        Tags that were never closed.
    headings : list of str
        Texts of ``<h2>``.
    levels : list of int
        Of all headings, in order.
    text : list of str
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.headings: list[str] = []
        self.levels: list[int] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        assert len(known) == len(attrs), f"an attribute of <{tag}> is given twice"
        self.addresses += [value for key in ("src", "href") if (value := known.get(key))]
        if known.get("id"):
            self.ids.append(str(known["id"]))
        if tag == "img":
            self.images.append(known)
        if tag in {"h1", "h2", "h3"}:
            self.levels.append(int(tag[1]))
        self.open.append(tag)
        if tag in VOID:
            self.open.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag in SHAPES:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)
        if data.strip() and "style" not in self.open:
            self.text.append(data.strip())
