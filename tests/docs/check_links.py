#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the pages to lead somewhere: links between them, their headings, and files that they name.

usage: check_links.py ROOT
"""
import pathlib
import re
import sys
import tempfile

LINK = re.compile(r"\[[^]\n]*\]\(([^)\s]+)\)")
BROKEN_LINK = re.compile(r"(?m)^[^[\n]*\]\(.*$")  # over two lines, where nothing here would see it
# Named in passing: from the root, and no pattern, placeholder or command.
FILE = re.compile(r"(?:capi|examples|include|pkgconfig|src|tests|\.ci)/[\w./+-]*\w")
FENCE = re.compile(r"(?ms)^```.*?^```$")
OUTSIDE = re.compile(r"[a-z]+:")


def anchors(text):
    """The fragments that headings have, as GitHub makes them."""
    headings = re.findall(r"(?m)^#+ +(.*?) *$", FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def complaints(root, page):
    text = page.read_text()
    prose = FENCE.sub("", text)
    for target in LINK.findall(prose):
        if OUTSIDE.match(target):
            continue
        path, _, fragment = target.partition("#")
        led_to = (page.parent / path) if path else page
        if not led_to.exists():
            yield f"{page.relative_to(root)}: no file for the link {target}"
        elif fragment and fragment not in anchors(led_to.read_text()):
            yield f"{page.relative_to(root)}: no heading for the link {target}"
    for line in BROKEN_LINK.findall(prose):
        yield f"{page.relative_to(root)}: a link over two lines: {line}"
    for span in re.findall(r"`([^`\n]+)`", prose):
        if FILE.fullmatch(span) and not (root / span).exists():
            yield f"{page.relative_to(root)}: no file {span}"


def pages(root):
    for page in sorted(root.rglob("*.md")):
        inside = page.relative_to(root).parts
        if not any(part in (".git", ".build", "build", "node_modules") for part in inside):
            yield page


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "src").mkdir()
        (root / "src/a.md").write_text("# Who may, and what?\n```\n# No heading\n[a](nowhere)\n```\n")
        sound = ("[a](src/a.md) [b](src/a.md#who-may-and-what) [c](#here) [d](https://example.org/x)\n"
                 "`src/a.md` `src` `src/*.cpp` `src/a.md X`\n## Here\n")
        page = root / "README.md"

        def found(text):
            page.write_text(text)
            return [fault for each in pages(root) for fault in complaints(root, each)]

        assert not found(sound), found(sound)
        for planted in ("[a](src/b.md)", "[a](src/a.md#no-heading)", "[a](#there)", "`src/b.md`", "`tests/b_test.cpp`",
                        "[a\nb](src/a.md)"):
            assert found(sound + planted), planted


def main():
    self_test()
    root = pathlib.Path(sys.argv[1]).resolve()
    faults = [fault for page in pages(root) for fault in complaints(root, page)]
    print("\n".join(faults) or "ok")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
