"""Addresses of databases with secrets in every position, well and badly written."""

from __future__ import annotations

import random
from collections.abc import Iterator
from urllib.parse import quote

_SCHEMES = ("postgresql://", "postgres://", "POSTGRESQL://", "Postgres://",
            "postgresql+psycopg://", "postgresql+psycopg2://")  # fmt: skip
_SIGNS = "/#?@:%[] &=+!$'\"`\\;,<>{}|^~"
_LETTERS = "abcdefghkmnpqrstuvwxyzABCDEFGHKMNPQRSTUVWXYZ23456789"


def addresses(dice: random.Random, count: int) -> Iterator[tuple[str, list[str]]]:
    """Yield addresses, and what of each must never be shown."""
    for _ in range(count):
        secret = _secret(dice)
        written = quote(secret, safe="") if dice.random() < 0.3 else secret
        scheme = dice.choice(_SCHEMES)
        form = dice.choice((
            "{scheme}ann:{secret}@127.0.0.1:1/city?table=plan",
            "{scheme}ann:{secret}@127.0.0.1:1/city",
            "{scheme}:{secret}@127.0.0.1:1/city?table=plan",
            "{scheme}127.0.0.1:1/city?table=plan&password={secret}",
            "{scheme}127.0.0.1:1/city?password={secret}&table=plan",
            "{scheme}ann@127.0.0.1:1/city?sslpassword={secret}&table=plan",
            "{scheme}ann:{secret}@127.0.0.1:port/city?table=plan",
            "{scheme}ann:{secret}@[::1/city?table=plan",
            "{scheme}ann:{secret}",
        ))  # fmt: skip
        pieces = [piece for piece in _pieces(secret) if len(piece) >= 6]
        yield form.format(scheme=scheme, secret=written), [secret, written, *pieces]


def _secret(dice: random.Random) -> str:
    """Return runs of letters, long enough to be known again, with signs between them."""
    runs = ["".join(dice.choices(_LETTERS, k=7)) for _ in range(dice.choice((1, 2, 3)))]
    return "".join(run + dice.choice(_SIGNS) for run in runs[:-1]) + runs[-1]


def _pieces(secret: str) -> list[str]:
    return "".join(c if c in _LETTERS else " " for c in secret).split()
