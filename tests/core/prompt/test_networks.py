"""Extra networks are found, read and taken out of a prompt as A1111 does it; nothing that is typed fails."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.core.frozen import FrozenMap
from webui.core.prompt.networks import Network, take_networks


def network(type_, name, *positional, **named):
    return Network(type_, name, positional, FrozenMap(named))


@pytest.mark.parametrize(
    ("text", "rest", "found"),
    [
        ("", "", []),
        ("a cat", "a cat", []),
        ("<lora:ink>", "", [network("lora", "ink")]),
        ("a <lora:ink:0.8> cat", "a  cat", [network("lora", "ink", "0.8")]),
        ("<lora:ink:0.8:0.4>", "", [network("lora", "ink", "0.8", "0.4")]),
        ("<lora:ink:te=0.5:unet=1>", "", [network("lora", "ink", te="0.5", unet="1")]),
        ("<lora:ink:0.8:dyn=64>", "", [network("lora", "ink", "0.8", dyn="64")]),
        ("<lora:ink:lbw=1,0,0.5>", "", [network("lora", "ink", lbw="1,0,0.5")]),
        ("<lora:ink:a=b=c>", "", [network("lora", "ink", a="b=c")]),
        ("<lora:ink:te=1:te=2>", "", [network("lora", "ink", te="2")]),
        ("<hypernet:old:1>", "", [network("hypernet", "old", "1")]),
        ("<lora:my ink, v2 (final):-1>", "", [network("lora", "my ink, v2 (final)", "-1")]),
        ("<lora:a:1>x<lora:b:2>", "x", [network("lora", "a", "1"), network("lora", "b", "2")]),
        ("[<lora:a:1>:b:3]", "[:b:3]", [network("lora", "a", "1")]),
        (r"\<lora:a>", "\\", [network("lora", "a")]),
        # Up to the first end, whatever lies between.
        ("<lora:a<lora:b:1>", "", [network("lora", "a<lora", "b", "1")]),
        ("<lora:a\nb:1>", "", [network("lora", "a\nb", "1")]),
        # A name may look like a named argument.
        ("<lora:a=b:1>", "", [network("lora", "a=b", "1")]),
        ("<lora:ink::0.5>", "", [network("lora", "ink", "", "0.5")]),
        # What does not parse is text.
        ("<lora:ink", "<lora:ink", []),
        ("lora:ink>", "lora:ink>", []),
        ("<lora>", "<lora>", []),
        ("<lora:>", "<lora:>", []),
        ("<lora: :1>", "<lora: :1>", []),
        ("<lora ink:1>", "<lora ink:1>", []),
        ("<:ink>", "<:ink>", []),
        ("a < b, c: d > e", "a < b, c: d > e", []),
        ("<lora:><lora:ink>", "<lora:>", [network("lora", "ink")]),
        ("<lora::<lora: :<lora:ink:1>", "<lora::<lora: :", [network("lora", "ink", "1")]),
    ],
)
def test_networks_are_read_and_taken_out(text, rest, found):
    assert take_networks(text) == (rest, tuple(found))


@settings(max_examples=30, deadline=None)
@given(st.text("<>lora:=., \n\\[](é1", max_size=60))
def test_any_text_is_taken(text):
    rest, found = take_networks(text)
    assert len(rest) + sum(len("<t:n>") for _ in found) <= len(text)


PLAIN = st.text(st.characters(exclude_characters="<>:=", codec="utf-8"), min_size=1, max_size=8).filter(str.strip)
NETWORKS = st.builds(
    Network,
    st.from_regex(r"\A[a-z_0-9]{1,8}\Z"),
    PLAIN,
    st.lists(PLAIN, max_size=3).map(tuple),
    st.dictionaries(PLAIN, PLAIN, max_size=3).map(FrozenMap),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(PLAIN, NETWORKS), max_size=4))
def test_what_is_written_reads_back(parts):
    text = "".join(f"{words}{network}" for words, network in parts)
    assert take_networks(text) == ("".join(words for words, _ in parts), tuple(network for _, network in parts))


@pytest.mark.parametrize(
    "text",
    [
        "<a:" * 33_000,
        "<a:>" * 25_000,
        "<" * 100_000,
        "<a:b" * 25_000 + ">",
        "<a:b>" * 20_000,
        "<a::" * 25_000 + ">",
        "<a: :" * 20_000 + ">",
    ],
)
def test_long_texts_take_no_time(text):
    started = time.perf_counter()
    take_networks(text)
    assert time.perf_counter() - started < 2
