"""What gridmap says, in English and in Chinese: a message is a template with named values.

The English template is the id of a message; `locale/zh/LC_MESSAGES/gridmap.po` holds the Chinese.
A message is put into words when it is shown, in the language that is current then, so that what
was found in one language can be read in the other.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Literal

Lang = Literal["zh", "en"]

LOCALE = Path(__file__).with_name("locale")
_current: ContextVar[Lang] = ContextVar("language", default="en")
_at_shell: ContextVar[bool] = ContextVar("at_shell", default=False)
_OPTION = re.compile(r"`gridmap[^`]*`|`--[^`]*`|--[a-z]+(?:-[a-z]+)*")
_VALUE = re.compile(r"--(\S+)(?:\s+([^\s-]\S*))?")


class Message:
    """A sentence or a word that is put into words when it is shown.

    Values are written with `str.format`. A list is joined by the comma of the language, and a
    number chooses words of its own: ``{n:row|rows}`` is *row* for 1. Options are written as at the
    shell, and told as keywords to who calls from Python.

    Parameters
    ----------
    template : str
        The English words, the id in the catalogue. Braces name values where there are any.
    context : str
        Tells apart what is one word in English and several in Chinese.
    **values : object
        What the template names.

    Examples
    --------
    >>> found = Message("{n:,} {n:cell tiles|cells tile} the boundary exactly", n=1)
    >>> str(found), found(n=1200).text("en")
    ('1 cell tiles the boundary exactly', '1,200 cells tile the boundary exactly')
    >>> str(Message("It has {columns}.", columns=["code", "name"]))
    'It has code, name.'
    >>> print(Message("Declare it: `--crs EPSG:4547`, and look at `gridmap info --json`."))
    Declare it: `crs="EPSG:4547"`, and look at `gridmap info --json`.
    """

    __slots__ = ("context", "template", "values")

    def __init__(self, template: str, /, *, context: str = "", **values: object) -> None:
        self.template, self.context, self.values = template, context, values

    def __call__(self, **values: object) -> Message:
        """Return the message with values filled in."""
        return Message(self.template, context=self.context, **(self.values | values))

    def __str__(self) -> str:
        """Put it into words in the current language."""
        words = _words(self.template, self.context, _current.get())
        if "--" in words and not _at_shell.get():
            words = _OPTION.sub(_as_keywords, words)
        return words.format_map(_Shown(self.values)) if self.values else words

    def __repr__(self) -> str:
        """Show the words as text."""
        return f"<Message {str(self)!r}>"

    def __format__(self, spec: str) -> str:
        """Stand in another sentence."""
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        """Compare what is said, not the words it is said in."""
        return isinstance(other, Message) and self._key() == other._key()

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash((self.template, self.context))

    def _key(self) -> tuple[str, str, Mapping[str, object]]:
        return self.template, self.context, self.values

    def text(self, lang: Lang) -> str:
        """Put it into words in one language."""
        with speaking(lang):
            return str(self)

    __getitem__ = text

    def plain(self) -> dict[str, object]:
        """Return it as plain data, for a file that is read in whatever language."""
        return {"message": self.template, "context": self.context, "values": _plain(self.values)}

    @classmethod
    def of(cls, plain: Mapping[str, object]) -> Message:
        """Return what `plain` gave; also what older files hold, the words in both languages."""
        if "message" not in plain:
            return Message("{en}")(**plain)
        made = cls(str(plain["message"]), context=str(plain.get("context", "")))
        values = plain.get("values")
        return made(**_read(values)) if isinstance(values, Mapping) else made

    def both(self) -> dict[Lang, str]:
        """Return the words in both languages, as documents for machines bear them."""
        return {"zh": self.text("zh"), "en": self.text("en")}


def tr(template: str, /, *, lang: Lang | None = None, context: str = "", **values: object) -> str:
    """Say a message at once, in the language given or else the current one.

    Examples
    --------
    >>> tr("Households", lang="zh"), tr("Households")
    ('户数', 'Households')
    """
    return Message(template, context=context, **values).text(lang or _current.get())


def joined(items: Iterable[object], lang: Lang | None = None) -> str:
    """Join words by the comma of the language.

    Examples
    --------
    >>> joined(["A", "B"], "zh"), joined(["A", "B"])
    ('A、B', 'A, B')
    """
    return tr("{items}", lang=lang, items=list(items))


def measure(word: Message, lang: Lang) -> str:
    """Return the word that Chinese puts behind a number, nothing in English."""
    return word.text(lang) if lang == "zh" else ""


def speak(lang: Lang) -> None:
    """Speak a language from now on."""
    _current.set(lang)


@contextmanager
def speaking(lang: Lang, *, at_shell: bool | None = None) -> Iterator[None]:
    """Speak a language, and with options or keywords, for the time of a block."""
    token = _current.set(lang)
    place = _at_shell.set(_at_shell.get() if at_shell is None else at_shell)
    try:
        yield
    finally:
        _current.reset(token)
        _at_shell.reset(place)


class _Shown(dict[str, object]):
    """Values as they stand in a sentence."""

    def __getitem__(self, name: str) -> object:
        value = super().__getitem__(name)
        if isinstance(value, list):
            return ("、" if _current.get() == "zh" else ", ").join(map(str, value))
        if getattr(value, "ndim", None) == 0:  # a number of NumPy shows as a number
            value = value.item()  # type: ignore[attr-defined]
        elif hasattr(value, "ndim"):  # a frame would take many lines
            value = " ".join(str(value).split())[:60]
        return value if isinstance(value, (tuple, Mapping)) else _Choosing(value)


class _Choosing:
    """A value that chooses between the words of a template: ``{n:row|rows}``."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __format__(self, spec: str) -> str:
        one, choice, many = spec.partition("|")
        if choice:
            return one if self._value in (1, "1") else many
        return format(self._value, spec)

    def __repr__(self) -> str:
        return repr(self._value)

    def __str__(self) -> str:
        return str(self._value)

    def __getattr__(self, name: str) -> object:
        return getattr(self._value, name)


def _plain(value: object) -> object:
    if isinstance(value, Message):
        return value.plain()
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if hasattr(value, "item"):
        return value.item()
    return value if isinstance(value, (str, int, float, type(None))) else str(value)


def _read(values: Mapping[str, object]) -> dict[str, object]:
    return {name: _said(value) for name, value in values.items()}


def _said(value: object) -> object:
    if isinstance(value, Mapping):
        return Message.of(value) if "message" in value else _read(value)
    return [_said(one) for one in value] if isinstance(value, list) else value


def _as_keywords(found: re.Match[str]) -> str:
    """Write options as the keywords that they are in Python; commands stay commands."""
    if found[0].startswith("`gridmap"):
        return found[0]
    told = []
    for name, value in _VALUE.findall(found[0].strip("`")):
        keyword = name.replace("-", "_")
        given = value if value.isdigit() else f'"{value}"' if value else ""
        key, pair, said = value.partition("=")
        given = f'{{{{"{key}": {said}}}}}' if pair else given  # doubled, as `str.format` reads it
        given = "True" if name == "overwrite" else given
        told.append(f"{keyword}={given}" if given else keyword)
    return f"`{', '.join(told)}`"


def _words(template: str, context: str, lang: Lang) -> str:
    if lang == "en":
        return template
    known = _catalogue(lang)
    return known.pgettext(context, template) if context else known.gettext(template)


@cache
def _catalogue(lang: Lang) -> gettext.NullTranslations:
    compile_catalogues()
    return gettext.translation("gridmap", LOCALE, [lang], fallback=True)


def compile_catalogues() -> None:
    """Compile the catalogues of a checkout anew where they were edited; a wheel has no sources."""
    for source in LOCALE.glob("*/LC_MESSAGES/*.po"):
        target = source.with_suffix(".mo")
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            with suppress(OSError):  # a checkout that is not ours to write to, a full disk
                _compile(source, target)


def _compile(source: Path, target: Path) -> None:
    import os
    import tempfile

    from babel.messages import mofile, pofile

    with source.open("rb") as text:
        catalogue = pofile.read_po(text)
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        compiled = Path(folder, target.name)
        with compiled.open("wb") as file:
            mofile.write_mo(file, catalogue)
        os.replace(compiled, target)
