"""Addresses: of databases, never shown with a secret, and of clusters, which may go away."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

from gridmap.errors import InputError
from gridmap.language import Message

if TYPE_CHECKING:
    from distributed import Client

_SCHEME = re.compile(r"postgres(?:ql)?(?:\+[a-z0-9_]+)?://", re.IGNORECASE)
_KEYS = (
    "table", "host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service",
    "servicefile", "sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslsni",
    "options", "application_name", "fallback_application_name", "connect_timeout", "keepalives",
    "target_session_attrs", "require_auth", "channel_binding", "gssencmode", "krbsrvname",
    "client_encoding", "load_balance_hosts", "replication", "requirepeer", "tcp_user_timeout",
)  # fmt: skip
_QUERY = re.compile(rf"\?((?:(?:{'|'.join(_KEYS)})=[^&]*&?)+)$")
_SECRET_KEYS = ("password", "sslpassword", "passfile", "sslkey", "options")
_HOST = re.compile(
    r"[A-Za-z0-9._,-]*(?::\d{1,5})?(?:,[A-Za-z0-9._-]+(?::\d{1,5})?)*|\[[0-9A-Fa-f:.%]+\](?::\d{1,5})?"
)
_PLACE = re.compile(r"[\d.]+|localhost")
_WORD = re.compile(r"[\w.\-$ ]*")
_WRITTEN = re.compile(rf"{_SCHEME.pattern}[^\s`'\"]*", re.IGNORECASE)
_FOREIGN = re.compile(
    r"[\s'\"]*(?:(?:jdbc|odbc|pg|mysql|mssql|oci|mongodb(?:v3)?):"
    r"|(?:postg|mysql|maria|mssql|oracle|cockroach|redshift|mongodb)[\w+.\-]*:?//?"
    r"|postg\w*:|(?:host|hostaddr|dbname|server)\s*=)",
    re.IGNORECASE,
)
"""How the addresses of databases begin that other programs take."""
ADDRESS = re.compile(rf"{_SCHEME.pattern}|{_FOREIGN.pattern}", re.IGNORECASE)
"""How a database is told from a file, in whatever case and for whatever driver.

Those of other programs are known too, so that they are refused rather than taken for files.
"""
_LOGIN = re.compile(
    r"(?:postg(?!\w*(?:\+\w+)?://)\w*|[a-z][\w+.\-]+:|^/|^(?=[\w.-]+:[^/\\]))/*[^:/@]*:(.+)@",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"(?<![\w+.\-])(?!postg)[a-z][\w+.\-]+:/+([^:/@]+)@", re.IGNORECASE)
_SECRET = r"(?:\w*pass\w*|pwd|sslkey|\w*token|\w*secret|\w*api_?key)\s*=\s*"
_NAMED = re.compile(rf"{_SECRET}(.+?)(?=[\s;,&]+\w+\s*=|$)", re.IGNORECASE)
_LONGER = 6  # characters of a piece of a bad address that may be a secret
_SHORTEST = 4  # characters of a secret that is hidden wherever it stands, not in addresses alone

_NO_ADDRESS = Message(
    "The database URL is none. Write it as "
    "`postgresql://USER@HOST/DATABASE?table=NAME`, with signs such as @, /, [ and "
    "# in a password as %40, %2F, %5B and %23."
)
_secrets: set[str] = set()


class Address(NamedTuple):
    """A database as its driver takes it, and as it may be shown.

    Attributes
    ----------
    url : str
        For the driver, without ``table``.
    table : str or None
        What ``?table=`` names.
    shown : str
        Without secrets.
    has_password : bool
        Whether the address itself holds one, where others may read it.
    """

    url: str
    table: str | None
    shown: str
    has_password: bool


def parse_address(text: str) -> Address:
    """Take the address of a database apart.

    Signs such as ``/``, ``#``, ``?`` and ``@`` may stand in a password as they are: what is before
    the last ``@`` belongs to user and password. Without a password the driver asks the
    environment (PGPASSWORD) and the file of passwords; a service stands for the whole address.

    Parameters
    ----------
    text : str
        ``postgresql://USER@HOST/DATABASE?table=SCHEMA.NAME``, or ``postgresql://?service=NAME``.

    Returns
    -------
    Address

    Raises
    ------
    InputError
        When it names no host or database; nothing of it is told, as it may hold a password.

    Examples
    --------
    >>> found = parse_address("postgresql+psycopg://ann:p/w#1@db.city/grids?table=plan")
    >>> found.url, found.table
    ('postgresql://ann:p%2Fw%231@db.city/grids', 'plan')
    >>> found.shown
    'postgresql://ann:***@db.city/grids?table=plan'
    """
    start = _SCHEME.match(text)
    if start is None:
        learn([text])
        raise InputError(_NO_ADDRESS)
    rest = text[start.end() :]
    query = _QUERY.search(rest)
    before = rest[: query.start()] if query else rest
    pairs = [part.split("=", 1) for part in query[1].strip("&").split("&")] if query else []
    login, at, place = before.rpartition("@")
    user, colon, password = login.partition(":")
    host, _, database = place.partition("/")
    _remember(password, *(value for key, value in pairs if key in _SECRET_KEYS))
    if not _HOST.fullmatch(unquote(host)) or not _WORD.fullmatch(unquote(database)):
        _remember(*_pieces(rest))
        raise InputError(_NO_ADDRESS)
    table = next((unquote(value) for key, value in pairs if key == "table"), None)
    others = "&".join(f"{key}={value}" for key, value in pairs if key != "table")
    account = _quoted(user) + (f":{_quoted(password)}" if colon else "") + at
    url = f"postgresql://{account}{place}" + (f"?{others}" if others else "")
    told = [
        f"{k}={v}" for k, v in pairs if k in ("table", "service") and _WORD.fullmatch(unquote(v))
    ]
    account = (user if _WORD.fullmatch(unquote(user)) else "***") + (":***" if colon else "") + at
    shown = f"postgresql://{account}{place}" + (f"?{'&'.join(told)}" if told else "")
    secret = bool(password) or any(key in ("password", "sslpassword") for key, _ in pairs)
    return Address(url, table, shown, secret)


def masked(text: str) -> str:
    """Return a text for any eye: addresses without passwords, and no secret met before.

    A secret of a few characters is hidden where an address has it, or quotes stand around it.

    Examples
    --------
    >>> masked("cannot open postgresql://ann:open/sesame@db/city?table=plan now")
    'cannot open postgresql://ann:***@db/city?table=plan now'
    """
    for secret in sorted(_secrets, key=len, reverse=True):
        if secret in text:
            text = re.sub(_standing(secret), r"\1***", text)
    return _WRITTEN.sub(lambda found: _shown(found[0]), text)


def _standing(secret: str) -> str:
    """Return the pattern of what is hidden: a secret anywhere, a short one in its place only."""
    told = re.escape(secret)
    if len(secret) >= _SHORTEST:
        return rf"(){told}"
    return rf"([:/](?={told}@)|\"(?={told}\")|(?i:{_SECRET})['\"]?){told}(?!\w)"


def learn(words: Iterable[str]) -> None:
    """Take note of the secrets in addresses among some words, before anything is said of them."""
    for word in words:
        if found := _SCHEME.search(word):
            _shown(word[found.start() :])
        for secret in (*_LOGIN.findall(word), *_TOKEN.findall(word), *_NAMED.findall(word)):
            _remember(secret.strip("'\" "))


def has_secrets() -> bool:
    """Tell whether any secret was met."""
    return bool(_secrets)


def _shown(text: str) -> str:
    try:
        return parse_address(text).shown
    except InputError:
        return "postgresql://***"


def _quoted(text: str) -> str:
    """Return a part of an address with its signs as the driver wants them, written ones kept."""
    return quote(unquote(text), safe="!$'()*,;~-._")


def _pieces(text: str) -> list[str]:
    """Return what stands between signs and may be a secret, or what a quoting leaves of one."""
    pieces = re.split(r"[:/@?&=\s]", text) + re.split(r"[^\w.-]", text)
    return [p for p in pieces if len(p) >= _LONGER and not _PLACE.fullmatch(p)]


def _remember(*secrets: str) -> None:
    for secret in secrets:
        _secrets.update({secret, unquote(secret), _quoted(secret), *_pieces(secret)} - {""})


@contextmanager
def cluster(address: str, cure: Message, *, timeout: float = 10.0) -> Iterator[Client]:
    """Yield a client of the cluster at an address.

    Parameters
    ----------
    address : str
        Of the scheduler, as ``tcp://10.0.0.1:8786``.
    cure : Message
        What became of the output, and what to look at, where the cluster dies.
    timeout : float
        Seconds to wait for the scheduler.

    Raises
    ------
    InputError
        When Dask is missing, or the cluster does not answer or dies.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("`--dask` needs Dask. Install it: pip install 'gridmap-gis[dask]'.") from (
            error
        )
    try:
        client = Client(address, timeout=timeout)
    except (OSError, ValueError) as error:
        raise InputError(
            "No Dask scheduler answers at {address} ({error}).", address=address, error=error
        ) from error
    with _unlogged(), client:
        try:
            yield client
        except InputError:
            raise
        except (*_lost_cluster(), OSError) as error:  # type: ignore[misc]
            raise InputError(
                "The cluster at {address} did not finish ({error}). {cure}",
                address=address,
                cure=cure,
                error=" ".join(str(error).split())[:200] or type(error).__name__,
            ) from error


GLANCE = 0.2  # seconds between looks at a cluster


def on_cluster(
    function: Callable[..., Any],
    calls: Iterable[tuple[Any, ...]],
    client: Client,
    patience: float = 10.0,
) -> Iterator[Any]:
    """Yield what a function returns for each of some calls, as they end on a Dask cluster."""
    futures = [client.submit(function, *call, pure=False) for call in calls]
    try:
        yield from results(futures, client, patience)
    finally:
        client.cancel(futures)


def results(futures: Iterable[Any], client: Client, patience: float = 10.0) -> Iterator[Any]:
    """Yield results as they come; give up a cluster without workers, or gone, for some seconds.

    A result may go with its worker before it is here, though its future was done: it is computed
    again, and waited for without an end where no worker is left. So nothing waits for one alone.
    """
    import asyncio
    from concurrent.futures import FIRST_COMPLETED, wait

    loop: Any = client.loop
    waiting = {
        asyncio.run_coroutine_threadsafe(
            client.gather(future, asynchronous=True), loop.asyncio_loop
        )
        for future in futures
    }
    seen = time.monotonic()
    while waiting:
        done, waiting = wait(waiting, GLANCE, FIRST_COMPLETED)
        yield from (fetched.result() for fetched in done)
        running = client.status == "running"
        if done or (running and client.scheduler_info()["workers"]):
            seen = time.monotonic()
        if time.monotonic() - seen > patience:
            raise OSError("no worker is left" if running else "the scheduler is gone")


_CHATTY = ("distributed", "tornado", "asyncio")


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep tracebacks of a cluster that goes away out of the log: what happened is one line."""
    names = [n for n in logging.root.manager.loggerDict if n.split(".")[0] in _CHATTY]
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _lost_cluster() -> tuple[type[BaseException], ...]:
    """Return what is raised when workers or the scheduler die."""
    from asyncio import CancelledError as Cancelled
    from concurrent.futures import CancelledError

    from distributed import KilledWorker
    from distributed.comm.core import CommClosedError

    return KilledWorker, CommClosedError, CancelledError, Cancelled, TimeoutError
