"""Styles: A1111's file as people have it, changed without losing anything, put on prompts and taken off them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.core.errors import InvalidField
from webui.core.prompt.styles import Style, StyleText, apply, extract
from webui.prompt_files.styles import StyleFiles

MESSY = (
    "\ufeffname,prompt,negative_prompt,author\r\n"
    "# a comment,,\r\n"
    'Photo,"photo of {prompt}, 35mm",drawing,me\r\n'
    '"Quoted ""one""","a\r\nb, c",\r\n'
    "\r\n"
    "Photo,later,worse\r\n"
    "Short\r\n"
    ",no name,\r\n"
    "Last,without an end"
)


@pytest.mark.parametrize(
    ("prompt", "styles", "expected"),
    [
        ("cat", [], "cat"),
        ("cat", ["photo of {prompt}"], "photo of cat"),
        ("cat", ["oil painting"], "cat, oil painting"),
        (" cat ", [" oil "], "cat, oil"),
        ("", ["oil"], "oil"),
        ("cat", [""], "cat"),
        ("cat", ["a {prompt}", "b", "{prompt} and {prompt}"], "a cat, b and a cat, b"),
        ("{prompt}", ["x {prompt}"], "x {prompt}"),
    ],
)
def test_apply(prompt: str, styles: list[str], expected: str) -> None:
    assert apply(prompt, styles) == expected


def test_a_prompt_that_would_become_too_long_is_none_at_once() -> None:
    assert apply("x" * 100, ["{prompt}{prompt}"] * 60) is None
    assert apply("x" * 10, ["y" * 10], 21) is None
    assert apply("x" * 10, ["y" * 10], 22) == "x" * 10 + ", " + "y" * 10


def test_every_row_is_read_as_a1111_reads_it() -> None:
    assert StyleText(MESSY, "styles.csv").styles == [
        Style("Photo", "later", "worse", "styles.csv"),
        Style('Quoted "one"', "a\r\nb, c", "", "styles.csv"),
        Style("Short", "", "", "styles.csv"),
        Style("Last", "without an end", "", "styles.csv"),
    ]


def test_the_oldest_form_is_read_and_kept() -> None:
    text = StyleText("name,text\nPhoto,photo of {prompt}\n")
    assert text.styles == [Style("Photo", "photo of {prompt}")]
    text.put(Style("New", "n", "bad"))
    assert text.text == "name,text,negative_prompt\nPhoto,photo of {prompt}\nNew,n,bad\n"
    assert StyleText(text.text).styles[1] == Style("New", "n", "bad")


def test_a_change_leaves_all_else_as_it_stands() -> None:
    text = StyleText(MESSY)
    assert text.text == MESSY
    text.put(Style("Photo", "new, {prompt}", ""))
    assert text.text == MESSY.replace("Photo,later,worse\r\n", 'Photo,"new, {prompt}",,\r\n')
    text.put(Style("Added", "x", "y"))
    assert text.text.endswith("Last,without an end\r\nAdded,x,y,\r\n")
    assert text.remove("Photo")
    assert not text.remove("Photo")
    assert "Photo" not in [style.name for style in text.styles]
    assert "# a comment,,\r\n" in text.text
    assert ",no name,\r\n" in text.text


def test_a_column_of_another_program_is_kept_for_the_style_that_is_changed() -> None:
    text = StyleText("name,prompt,negative_prompt,author\nPhoto,a,b,me\n")
    text.put(Style("Photo", "c", "d"))
    assert text.text == "name,prompt,negative_prompt,author\nPhoto,c,d,me\n"


@pytest.mark.parametrize("text", ["a,b\nc,d\n", "{}", "name" * 10, 'x"\x00\n'])
def test_what_is_no_such_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="name"):
        StyleText(text)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
PRINTABLE = st.characters(exclude_categories=["C", "Z"], include_characters=" ")
NAMES = st.text(PRINTABLE, min_size=1, max_size=30).map(str.strip).filter(lambda name: name[:1] not in ("", "#"))
STYLES = st.builds(Style, NAMES, TEXTS, TEXTS)


@settings(max_examples=100, deadline=None)
@given(st.lists(STYLES, max_size=5), st.sampled_from(["", "name,prompt,negative_prompt\n", MESSY]))
def test_what_was_written_is_read_again(styles: list[Style], before: str) -> None:
    text = StyleText(before)
    for style in styles:
        text.put(style)
    read = {style.name: style for style in StyleText(text.text).styles}
    assert all(read[name] == style for name, style in {style.name: style for style in styles}.items())
    text.remove(styles[0].name if styles else "")
    assert StyleText(text.text).styles == text.styles


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS, st.lists(STYLES, max_size=3))
def test_styles_that_are_taken_off_give_the_same_when_put_on_again(
    prompt: str, negative_prompt: str, styles: list[Style]
) -> None:
    whole = apply(prompt, [s.prompt for s in styles]), apply(negative_prompt, [s.negative_prompt for s in styles])
    assert whole[0] is not None and whole[1] is not None
    names, *bare = extract(*whole, styles)
    by_name = {style.name: style for style in styles}
    found = [by_name[name] for name in names]
    if len(by_name) == len(styles):
        assert apply(bare[0], [style.prompt for style in found]) == whole[0]
        assert apply(bare[1], [style.negative_prompt for style in found]) == whole[1]


def test_styles_are_found_on_a_text() -> None:
    styles = [Style("Photo", "photo of {prompt}, 35mm", "drawing"), Style("HD", "hd"), Style("Empty")]
    assert extract("photo of cat, 35mm, hd", "bad, drawing", styles) == (["Photo", "HD"], "cat", "bad")
    assert extract("photo of cat", "bad", styles) == ([], "photo of cat", "bad")
    assert extract("cat, hdr", "", styles) == ([], "cat, hdr", "")
    assert extract("hd", "", styles) == (["HD"], "", "")


# Files


def test_the_last_of_several_files_counts_and_the_first_takes_new_ones(tmp_path: Path) -> None:
    one, two = tmp_path / "styles.csv", tmp_path / "more.csv"
    two.write_text("name,prompt\nPhoto,second\nOther,o\n", "utf-8")
    files = StyleFiles((one, two))
    assert files.now().files == ("styles.csv", "more.csv")
    assert files.save(Style("New", "n")).file == "styles.csv"
    assert files.save(Style("Photo", "changed")).file == "more.csv"
    assert files.save(Style("Photo", "first", file="styles.csv")).file == "styles.csv"
    found = files.now().find("photo")
    assert found == Style("Photo", "changed", "", "more.csv")
    assert one.read_bytes() == b"name,prompt,negative_prompt\nNew,n,\nPhoto,first,\n"
    assert (tmp_path / "more.csv.bak").read_text("utf-8") == "name,prompt\nPhoto,second\nOther,o\n"
    assert files.remove("Photo")
    assert files.now().find("Photo") is None
    assert not list(tmp_path.glob(".*"))


def test_files_of_equal_names_are_told_apart_without_their_paths(tmp_path: Path) -> None:
    paths = [tmp_path / place / "styles.csv" for place in ("", "a/x", "b/x", "c/x")]
    files = StyleFiles(paths)
    assert files.now().files == ("styles.csv", "x/styles.csv", "x/styles.csv (2)", "x/styles.csv (3)")
    assert files.save(Style("A", "a", file="x/styles.csv (3)")).file == "x/styles.csv (3)"
    assert [path.exists() for path in paths] == [False, False, False, True]
    assert files.now().find("A") == Style("A", "a", "", "x/styles.csv (3)")


def test_a_pattern_stands_for_all_files_that_fit(tmp_path: Path) -> None:
    pattern = StyleFiles((tmp_path / "styles*.csv",))
    assert pattern.now().files == ("styles.csv",)
    pattern.save(Style("A", "a"))
    (tmp_path / "styles_b.csv").write_text("name,prompt\nB,b\n", "utf-8")
    assert [style.name for style in pattern.now().styles] == ["A", "B"]


def test_a_change_of_another_program_is_seen_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "styles.csv"
    files = StyleFiles((path,))
    files.save(Style("A", "a"))
    path.write_text(path.read_text("utf-8") + "B,theirs,\n", "utf-8")
    files.save(Style("C", "c"))
    assert [style.name for style in files.now().styles] == ["A", "B", "C"]


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"a,b\n1,2\n", b'name,prompt\n"' + b"x" * 200_000])
def test_a_file_that_cannot_be_read_is_said_and_never_written(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "styles.csv"
    path.write_bytes(data)
    files = StyleFiles((path,))
    assert not files.now().styles
    assert "styles.csv" in files.now().problems[0]
    with pytest.raises(InvalidField, match="cannot be read"):
        files.save(Style("A", "a"))
    assert path.read_bytes() == data


def test_rows_of_an_old_excel_take_no_style_away(tmp_path: Path) -> None:
    path = tmp_path / "styles.csv"
    rows = ["name,prompt,negative_prompt", "Öl,ölgemälde – alt,“kitsch”", "Grün,größe,", 'Two,"a\nß",']
    old = b"\r\n".join(row.encode("utf-8" if "Grün" in row else "cp1252") for row in rows) + b"\r\n"
    path.write_bytes(old)
    files = StyleFiles((path,))
    styles = [("Öl", "ölgemälde – alt", "“kitsch”"), ("Grün", "größe", ""), ("Two", "a\nß", "")]
    assert [(one.name, one.prompt, one.negative_prompt) for one in files.now().styles] == styles
    assert not files.now().problems
    files.save(Style("New", "ñ"))
    # What is written is UTF-8 with its mark, which Excel and A1111 read; the file as it was is kept.
    new = "\ufeff" + "\r\n".join([*rows, "New,ñ,"]) + "\r\n"
    assert path.read_bytes().decode() == new
    assert (tmp_path / "styles.csv.bak").read_bytes() == old
    assert [one.name for one in files.now().styles] == ["Öl", "Grün", "Two", "New"]
    assert files.remove("Öl")
    assert path.read_bytes().decode() == new.replace(rows[1] + "\r\n", "")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
def test_a_file_in_another_unicode_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "styles.csv"
    path.write_bytes("name,prompt\nÖl,ß\n".encode(encoding))
    files = StyleFiles((path,))
    assert [(one.name, one.prompt) for one in files.now().styles] == [("Öl", "ß")]
    files.save(Style("Öl", "ñ"))
    mark = "" if encoding == "utf-8" else "\ufeff"
    assert path.read_bytes().decode() == f"{mark}name,prompt,negative_prompt\nÖl,ñ,\n"


def test_an_unknown_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match=r"\.\./x"):
        StyleFiles((tmp_path / "styles.csv",)).save(Style("A", "a", file="../x.csv"))
