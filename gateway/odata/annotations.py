"""Annotations of a metadata document with a text: inline and external ones, by namespace or by
alias (CSDL XML 4.01, 14).

The order of a document decides nothing. An inline annotation wins over an external one with the
same term; two different texts in one form contradict each other, and the term then says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: Names of terms with the text that is shown for a member, best first; RESO's own terms come before those of others.
_DISPLAY_TERMS = ("StandardName", "DisplayName", "LocalName", "LookupValue", "LegacyODataValue")
_RESO = "RESO.OData.Metadata"
#: Terms that describe a member: the first is taken where nothing else is there, the second never.
_DESCRIPTION, _LONG_DESCRIPTION = "Description", "LongDescription"


class Annotations:
    """The texts of one document. Aliases are resolved when a text is read, since they may be
    declared behind their use.
    """

    def __init__(self) -> None:
        self._found: list[tuple[str, str, str, bool]] = []
        self._aliases: dict[tuple[str, bool], set[str]] = {}
        #: Target to (term, is inline) to the texts.
        self._texts: dict[str, dict[tuple[str, bool], set[str]]] | None = None

    def add_alias(self, alias: str, namespace: str, *, is_own: bool) -> None:
        """Adds the alias of a schema of this document (``is_own``), or of one that it refers to."""
        self._aliases.setdefault((alias, is_own), set()).add(namespace)

    def add(self, target: str, term: str, text: str, *, is_inline: bool) -> None:
        """Adds one annotation. A term with a qualifier, and a text without characters, say
        nothing.
        """
        if target and term and "#" not in term and text.strip():
            self._found.append((target, term, text.strip(), is_inline))

    def qualified(self, name: str) -> str:
        """Return a name with its namespace in place of an alias. An alias of two namespaces stands
        for neither.
        """
        prefix, _, local = name.rpartition(".")
        namespaces = self._aliases.get((prefix, True)) or self._aliases.get((prefix, False), set())
        return f"{next(iter(namespaces))}.{local}" if len(namespaces) == 1 else f"{prefix}.{local}"

    def of(self, targets: Iterable[str]) -> dict[str, str]:
        """Return the texts of one thing by their terms.

        Args:
            targets: every path to the thing, best first. Inline annotations of any path win over
            external ones.
        """
        texts = self._read()
        places = [texts[target] for target in targets if target in texts]
        found: dict[str, str | None] = {}
        for is_inline in (True, False):
            for place in places:
                for (term, form), said in place.items():
                    if form is is_inline and term not in found:
                        found[term] = next(iter(said)) if len(said) == 1 else None
        return {term: text for term, text in sorted(found.items()) if text is not None}

    def _read(self) -> dict[str, dict[tuple[str, bool], set[str]]]:
        if self._texts is None:
            self._texts = {}
            for target, term, text, is_inline in self._found:
                path = target if is_inline else self.resolved(target)
                place = self._texts.setdefault(path, {})
                place.setdefault((self.qualified(term), is_inline), set()).add(text)
        return self._texts

    def resolved(self, target: str) -> str:
        """Return a target with namespaces in place of aliases, in its first segment and in
        casts.
        """
        first, *others = target.split("/")
        return "/".join([self.qualified(first), *(self.qualified(part) if "." in part else part for part in others)])


def display_text(texts: Mapping[str, str]) -> str | None:
    """Return the text that is shown for a member, from the texts of its annotations by their
    terms.
    """
    ranked = sorted((_rank(term), term) for term in texts if term.rpartition(".")[2] != _LONG_DESCRIPTION)
    return texts[ranked[0][1]] if ranked else None


def _rank(term: str) -> tuple[int, bool]:
    namespace, _, name = term.rpartition(".")
    if name in _DISPLAY_TERMS:
        return _DISPLAY_TERMS.index(name), namespace != _RESO
    return len(_DISPLAY_TERMS) + (name == _DESCRIPTION), False
