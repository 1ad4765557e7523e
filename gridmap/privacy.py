"""Keep persons out of what is shared: personal columns refused, small counts kept back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from gridmap._arrays import Bools
from gridmap._checks import simplified
from gridmap.errors import InputError
from gridmap.language import Message

Audience = Literal["internal", "public"]

REASONS = {
    "heading": Message("heading"),
    "identity number": Message("identity number"),
    "mobile number": Message("mobile number"),
    "telephone number": Message("telephone number"),
    "e-mail address": Message("e-mail address"),
    "name of a person": Message("name of a person"),
}
"""Why a column looks personal."""
SHARED = Message("a shared file")
SMALL = 5  # counts below it can point at somebody

_HEADINGS = re.compile(
    r"身份证|身分证|身份号|行动电话|证件号|护照|手机|电话|联系方式|微信|邮箱|昵称|姓名|联系人|联络人|当事人|户主|业主|法人|房主|"
    r"租客|承租人|网格长|网格员|负责人|责任人|监护人|配偶|亲属|家属|老人|患者|病人|出生|生日|银行卡|账号|"
    r"社保|医保|车牌|住址|籍贯|政治面貌|(来电|主叫|被叫|呼入)号|^(居民|市民|住户|群众)$|"
    r"(上报|举报|投诉|报案|来电|诉求|申请|受理|处置|处理|经办|填报|采集|审核|签收|办理|被访|反映|报修)人|"
    r"(巡查|采集|监督|协管|调解)员|^副?(里|邻|村|楼栋)长$|"
    r"^id_?(card|number|no)$|identity|passport|phone|mobile|^tel$|telephone|e[-_]?mail|wechat|^qq|"
    r"^contact(s|[-_ ]?(person|number|info|details|no))?$|"
    r"^(owner|tenant|caller|reporter|resident)s?$|complainant|guardian|patient|nick_?name|user_?name|"
    r"home_?address|bank_?account|^ssn$|^dob$|"
    r"(first|last|full|family|given|sur|person|owner|resident|contact|reporter|staff|leader|caller|"
    r"tenant)[-_ ]?name|birth|license_?plate|^leader$|^staff$",
    re.IGNORECASE,
)
_NO_PERSON = re.compile(r"数$|人数|户数|率$|count|number_of|电话亭|老人院|kind$|类型$")
_ID = re.compile(
    r"(?<![0-9])[1-9]\d{5}[- ]?(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])[- ]?"
    r"\d{3}[0-9Xx](?!\d)"
)
_PHONE = re.compile(
    r"(?<![0-9])(?<![0-9]\.)(?:\+?86[- ]?)?1[3-9]\d([-. ]?)\d{4}\1\d{4}(?!\.?[0-9])"
)
_LANDLINE = re.compile(r"(?<![0-9])(?:\(0\d{2,3}\) ?|0\d{2,3}[-—] ?)[2-8]\d{2,3}[- ]?\d{4}(?!\d)")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[A-Za-z]{2,}")
_CALLED = re.compile(
    r"[王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任"
    r"沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严武戴莫孔]"
    r"(?:先生|女士|小姐|大爷|大妈|阿姨)"
)
_PATTERNS = (
    ("identity number", _ID),
    ("mobile number", _PHONE),
    ("telephone number", _LANDLINE),
    ("e-mail address", _MAIL),
    ("name of a person", _CALLED),
)
_LIKE_CODES = (_ID, _PHONE)  # some code among many may look like one by chance
_SIGN = "[-－﹣.．﹒ \u00a0\u2000-\u200a\u202f\u205f\u3000]?"  # a dash, a dot or a blank to NFKC
_SUSPECT = (  # what is looked at closely: any of the patterns fits at most where this does
    rf"[1１][3-9３-９][0-9０-９]{_SIGN}[0-9０-９]{{4}}{_SIGN}[0-9０-９]{{4}}|"
    rf"[0-9０-９]{{6}}{_SIGN}[12１２][09０９][0-9０-９]{{6}}|[@＠﹫]|先生|女士|小姐|大爷|大妈|阿姨|"
    r"[0０][0-9０-９]{2,3}[-－﹣—)）﹚]"
)
_SAMPLE = 2000
_RUN = 50  # neighbours are cheaper to look at than single rows
_SHARE = 0.05  # of whole values in a pattern, from which a column of codes is suspected


def personal_columns(frame: pd.DataFrame, *, thorough: bool = False) -> dict[str, str]:
    """Find columns that look as if they held data of persons.

    A column is suspected for its heading, for values that are identity or telephone numbers or
    addresses of e-mail, or for such, or somebody called Mr or Mrs, within free text.

    Parameters
    ----------
    frame : DataFrame
        Any table; geometries are skipped.
    thorough : bool
        Whether every value is looked at, rather than some thousands spread over the column.

    Returns
    -------
    dict of str to str
        Column → why: ``heading``, ``identity number``, ``mobile number``, ``telephone number``,
        ``e-mail address`` or ``name of a person``.

    Examples
    --------
    >>> personal_columns(pd.DataFrame({"户数": [3], "户主": ["某"], "备注": ["致电13800000000"]}))
    {'户主': 'heading', '备注': 'mobile number'}
    """
    found = {}
    for position, column in enumerate(frame.columns):
        reason = _heading_reason(column) or _value_reason(frame.iloc[:, position], thorough)
        if reason:
            found[str(column)] = reason
    return found


def refuse_personal(
    frame: pd.DataFrame, *, name: str = "frame", to: Message | str = SHARED
) -> None:
    """Refuse a table in which a column looks personal.

    Raises
    ------
    InputError
        Naming the columns and why.
    """
    found = personal_columns(frame, thorough=True)
    if found:
        suspect = Message("{column} ({reason})")
        listed = [suspect(column=column, reason=REASONS[why]) for column, why in found.items()]
        raise InputError(
            "`{name}` has columns that look personal: {listed}. They never go to {to}; "
            "drop or rename them.",
            name=name,
            listed=listed,
            to=to,
        )


def withheld(counts: Sequence[int], paths: Sequence[tuple[str, ...]] | None = None) -> Bools:
    """Tell which counts are kept back: small ones, and those that would give them away.

    Beside a total, a single count that is not shown is the difference to those that are. So the
    smallest others of its group are kept back too, until what is hidden adds up to `SMALL` or more
    in two places or more; at every level, as one page may tell of streets and another of
    communities.

    Parameters
    ----------
    counts : sequence of int
        One a place.
    paths : sequence of tuple of str, optional
        Its name at every level, the coarsest first; each by itself when not given.

    Returns
    -------
    array of bool

    Examples
    --------
    >>> withheld([10, 12, 3, 20]).tolist()
    [True, False, True, False]
    >>> withheld([10, 12, 3], [("A", "a"), ("B", "b"), ("B", "c")]).tolist()
    [False, True, True]
    """
    paths = [(str(k),) for k in range(len(counts))] if paths is None else list(paths)
    hidden: dict[tuple[str, ...], bool] = {(): False}
    for depth in range(1, max(map(len, paths), default=0) + 1):
        sums: dict[tuple[str, ...], dict[tuple[str, ...], int]] = {}
        for path, count in zip(paths, counts, strict=True):
            group = sums.setdefault(path[: depth - 1], {})
            group[path[:depth]] = group.get(path[:depth], 0) + int(count)
        for parent, group in sums.items():
            hidden |= _kept_back(group, hidden[parent])
    return np.array([hidden[path] for path in paths], dtype=bool)


def _kept_back(
    group: dict[tuple[str, ...], int], inside_hidden: bool
) -> dict[tuple[str, ...], bool]:
    """Tell which parts of one place are kept back; of a hidden place one at least."""
    small = {part for part, count in group.items() if 0 < count < SMALL}
    for part in sorted((p for p in group if group[p] >= SMALL), key=lambda p: (group[p], p)):
        enough = sum(group[p] for p in small) >= SMALL and len(small) > 1
        if bool(small) if inside_hidden else (enough or not small):
            break
        small.add(part)
    return {part: part in small for part in group}


def tells_few(part: int, whole: int) -> bool:
    """Tell whether a share gives away a small count, be it of those left.

    Examples
    --------
    >>> tells_few(3, 20), tells_few(18, 20), tells_few(20, 20)
    (True, True, False)
    """
    return any(0 < count < SMALL for count in (part, whole - part))


def suppress(counts: pd.Series, *, least: int = SMALL) -> pd.Series:
    """Blank the counts from 1 to `least` − 1, which could point at somebody.

    Parameters
    ----------
    counts : Series of int
        Zero stays: nobody is nobody.
    least : int
        The smallest count that is shown.

    Returns
    -------
    Series of Int64
        On the same index, NA where suppressed.

    Examples
    --------
    >>> suppress(pd.Series([0, 3, 12])).tolist()
    [0, <NA>, 12]
    """
    whole = pd.Series(counts).astype("Int64")
    return whole.mask((whole > 0) & (whole < least))


def hashed(ids: Iterable[Any], key: bytes) -> list[str]:
    """Replace ids by keyed hashes: the same id, the same hash, and no way back without the key.

    Parameters
    ----------
    ids : iterable
        Anything that has a text.
    key : bytes
        Secret, at least 16 bytes; see `local_key`.

    Returns
    -------
    list of str
        Sixteen small letters and digits from 2 to 7 each: never what looks like a phone.

    Raises
    ------
    InputError
        When the key is too short to be secret.

    Examples
    --------
    >>> a, b, c = hashed(["7", "8", "7"], b"a secret of the town hall")
    >>> a == c, a == b
    (True, False)
    """
    if len(key) < 16:
        raise InputError(
            "`key` has fewer than 16 bytes. Name a file that is not there, and one is made."
        )
    digests = (hmac.new(key, str(i).encode(), hashlib.sha256).digest() for i in ids)
    return [base64.b32encode(digest)[:16].decode().lower() for digest in digests]


def local_key(path: str | os.PathLike[str]) -> bytes:
    """Return the secret key in a file; make one, readable by its owner only, when there is none.

    Raises
    ------
    InputError
        When the file can be neither read nor made.
    """
    path = Path(path)
    try:
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32))
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "The key file `{path}` cannot be used ({error}). Check it.", path=path, error=error
        ) from error
    if len(text) < 32:
        raise InputError(
            "The key file `{path}` holds no key. Remove it to have a new one made.", path=path
        )
    return text.encode()


def _heading_reason(column: Any) -> str:
    text = "".join(unicodedata.normalize("NFKC", str(column)).split()).translate(simplified())
    return "heading" if _HEADINGS.search(text) and not _NO_PERSON.search(text) else ""


def _value_reason(values: pd.Series, thorough: bool) -> str:
    if values.dtype.kind in "bmM" or str(values.dtype) == "geometry":
        return ""
    known = values.dropna() if values.hasnans else values
    size = len(known) if thorough else min(len(known), _SAMPLE)
    if known.dtype.kind in "iuf":
        known = known[(known >= 1e10) & (known < 1e18)]
        known = known[known % 1 == 0].astype(np.int64)
    elif thorough:
        place, words = pd.factorize(known.astype("str"))
        known = known[pd.Series(words).str.contains(_SUSPECT).to_numpy(bool)[place]]
    sample = _spread(known)
    if not len(sample):
        return ""
    texts = [unicodedata.normalize("NFKC", str(value)).strip() for value in sample]
    for reason, pattern in _PATTERNS:
        found = [text for text in texts if pattern.search(text)]
        whole = [text for text in found if pattern.fullmatch(text)]
        enough = max(1.0, _SHARE * size) if pattern in _LIKE_CODES else 1.0
        if len(found) > len(whole) or len(whole) >= enough:
            return reason
    return ""


def _spread(values: pd.Series) -> list[Any]:
    """Return at most a few thousand values in runs over the whole column, ends included."""
    if len(values) <= _SAMPLE:
        return list(values)
    starts = np.linspace(0, len(values) - _RUN, _SAMPLE // _RUN).astype(int)
    return list(values.iloc[(starts[:, None] + np.arange(_RUN)).ravel()])
