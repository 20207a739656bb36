"""A page that stands on its own."""

from pathlib import Path

from graphkit import plot, report


def test_a_page_holds_its_pictures_and_takes_text_for_text(tmp_path: Path):
    picture = tmp_path / "loss.png"
    plot.curves(picture, {"a": [1.0]}, title="t", subtitle="s", ylabel="y")
    page = tmp_path / "report.html"
    report.page(
        page,
        "A <b> title",
        [("Result", {"loss": 0.5, "set": "<x>"}), ("Loss", picture), ("Note", "1 < 2")],
    )
    picture.unlink()
    text = page.read_text(encoding="utf-8")
    assert "<h1>A &lt;b&gt; title</h1>" in text
    assert "<th>loss</th><td>0.5</td>" in text
    assert "<td>&lt;x&gt;</td>" in text
    assert "<p>1 &lt; 2</p>" in text
    assert text.count("data:image/png;base64,") == 1
    assert str(tmp_path) not in text
