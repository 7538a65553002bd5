"""Data and scripts inside an HTML page, whatever text they hold.

A page that shows what models wrote must not run it: data stands in blocks that browsers do not
execute, and a content security policy admits only the page's own scripts, by their hashes, and no
network at all.
"""

import base64
import hashlib
import json
from collections.abc import Sequence

from markupsafe import Markup

# what could end a block or a line of script, as JSON escapes
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def json_block(value) -> Markup:
    """JSON that is safe between <script type="application/json"> and its end tag."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))


def inline_script(source: str) -> Markup:
    """JavaScript between script tags; ValueError if it could end its own block.

    Line ends are made \\n, as an HTML parser does before it takes the hash.
    """
    # "<!--" too: with a "<script" after it, a parser takes the end tag for part of the script
    if "</script" in source.lower() or "<!--" in source:
        raise ValueError("a script of the page holds '</script' or '<!--': write '<\\/script'")
    return Markup(source.replace("\r\n", "\n").replace("\r", "\n"))


def content_policy(scripts: Sequence[str]) -> str:
    """The page's Content-Security-Policy: these scripts, inline styles, and nothing from outside.

    connect-src and the others fall back to default-src 'none'. data: and blob: serve the figures'
    own "save as" menu.
    """
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
