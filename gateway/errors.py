"""The error tree: what may be said to a client, and what is said to the person who wrote the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Code(Enum):
    """Code and HTTP status of every error body; docs/errors.md explains each, a test holds the two together."""

    INVALID_QUERY = ("InvalidQuery", 400)
    BAD_REQUEST = ("BadRequest", 400)
    INVALID_BODY = ("InvalidBody", 400)
    UNAUTHORIZED = ("Unauthorized", 401)
    NOT_FOUND = ("NotFound", 404)
    METHOD_NOT_ALLOWED = ("MethodNotAllowed", 405)
    NOT_ACCEPTABLE = ("NotAcceptable", 406)
    CONFLICT = ("Conflict", 409)
    GONE = ("Gone", 410)
    PRECONDITION_FAILED = ("PreconditionFailed", 412)
    PAYLOAD_TOO_LARGE = ("PayloadTooLarge", 413)
    URI_TOO_LONG = ("UriTooLong", 414)
    UNSUPPORTED_MEDIA_TYPE = ("UnsupportedMediaType", 415)
    EXPECTATION_FAILED = ("ExpectationFailed", 417)
    TOO_MANY_REQUESTS = ("TooManyRequests", 429)
    HEADERS_TOO_LARGE = ("HeadersTooLarge", 431)
    NOT_IMPLEMENTED = ("NotImplemented", 501)
    UPSTREAM_ERROR = ("UpstreamError", 502)
    UNAVAILABLE = ("Unavailable", 503)
    TIMEOUT = ("Timeout", 504)
    UNKNOWN_OUTCOME = ("UnknownOutcome", 504)

    @property
    def text(self) -> str:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing wrong with a body: ``target`` is a name that the client sent, or one that it must send."""

    target: str
    message: str


class Refusal(Exception):
    """An answer that is not data. ``message``, like ``details``, may name only what the client itself sent (D13)."""

    def __init__(
        self,
        code: Code,
        message: str,
        details: Sequence[Detail] = (),
        because: str = "",
        *,
        target: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.target = target
        self.headers = dict(headers or {})
        self.details = tuple(details)
        #: Which rule refused, for the decision record and never for the client.
        self.because = because

    def again(self) -> Refusal:
        """A new one like this: raising the same instance twice would collect tracebacks, and all that they hold."""
        about = (self.details, self.because)
        return Refusal(self.code, self.message, *about, target=self.target, headers=self.headers)


def kind_of(error: BaseException) -> str:
    """What an exception of others is, for the log: its type, what the system says of it, and where of ours it was met.
    Never its text: that of an HTTP client holds addresses, credentials and pieces of bodies (C257)."""
    system = error.strerror if isinstance(error, OSError) and error.strerror else ""
    place, trace = "", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename.replace("\\", "/")
        if "/gateway/" in name and "/site-packages/" not in name:
            place = f"{name.rpartition('/gateway/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    told = type(error).__name__ + (f" ({system})" if system else "")
    return f"{told} at {place}" if place else told


def invalid_query(message: str, target: str | None = None) -> Refusal:
    """400: the request is understood and wrong, or names what does not exist for this key."""
    return Refusal(Code.INVALID_QUERY, message, target=target)


def not_found() -> Refusal:
    """404: one constant answer for malformed paths, unknown and hidden names, and rows that cannot be seen."""
    return Refusal(Code.NOT_FOUND, "there is no such resource or record")


def not_offered(what: str) -> Refusal:
    """501: known to OData and not offered here; ``what`` is a word of the standard, never a name of the data."""
    return Refusal(Code.NOT_IMPLEMENTED, f"{what} is not offered by this service", target=what)


def beyond_windows() -> Refusal:
    """501: a list in an order in which the upstream cannot be read as far, or not without telling what is withheld."""
    return Refusal(Code.NOT_IMPLEMENTED, "lists in this order are not offered as far as this", target="$orderby")


def upstream_error() -> Refusal:
    """502: the upstream broke its contract; one constant body, the reason goes to the log."""
    return Refusal(Code.UPSTREAM_ERROR, "the listing service behind this gateway gave an answer that cannot be used")


def unavailable(message: str = "the service is not available at present") -> Refusal:
    """503, with the seconds after which it may be tried again."""
    return Refusal(Code.UNAVAILABLE, message, headers={"Retry-After": "5"})


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong with a configuration file or a template, in its author's words.

    ``line`` is 1-based, 0 where the fault belongs to the whole file; ``path`` is the way to the value, such as
    ``("FieldOverrides", "Property", "Residential", "ListPrice")``.
    """

    file: str
    line: int
    path: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {'.'.join(self.path)}: {self.message}" if self.path else f"{place}: {self.message}"


class ConfigurationError(Exception):
    """Every fault of a configuration at once; nothing has been changed when it is raised."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


def invalid_body(details: Sequence[Detail], because: str = "") -> Refusal:
    """400: a body with faults, all of them at once, in the order in which the client named the fields.

    Args:
        because: where the rule that refused it is written, for the decision record.
    """
    return Refusal(Code.INVALID_BODY, "the record was not saved: see the details", details=details, because=because)


def stale_link() -> Refusal:
    """410: a link of this key that means nothing any more."""
    return Refusal(Code.GONE, "this link has expired; start again", target="$skiptoken")


def foreign_link() -> Refusal:
    """400: whatever is no link that this key was given."""
    return invalid_query("`$skiptoken` is not one of ours", "$skiptoken")
