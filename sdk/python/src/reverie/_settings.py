"""Where the cluster is and what to show it: arguments first, then the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from reverie.errors import InvalidError, Violation

DEFAULT_URL = "http://127.0.0.1:7400"


@dataclass(frozen=True)
class Address:
    """A cluster's address, as gRPC wants it."""

    #: host:port
    target: str
    secure: bool

    @classmethod
    def parse(cls, url: str) -> Address:
        """From a URL such as http://127.0.0.1:7400.

        Raises:
            InvalidError: it is none.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise invalid("url", f"{url!r} is not an address such as {DEFAULT_URL}")
        secure = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(f"{host}:{parts.port or (443 if secure else 80)}", secure)


def url(given: str | None) -> str:
    """The cluster's address: given, REVERIE_URL, or the default of `reverie up`."""
    return given or os.environ.get("REVERIE_URL") or DEFAULT_URL


def token(given: str | None, file: str | os.PathLike[str] | None) -> str:
    """The credential: given, from the file given, REVERIE_TOKEN, or from the file that REVERIE_TOKEN_FILE names.

    Raises:
        InvalidError: there is none, or its file cannot be read.
    """
    if given is not None:
        found, field = given, "token"
    elif file is not None:
        found, field = _read(file, "token_file"), "token_file"
    elif os.environ.get("REVERIE_TOKEN"):
        found, field = os.environ["REVERIE_TOKEN"], "REVERIE_TOKEN"
    elif os.environ.get("REVERIE_TOKEN_FILE"):
        found, field = _read(os.environ["REVERIE_TOKEN_FILE"], "REVERIE_TOKEN_FILE"), "REVERIE_TOKEN_FILE"
    else:
        raise invalid(
            "token",
            "there is no credential: pass token= or token_file=, or set REVERIE_TOKEN or REVERIE_TOKEN_FILE; "
            "`reverie up` keeps the admin's in DIR/admin.token",
        )
    found = found.strip()
    if not found or not found.isascii() or not found.isprintable():
        raise invalid(field, "this is not a token: one is a line such as rv1_...")
    return found


def invalid(field: str, description: str) -> InvalidError:
    """One wrong argument."""
    return InvalidError(f"{field}: {description}", violations=[Violation(field, description)])


def _read(file: str | os.PathLike[str], field: str) -> str:
    try:
        return Path(file).read_text()
    except OSError as error:
        raise invalid(field, f"cannot read {os.fspath(file)}: {error.strerror}") from error
