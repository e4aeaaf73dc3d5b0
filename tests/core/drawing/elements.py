"""Reading a page back, and texts that try to break it."""

from html.parser import HTMLParser

HOSTILE = ["<script>alert(1)</script>", "a\"b'c&d", "]]>", "</td></style>", "\x00\x1b", "\u202egnp.exe"]


class Elements(HTMLParser):
    """The elements of a page, each closed where it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words += data
