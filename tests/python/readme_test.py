# SPDX-License-Identifier: Apache-2.0
"""The page's examples, one after the other as a reader would type them."""
import re

from conftest import ROOT

PAGE = ROOT / "capi/python/README.md"


def blocks(kind="", page=PAGE):
    """Code between fences of "```python", or of "```python KIND"."""
    mark = f"```python {kind}" if kind else "```python"
    return re.findall(rf"(?ms)^{mark}\n(.*?)^```$", page.read_text())


def test_the_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    for code in blocks():
        if "with jwekms.Kms" not in code and "kms = " not in code:
            assert names["kms"].closed is False
        exec(compile(code, "README.md", "exec"), names)
    assert len(blocks()) >= 9
    for name in ("kms", "alice", "bob"):
        names[name].close()


def test_the_front_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(page=ROOT / "README.md")
    exec(compile(code, "README.md", "exec"), {"__name__": "example"})


def test_every_exception_is_named_on_the_page():
    from errors_test import ALL
    page = PAGE.read_text()
    assert [each.__name__ for each in ALL if f"`{each.__name__}`" not in page] == []
