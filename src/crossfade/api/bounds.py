"""Bounds of numbers and texts: what protobuf, HTTP and Envoy can hold, said once for structs, schemas and compilers.

Whoever reads a number that a user wrote asks here instead of calling `int()`: the answer is a value that every later
stage can carry, or a `Misfit` that says in words for the user what is wrong and which value would do.
"""

import ipaddress
import re
from typing import Final, TypeAlias

from msgspec import Struct


class Misfit(Struct, frozen=True):
    """A value that cannot be carried out. `nearest` would do in its place; None where no other value means the same."""

    problem: str
    nearest: int | None = None

    def __str__(self) -> str:
        return self.problem


class Bounds(Struct, frozen=True):
    """Whole numbers from `least` to `most`, both included; `unit` is for messages ("ms").

    An amount has a `nearest` value that does instead; a number that names something (a port) has none.
    """

    least: int
    most: int
    unit: str = ""
    is_amount: bool = True

    def check(self, number: int) -> int | Misfit:
        if self.least <= number <= self.most:
            return number
        size = "small" if number < self.least else "large"
        nearest = self.fitted(number) if self.is_amount else None
        return Misfit(f"{_shown(number)} is too {size}, {self.rule}", nearest)

    def parse(self, text: str) -> int | Misfit:
        """Decimal text with blanks around it, as in annotations."""
        found = _DECIMAL.fullmatch(text.strip(_BLANKS))
        if found is None:
            return Misfit(f"{_quoted(text)} is not a whole number, {self.rule}")
        digits = found["digits"] if len(found["digits"]) <= _MOST_DIGITS else "9" * _MOST_DIGITS
        checked = self.check(int(found["sign"] + digits))
        if isinstance(checked, Misfit) and digits != found["digits"]:
            return Misfit(f"{_quoted(text)} is out of range, {self.rule}", checked.nearest)
        return checked

    def read(self, value: object) -> int | Misfit:
        """A number or text of untyped JSON; 5.0 counts as 5, a boolean is no number."""
        if isinstance(value, str):
            return self.parse(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return Misfit(f"{_quoted(str(value))} is not a whole number, {self.rule}")
        # Also false for NaN and the infinities.
        if isinstance(value, float) and not value.is_integer():
            return Misfit(f"{value} is not a whole number, {self.rule}")
        return self.check(int(value))

    def fitted(self, number: int) -> int:
        """The number, or the bound that it violates."""
        return min(max(number, self.least), self.most)

    @property
    def rule(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"the least is {self.least}{unit}, the most {self.most}{unit}"


class Length(Struct, frozen=True):
    """Characters that a text may have."""

    least: int
    most: int

    def check(self, text: str) -> str | Misfit:
        if self.least <= len(text) <= self.most:
            return text
        if not text:
            return Misfit("an empty text is not allowed")
        return Misfit(f"the text has {len(text)} characters, the least is {self.least}, the most {self.most}")


_BLANKS: Final = " \t\r\n"
_DECIMAL: Final = re.compile(r"(?P<sign>[+-]?)0*(?P<digits>[0-9]+)", re.ASCII)
# More than any bound has, so what is cut off decides nothing; converting millions of digits would take seconds.
_MOST_DIGITS: Final = 20
_MOST_SHOWN: Final = 40

# --- numbers ---------------------------------------------------------------------------------------------------

UINT32_MAX: Final = 4_294_967_295
COUNT: Final = Bounds(0, UINT32_MAX)
POSITIVE_COUNT: Final = Bounds(1, UINT32_MAX)
PORT: Final = Bounds(1, 65_535, is_amount=False)
ANY_PORT: Final = Bounds(0, 65_535, is_amount=False)
"""0 stands for "any"."""
STATUS_CODE: Final = Bounds(200, 599, is_amount=False)
"""Final answers; 1xx cannot end an exchange."""
PERCENT: Final = Bounds(0, 100)
INT64: Final = Bounds(-(1 << 63), (1 << 63) - 1)

# protobuf allows 315 576 000 000 s, Envoy's nanoseconds 9 223 372 036 s, its timers no more than 31 bits of seconds
# (68 years): a longer time cannot be told from "never".
MOST_SECONDS: Final = 2_147_483_647
# Where 0 is allowed it means "no limit"; of intervals Envoy refuses it.
SECONDS: Final = Bounds(0, MOST_SECONDS, "s")
POSITIVE_SECONDS: Final = Bounds(1, MOST_SECONDS, "s")
MILLISECONDS: Final = Bounds(0, MOST_SECONDS * 1000, "ms")
POSITIVE_MILLISECONDS: Final = Bounds(1, MOST_SECONDS * 1000, "ms")

# --- texts -----------------------------------------------------------------------------------------------------

FILE_PATH: Final = Length(1, 4095)
"""PATH_MAX without its final NUL."""
HEADER_NAME: Final = Length(1, 16_384)
"""Envoy's limit."""
LONGEST_HEADER_VALUE: Final = 16_384
"""In bytes; Envoy's limit of what is configured. A `%` counts twice where it would begin a command."""

TextOrMisfit: TypeAlias = str | Misfit
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_MOST_HOST: Final = 253
_NOT_IN_LINES: Final = re.compile(r"[\x00\r\n]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def header_name(text: str) -> TextOrMisfit:
    """RFC 9110's token; not a pseudo-header."""
    checked = HEADER_NAME.check(text)
    if isinstance(checked, Misfit) or _TOKEN.fullmatch(text):
        return checked
    return Misfit(f"{_quoted(text)} is not the name of a header: only letters, digits and !#$%&'*+-.^_`|~ are allowed")


def header_value(text: str) -> TextOrMisfit:
    """What Envoy takes as the value of a header: no NUL, CR, LF."""
    if _NOT_IN_LINES.search(text):
        return Misfit(f"{_quoted(text)} holds a line end or NUL, which no header can have")
    return encodable(text)


def printable_header_value(text: str) -> TextOrMisfit:
    """As `header_value`, where Envoy is strict: no control character but the tab, at most 16 KiB."""
    if _CONTROL.search(text):
        return Misfit(f"{_quoted(text)} holds a control character, which no header can have")
    if len(text) > LONGEST_HEADER_VALUE or len(text.encode(errors="replace")) > LONGEST_HEADER_VALUE:
        return Misfit(f"{_quoted(text)} is longer than {LONGEST_HEADER_VALUE} bytes")
    return encodable(text)


def host_name(text: str) -> TextOrMisfit:
    """A DNS name as resolvers take it, underscores included, a final dot allowed; no address, no port."""
    name = text.removesuffix(".")
    if 0 < len(name) <= _MOST_HOST and all(_LABEL.fullmatch(label) for label in name.split(".")):
        return text
    return Misfit(f"{_quoted(text)} is not a host name: labels of 1 to 63 letters, digits, - and _, 253 characters")


def is_ip_address(text: str) -> bool:
    """Without a zone (`fe80::1%eth0`), which names an interface of one machine."""
    # Most are names, and an exception for each costs more than all else that is asked about them.
    if ":" not in text and not text[-1:].isdigit():
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def file_path(text: str) -> TextOrMisfit:
    """What an operating system can open."""
    if isinstance(checked := FILE_PATH.check(text), Misfit):
        return checked
    if "\0" in text:
        return Misfit(f"{_quoted(text)} holds NUL, which no path can have")
    if text.endswith("/"):
        return Misfit(f"{_quoted(text)} is the path of a folder")
    return encodable(text)


def encodable(text: str) -> TextOrMisfit:
    """JSON can spell halves of characters (`\\ud800`) that no UTF-8 text and so no message can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return Misfit(f"{_quoted(text)} holds half of a surrogate pair, which is no character")
    return text


def _shown(number: int) -> str:
    # str() refuses numbers of more than 4300 digits.
    return str(number) if number.bit_length() < 200 else "a number of very many digits"


def _quoted(text: str) -> str:
    return ascii(text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…")
