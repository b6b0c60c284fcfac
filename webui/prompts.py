"""What becomes of prompts at acceptance: styles are put on, dynamic prompts are drawn. Part of the one door."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from itertools import islice
from typing import Any

from webui.core.drawn import DRAWN, HIRES_DRAWN, MAX_CHARACTERS, Drawn
from webui.core.errors import InvalidField, NotAllowed, NotFound, UnknownName, fields_named
from webui.core.fields import FIELDS, MAX_SEED
from webui.core.hires_fields import OWN_TEXTS
from webui.core.infotext import Parsed
from webui.core.job import Identity
from webui.core.prompt.comments import without_comments
from webui.core.prompt.dynamic import NoWildcards, Template, Wildcards
from webui.core.prompt.styles import MAX_NAME, Style, apply, extract
from webui.core.prompt.wildcards import Snapshot
from webui.core.request import GenerationRequest, read_drawn
from webui.prompt_files.styles import Shelf, StyleFiles
from webui.prompt_files.wildcards import FileWildcards
from webui.seals import Seals

_NEGATIVE = 2**32
"""What is added to a picture's seed for its negative prompt, so that both are drawn independently."""
_MOST_BATCHES = int(FIELDS["n_iter"].maximum or 1)


class Prompts:
    """Styles and wildcards as everybody may use them, and the owner change them."""

    def __init__(self, styles: StyleFiles, wildcards: FileWildcards, seals: Seals) -> None:
        """seals: by them texts of a stored request are known to be those that were drawn for it."""
        self._seals = seals
        self._styles = styles
        self._wildcards = wildcards

    def styles(self) -> Shelf:
        """The styles that there are, by their files."""
        return self._styles.now()

    def wildcards(self) -> Snapshot:
        """The wildcards that there are."""
        return self._wildcards.now()

    def save_style(self, style: Style, who: Identity) -> Style:
        """Write a style, new or in place of the one with its name. Raises NotAllowed, InvalidField, StorageProblem."""
        _need_owner(who, "change the styles")
        name = style.name.strip()
        if not name or len(name) > MAX_NAME or name.startswith("#") or not name.isprintable():
            raise InvalidField(
                f"A style's name is a line of 1 to {MAX_NAME} characters that does not begin with '#'.", field="name"
            )
        texts = {key: FIELDS[key].check(getattr(style, key)) for key in ("prompt", "negative_prompt")}
        return self._styles.save(replace(style, name=name, **texts))

    def remove_style(self, name: str, who: Identity) -> None:
        """Take a style out of the files. Raises NotAllowed, NotFound, StorageProblem."""
        _need_owner(who, "delete styles")
        if not self._styles.remove(name):
            raise NotFound(f"There is no style '{name[:60]}'.")

    # Requests

    def completed(
        self, values: Mapping[str, Any], accept: Callable[[Mapping[str, Any]], GenerationRequest]
    ) -> GenerationRequest:
        """The request that these values mean, with its texts. accept: makes it of all values but the texts.

        Texts of a stored request count if they were drawn here, and of what the request says.
        Raises what `accept` does, InvalidField and UnknownName.
        """
        kept, second = (read_drawn(values.get(name)) for name in (DRAWN, HIRES_DRAWN))
        rest = {name: value for name, value in values.items() if name not in (DRAWN, HIRES_DRAWN)}
        if "schema" in rest:
            # One that was stored before there were dynamic prompts had none.
            rest.setdefault("dynamic_prompts", False)
        request = accept(rest)
        made = request.but(drawn=kept) if self._fits(request, kept) else self._drawn(request)
        as_second = made.with_hires_texts
        if as_second is made:
            return made
        if made.drawn == kept and self._fits(as_second, second):
            return made.but(hires_drawn=second)
        return made.but(hires_drawn=self._drawn_second(made, as_second))

    def previewed(self, values: Mapping[str, Any], count: int) -> GenerationRequest:
        """A request for at least so many pictures with its texts, of values that these depend on.

        Raises InvalidField and UnknownName.
        """
        request = GenerationRequest.from_values({**values, "n_iter": -(-count // int(values.get("batch_size", 1)))})
        return self._drawn(request if request.seed >= 0 else request.but(seed=secrets.randbelow(MAX_SEED + 1)))

    def _drawn(self, request: GenerationRequest) -> GenerationRequest:
        made = self._unsealed(request)
        if not made.drawn:
            return made
        return made.but(drawn=replace(made.drawn, source=self._seals.seal(_sealed(made, made.drawn))))

    def _fits(self, request: GenerationRequest, kept: Drawn | None) -> bool:
        """Whether these texts were drawn here for this request."""
        if kept is None or not kept.fits(request.pictures):
            return False
        return self._seals.fits(kept.source, _sealed(request, kept))

    def _drawn_second(self, made: GenerationRequest, as_second: GenerationRequest) -> Drawn:
        """The texts of a second pass: drawn from the pictures' seeds too, but where it has the first's."""
        assert made.hires is not None
        with fields_named({name: own for name, own in OWN_TEXTS.items() if getattr(made.hires, own)}):
            # One picture has one combination, in both passes.
            own = self._unsealed(as_second.but(combinatorial=False)).drawn or Drawn(*as_second.templates)
        first = made.drawn or Drawn(*made.templates)
        if not made.hires.hr_prompt:
            own = replace(own, template=first.template, all_prompts=first.all_prompts)
        if not made.hires.hr_negative_prompt:
            own = replace(
                own, negative_template=first.negative_template, all_negative_prompts=first.all_negative_prompts
            )
        return replace(own, source=self._seals.seal(_sealed(as_second, own)))

    def _unsealed(self, request: GenerationRequest) -> GenerationRequest:
        prompt, negative_prompt = self.styled(request.prompt, request.negative_prompt, request.styles)
        if not request.knows("negative_prompt"):
            negative_prompt = request.negative_prompt
        if request.enable_prompt_comments:
            # Once, and never of what is drawn.
            prompt, negative_prompt = without_comments(prompt), without_comments(negative_prompt)
        plain = Drawn(prompt, negative_prompt)
        if request.dynamic_prompts:
            templates = [Template(text, self._known(text)) for text in plain.templates]
            if not all(template.is_plain for template in templates):
                return _with_texts(request, plain, *templates)
            notes = tuple(dict.fromkeys(note for template in templates for note in template.notes))
            plain = replace(plain, notes=notes)
        has_own = plain.templates != (request.prompt, request.negative_prompt) or plain.notes
        return request.but(drawn=plain if has_own else None)

    def styled(self, prompt: str, negative_prompt: str, names: tuple[str, ...]) -> tuple[str, str]:
        """Both prompts with these styles on them. Raises UnknownName, InvalidField."""
        if not names:
            return prompt, negative_prompt
        shelf, found = self._styles.now(), []
        for name in names:
            style = shelf.find(name)
            if style is None:
                raise UnknownName("style", name, [one.name for one in shelf.styles], field="styles")
            found.append(style)
        pairs = (
            (prompt, [style.prompt for style in found]),
            (negative_prompt, [style.negative_prompt for style in found]),
        )
        whole = [apply(text, styles, int(FIELDS["prompt"].maximum or 0)) for text, styles in pairs]
        if whole[0] is None or whole[1] is None:
            raise FIELDS["styles"].refuse("make the prompt too long.", "Take fewer styles", "Shorten the prompt")
        return whole[0], whole[1]

    def _known(self, text: str) -> Wildcards:
        """Folders are looked into for texts that name a wildcard; values of one may name others."""
        return self._wildcards.now() if "__" in text else NoWildcards()

    # Texts that are read

    def inferred(self, parsed: Parsed) -> Parsed:
        """A read text with the styles taken off its prompts, and with dynamic prompts off where they would change it.

        A prompt beside parameters is what a picture was made from; it is not drawn again.
        """
        if not parsed.found:
            return parsed
        values, styles = dict(parsed.values), self._styles.now().styles
        own = {name: values[name] for name in ("hr_prompt", "hr_negative_prompt") if values.get(name)}
        texts = parsed.prompt, parsed.negative_prompt, *own.values()
        if any(not Template(text, self._known(text)).is_plain for text in texts):
            values["dynamic_prompts"] = False
        names, prompt, negative_prompt = extract(parsed.prompt, parsed.negative_prompt, styles)
        if own:
            second = own.get("hr_prompt", parsed.prompt), own.get("hr_negative_prompt", parsed.negative_prompt)
            own_names, *rests = extract(*second, styles)
            if own_names != names:
                # Styles are put on both passes' prompts, so what is on one alone was typed.
                return replace(parsed, values=values | {"styles": ()})
            bare = dict(zip(("hr_prompt", "hr_negative_prompt"), rests, strict=True))
            values |= {name: bare[name] for name in own}
        values |= {"styles": tuple(names), "prompt": prompt, "negative_prompt": negative_prompt}
        return replace(parsed, values=values)


def _with_texts(request: GenerationRequest, plain: Drawn, positive: Template, negative: Template) -> GenerationRequest:
    """The request with the texts that its templates draw."""
    if request.combinatorial:
        pairs = list(islice(_combinations(positive, negative), _MOST_BATCHES * request.batch_size + 1))
        request = _sized(request, len(pairs))
        notes = [] if len(pairs) == request.pictures else [_FILLED]
        pairs = [pairs[index % len(pairs)] for index in range(request.pictures)]
    else:
        seeds = [(request.seed_of(index), index) for index in range(request.pictures)]
        pairs = [(positive.draw(seed, index), negative.draw(seed + _NEGATIVE, index)) for seed, index in seeds]
        notes = []
    for name, template in (("prompt", positive), ("negative_prompt", negative)):
        if template.excess:
            raise InvalidField(template.excess, field=name, remedies=("Draw less", "Switch dynamic prompts off"))
    if sum(len(text) for pair in pairs for text in pair) > MAX_CHARACTERS:
        raise FIELDS["prompt"].refuse(
            f"draws more than {MAX_CHARACTERS:,} characters for these pictures.", "Lower the batch count"
        )
    prompts, negative_prompts = zip(*pairs, strict=True)
    drawn = replace(
        plain,
        all_prompts=() if set(prompts) == {plain.template} else prompts,
        all_negative_prompts=() if set(negative_prompts) == {plain.negative_template} else negative_prompts,
        notes=tuple(dict.fromkeys([*positive.notes, *negative.notes, *notes])),
    )
    return request.but(drawn=drawn)


_FILLED = "The combinations fill no whole number of batches, so the first of them are made again at the end."


def _combinations(positive: Template, negative: Template) -> Iterator[tuple[str, str]]:
    for prompt in positive.combinations():
        yield from ((prompt, other) for other in negative.combinations(_NEGATIVE))
        if negative.excess:
            return


def _sized(request: GenerationRequest, count: int) -> GenerationRequest:
    """The request in as many batches as so many pictures need, as large as they come out even."""
    if count > _MOST_BATCHES * request.batch_size:
        raise FIELDS["combinatorial"].refuse(
            f"would make more than the {_MOST_BATCHES * request.batch_size:,} pictures that "
            f"{_MOST_BATCHES} batches of {request.batch_size} hold.",
            "Give fewer options",
            "Raise the batch size",
            "Switch combinatorial generation off",
        )
    even = [size for size in range(1, request.batch_size + 1) if count % size == 0 and count // size <= _MOST_BATCHES]
    size = max(even, default=request.batch_size)
    return request.but(batch_size=size, n_iter=-(-count // size))


def _sealed(request: GenerationRequest, drawn: Drawn) -> str:
    """What is sealed: what a request's texts are made from, besides the files, and the texts."""
    made_from = [
        request.prompt,
        request.negative_prompt,
        list(request.styles),
        request.dynamic_prompts,
        request.combinatorial,
        request.seed,
        bool(request.subseed_strength),
        request.enable_prompt_comments,
    ]
    return json.dumps([made_from, asdict(replace(drawn, source=""))], sort_keys=True)


def _need_owner(who: Identity, what: str) -> None:
    if not who.is_owner:
        raise NotAllowed(f"Only the owner of this machine may {what}.")
