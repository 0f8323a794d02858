"""The figures of a built page as slides."""

import slides

PAGE = """<article><h1>4. Weights#</h1><h2>4.2. The staircase#</h2>
<figure id="fig-a"><img src="../_images/x.svg" alt="Three &lt; four">
<figcaption><p><span class="caption-number">Fig. 4.1 </span>
<span class="caption-text">Up &amp; up.</span><a>#</a></p></figcaption></figure>
<figure id="fig-b"><p>an explorer</p><figcaption>Move it.</figcaption></figure>
<h2>4.3. Two</h2><figure id="fig-c"><img src="../_images/x.svg" alt="a">
<img src="../_images/x.svg" alt="b"><figcaption><p><span class="caption-text">Both \\(z\\).</span>
</p></figcaption></figure></article>"""


def built(tmp_path):
    (tmp_path / "html/_images").mkdir(parents=True)
    (tmp_path / "html/chapters").mkdir()
    (tmp_path / "html/_images/x.svg").write_text("<svg/>")
    (tmp_path / "html/chapters/04_a.html").write_text(PAGE)
    return ["--html", str(tmp_path / "html"), "--out", str(tmp_path / "out")]


def test_each_figure_is_a_slide_with_its_section_caption_and_text(tmp_path, capsys):
    assert slides.main(built(tmp_path)) == 0
    page = (tmp_path / "out/04_a/index.html").read_text()
    assert "04_a: 2 slides" in capsys.readouterr().out
    assert page.count("<section") == 3 and "an explorer" not in page
    assert "<h2>4.2. The staircase</h2>" in page and "<h2>4.3. Two</h2>" in page
    assert "</b> Both z.</p>" in page
    assert "<b>Fig. 4.1</b> Up &amp; up." in page and 'alt="Three &lt; four"' in page
    files = sorted(path.name for path in (tmp_path / "out/04_a").iterdir())
    assert files == ["fig-a.svg", "fig-c-1.svg", "fig-c-2.svg", "index.html"]


def test_unknown_chapters_and_a_missing_build_are_named(tmp_path, capsys):
    given = built(tmp_path)
    assert slides.main(["05_b", *given]) == 2
    assert "names must be among 04_a, got '05_b'." in capsys.readouterr().err
    assert slides.main(["--html", str(tmp_path / "none"), *given[2:]]) == 2
    assert "run `make book` first" in capsys.readouterr().err
