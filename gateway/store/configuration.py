"""A configuration directory as one immutable value: settings, roles, templates, syndications, keys. All or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel

from gateway import settings as settings_module
from gateway.errors import ConfigurationError, Fault
from gateway.policy import data_dictionary
from gateway.policy.compilation import GatewayRules
from gateway.policy.documents import (
    Role,
    RoleDocument,
    Source,
    Syndication,
    SyndicationsDocument,
    Template,
    TemplateDocument,
    validate,
)
from gateway.settings import Settings
from gateway.store.api_keys import ApiKey, KeysDocument
from gateway.store.certificates import Certificate, read_certificate
from gateway.store.documents import Document, read_document
from gateway.store.tree import Tree

_M = TypeVar("_M", bound=BaseModel)

#: Settings of what outlives every worker.
_FIXED = (
    ("listen", "host"),
    ("listen", "port"),
    ("admin", "host"),
    ("admin", "port"),
    ("workers", "count"),
    ("workers", "watch"),
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """``key_pepper`` and ``token_keys`` as text; ``upstream_token`` None where the upstream asks for nothing."""

    key_pepper: str | None = field(repr=False)
    token_keys: tuple[str, ...] = field(repr=False)
    upstream_token: str | None = field(repr=False)
    upstream_secret: str | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the directory says, and the database where there is one (``gateway.store.stored``).

    ``keys`` are by digest, one that is being rotated by both of its own; ``faults`` are of records that cannot be
    served, while everything else is. ``place`` puts the line into a fault of any of the files.
    """

    directory: Path
    settings: Settings
    secrets: Secrets
    roles: Mapping[str, Role]
    templates: Mapping[str, Template]
    syndications: Mapping[str, Syndication]
    keys: Mapping[str, ApiKey] = field(repr=False)
    rules: GatewayRules
    documents: Mapping[str, Document]
    database_url: str | None = field(repr=False, default=None)
    redis_url: str | None = field(repr=False, default=None)
    #: Those of ``keys`` that keys.yaml has, by digest.
    file_keys: Mapping[str, ApiKey] = field(repr=False, default_factory=dict)
    faults: tuple[Fault, ...] = ()
    #: What the listeners ``listen`` and ``admin`` show of themselves, for those that speak TLS.
    certificates: Mapping[str, Certificate] = field(default_factory=dict)

    @property
    def control(self) -> Path | None:
        """The Unix socket on which a service is spoken to; None where there is none."""
        settings = self.settings
        if settings.workers.control is not None:
            return (self.directory / settings.workers.control).absolute()
        return None if settings.state_dir is None else (self.directory / settings.state_dir).absolute() / "control.sock"

    @property
    def file_templates(self) -> dict[str, Template]:
        """Those of ``templates`` that are in files."""
        return {key: item for key, item in self.templates.items() if item.source.file in self.documents}

    def fixed_faults(self, other: Configuration) -> list[Fault]:
        """What of another configuration no running service can take over."""
        faults = []
        for section, name in _FIXED:
            if getattr(getattr(self.settings, section), name) != getattr(getattr(other.settings, section), name):
                fault = Fault("gateway.yaml", 0, (section, name), "is another one: that takes a restart of the service")
                faults.append(other.place(fault))
        if self.control != other.control:
            message = "makes another control socket: that takes a restart of the service"
            place = ("state_dir",) if self.settings.workers.control is None else ("workers", "control")
            faults.append(other.place(Fault("gateway.yaml", 0, place, message)))
        return faults

    def is_swappable(self, other: Configuration) -> bool:
        """Whether another configuration can be served by the processes that serve this one: but for documents, keys and
        the rules for all of them it is the same."""
        rules: dict[str, dict[str, Any]] = {
            name: {} for name in ("always", "never_visible", "follows", "closed_lookups")
        }
        mine, others = (
            found.settings.model_copy(update={"policy": found.settings.policy.model_copy(update=rules)})
            for found in (self, other)
        )
        return (mine, self.secrets, self.database_url, self.redis_url, self.certificates) == (
            others, other.secrets, other.database_url, other.redis_url, other.certificates,
        )  # fmt: skip

    def key_named(self, identity: str) -> ApiKey | None:
        return next((key for key in self.keys.values() if key.Id == identity), None)

    def place(self, fault: Fault) -> Fault:
        document = self.documents.get(fault.file)
        return document.place(fault) if document else fault


class _Loader:
    def __init__(self, tree: Tree, environment: Mapping[str, str]) -> None:
        self.tree = tree
        self.directory = tree.directory
        self.environment = environment
        self.documents: dict[str, Document] = {}
        self.faults: list[Fault] = []

    def read(
        self, name: str, model: type[_M], prefix: tuple[str, ...] = (), change: Callable[[Any], Any] = lambda data: data
    ) -> _M | None:
        """One file as a model; its faults are kept, with their lines."""
        try:
            document = read_document(self.tree, name)
        except ConfigurationError as error:
            self.faults.extend(error.faults)
            return None
        self.documents[name] = document
        data = document.data
        for key in prefix:
            if not isinstance(data, dict) or set(data) != {key}:
                self.faults.append(Fault(name, 1, (), f"must be one object `{key}` around the template"))
                return None
            data = data[key]
        try:
            return validate(model, change(data), Source(name, prefix))
        except ConfigurationError as error:
            self.faults.extend(self._of_environment(fault) or document.place(fault) for fault in error.faults)
            return None

    def _of_environment(self, fault: Fault) -> Fault | None:
        """The fault as one of the environment, where a variable set what it is about; the file is innocent then."""
        if fault.file != "gateway.yaml":
            return None
        for name in self.environment:
            parts = tuple(name.removeprefix(settings_module.ENVIRONMENT_PREFIX).lower().split("__"))
            if (
                name.startswith(settings_module.ENVIRONMENT_PREFIX)
                and fault.path[: len(parts)] == parts[: len(fault.path)]
            ):
                return Fault(f"environment variable {name}", 0, fault.path, fault.message)
        return None

    def names(self, folder: str, suffix: str) -> list[str]:
        """Files of a folder, in order; hidden ones are Kubernetes' own (``..data``), and others are a fault."""
        visible = [name for name in self.tree.names(folder) if not name.startswith(".")]
        for name in visible:
            if not name.endswith(suffix):
                self.add(f"{folder}/{name}", (), f"is not read: its name must end in {suffix}")
        return [f"{folder}/{name}" for name in visible if name.endswith(suffix)]

    def add(self, file: str, path: tuple[str, ...], message: str) -> None:
        fault = Fault(file, 0, path, message)
        self.faults.append(self.documents[file].place(fault) if file in self.documents else fault)

    def _check_environment(self) -> None:
        """Refuse two variables that set one thing: names are read without regard to case."""
        seen: dict[str, str] = {}
        for name in sorted(self.environment):
            if name.startswith(settings_module.ENVIRONMENT_PREFIX):
                other = seen.setdefault(name.lower(), name)
                if other != name:
                    self.add(f"environment variable {name}", (), f"sets the same as {other}")

    def load(self) -> Configuration:
        self._check_environment()
        settings = self.read(
            "gateway.yaml", Settings, change=lambda data: settings_module.overlay(data, self.environment)
        )
        roles = self._roles()
        templates = self._templates()
        syndications = self._syndications()
        keys = self._keys()
        database_url = self._database_url(settings) if settings else None
        self._check_references(roles, templates, syndications, keys, with_database=database_url is not None)
        secrets = self._secrets(settings) if settings else None
        redis_url = self._redis_url(settings) if settings else None
        certificates = self._certificates(settings) if settings else {}
        if settings and settings.admin.port == settings.listen.port != 0:
            self.add("gateway.yaml", ("admin", "port"), "must not be the port of clients")
        if self.faults or settings is None or secrets is None:
            raise ConfigurationError(self.faults)
        rules = GatewayRules(
            Source("gateway.yaml"),
            settings.policy.always,
            settings.policy.never_visible,
            {**data_dictionary.FOLLOWS, **_followed(settings)},
            settings.policy.closed_lookups,
        )
        by_digest = MappingProxyType({digest: key for key in keys for digest in key.digests})
        return Configuration(
            self.directory,
            settings,
            secrets,
            MappingProxyType(roles),
            MappingProxyType(templates),
            MappingProxyType(syndications),
            by_digest,
            rules,
            MappingProxyType(self.documents),
            database_url,
            redis_url,
            by_digest,
            certificates=MappingProxyType(certificates),
        )

    def _roles(self) -> dict[str, Role]:
        roles: dict[str, Role] = {}
        for name in self.names("roles", ".yaml"):
            document = self.read(name, RoleDocument)
            if document is None:
                continue
            if document.Role in roles:
                self.add(name, ("Role",), f"the role `{document.Role}` is also in {roles[document.Role].source.file}")
            roles[document.Role] = Role(document, Source(name))
        return roles

    def _templates(self) -> dict[str, Template]:
        templates: dict[str, Template] = {}
        for name in self.names("templates", ".json"):
            document = self.read(name, TemplateDocument, ("D",))
            if document is None:
                continue
            identity = document.Id or Path(name).stem
            if identity in templates:
                self.add(name, ("D", "Id"), f"the template `{identity}` is also in {templates[identity].source.file}")
            templates[identity] = Template(identity, document, Source(name, ("D",)))
        return templates

    def _syndications(self) -> dict[str, Syndication]:
        if not self.tree.has("syndications.yaml"):
            return {}
        document = self.read("syndications.yaml", SyndicationsDocument)
        result: dict[str, Syndication] = {}
        for position, entry in enumerate(document.Syndications if document else ()):
            source = Source("syndications.yaml", ("Syndications", str(position)))
            if entry.Id in result:
                self.add("syndications.yaml", (*source.prefix, "Id"), f"the syndication `{entry.Id}` is given twice")
            result[entry.Id] = Syndication(entry, source)
        return result

    def _keys(self) -> tuple[ApiKey, ...]:
        document = self.read("keys.yaml", KeysDocument)
        identities: set[str] = set()
        digests: set[str] = set()
        subjects: set[str | None] = set()
        keys = document.Keys if document else ()
        for position, key in enumerate(keys):
            path = ("Keys", str(position))
            if key.Id in identities:
                self.add("keys.yaml", (*path, "Id"), f"the key `{key.Id}` is given twice")
            for found, message in key.faults():
                self.add("keys.yaml", (*path, *found), f"the key `{key.Id}` {message}" if not found else message)
            if (key.OldDigest is None) != (key.OldUntil is None):
                self.add("keys.yaml", (*path, "OldDigest"), "goes with `OldUntil`")
            if key.Subject is not None and key.Subject in subjects:
                self.add("keys.yaml", (*path, "Subject"), "two keys have this subject")
            subjects.add(key.Subject)
            if not digests.isdisjoint(key.digests):
                self.add("keys.yaml", (*path, "Digest"), "two keys have this secret")
            digests.update(key.digests)
            identities.add(key.Id)
        return keys

    def _check_references(
        self,
        roles: Mapping[str, Role],
        templates: Mapping[str, Template],
        syndications: Mapping[str, Syndication],
        keys: tuple[ApiKey, ...],
        *,
        with_database: bool,
    ) -> None:
        """Roles that templates name, templates that keys name; only where the other side could be read at all. A
        template may be in the database, where there is one."""
        broken_files = {fault.file for fault in self.faults}
        for template in templates.values():
            role, syndication = template.document.Role, template.document.SyndicationId
            if role not in roles and not any(file.startswith("roles/") for file in broken_files):
                known = ", ".join(f"`{name}`" for name in roles)
                self.add(template.source.file, ("D", "Role"), f"`{role}` is no role; known are {known}")
            if syndication is not None and syndication not in syndications and "syndications.yaml" not in broken_files:
                self.add(template.source.file, ("D", "SyndicationId"), f"there is no syndication `{syndication}`")
        for position, key in enumerate(keys):
            path = ("Keys", str(position))
            if (
                not with_database
                and key.Template is not None
                and key.Template not in templates
                and not any(file.startswith("templates/") for file in broken_files)
            ):
                self.add("keys.yaml", (*path, "Template"), f"there is no template `{key.Template}`")
            if (
                key.Role is not None
                and key.Role not in roles
                and not any(file.startswith("roles/") for file in broken_files)
            ):
                self.add("keys.yaml", (*path, "Role"), f"`{key.Role}` is no role")

    def _secret(self, value: str | None, file: str | None) -> str | None:
        """A secret given directly or by a file (relative to the configuration directory), without its last newline."""
        if value is not None or file is None:
            return value
        return self.tree.read(file).raw.decode("utf-8").rstrip("\r\n")

    def _database_url(self, settings: Settings) -> str | None:
        """Where templates and keys are stored: as said, else in one file among what the gateway remembers."""
        try:
            url = self._secret(settings.store.url, settings.store.url_file)
        except (OSError, UnicodeDecodeError):
            self.add("gateway.yaml", ("store", "url_file"), "the file cannot be read")
            return None
        if url is None and settings.state_dir is not None:
            return f"sqlite:///{(self.directory / settings.state_dir).absolute() / 'gateway.db'}"
        return url

    def _redis_url(self, settings: Settings) -> str | None:
        try:
            return self._secret(settings.limits.redis_url, settings.limits.redis_url_file)
        except (OSError, UnicodeDecodeError):
            self.add("gateway.yaml", ("limits", "redis_url_file"), "the file cannot be read")
            return None

    def _certificates(self, settings: Settings) -> dict[str, Certificate]:
        found = {}
        for name, tls in (("listen", settings.listen.tls), ("admin", settings.admin.tls)):
            if tls is None:
                continue
            parts = []
            for what, file in (("certificate", tls.certificate), ("key", tls.key)):
                try:
                    parts.append(self.tree.read(file).raw)
                except (OSError, ValueError):
                    self.add("gateway.yaml", (name, "tls", what), "the file cannot be read")
            if len(parts) == 2:
                try:
                    found[name] = read_certificate(*parts)
                except ValueError as error:
                    self.add("gateway.yaml", (name, "tls"), str(error))
                except OSError as error:
                    self.add("gateway.yaml", (name, "tls"), f"no temporary file can be made: {error.strerror}")
        return found

    def _secrets(self, settings: Settings) -> Secrets | None:
        security, upstream = settings.security, settings.upstream
        values: list[str | None] = []
        oauth2 = upstream.oauth2
        oauth2_secret = (oauth2.client_secret, oauth2.client_secret_file) if oauth2 else (None, None)
        for section, name, value, file in (
            ("security", "key_pepper", security.key_pepper, security.key_pepper_file),
            ("security", "token_keys", ",".join(security.token_keys) or None, security.token_keys_file),
            ("upstream", "token", upstream.token, upstream.token_file),
            ("upstream.oauth2", "client_secret", *oauth2_secret),
        ):
            try:
                # A value given directly beats a file, so that the environment beats gateway.yaml.
                values.append(self._secret(value, file))
            except (OSError, UnicodeDecodeError):
                self.add("gateway.yaml", (*section.split("."), f"{name}_file"), "the file cannot be read")
                values.append(None)
        pepper, token_keys, token, secret = values
        keys = tuple(part.strip() for part in (token_keys or "").replace("\n", ",").split(",") if part.strip())
        for key in keys:
            if len(key) != 128 or any(character not in "0123456789abcdef" for character in key):
                self.add("gateway.yaml", ("security", "token_keys"), "each key must be 64 bytes as 128 hex digits")
        if pepper is not None and len(pepper) < 16:
            self.add("gateway.yaml", ("security", "key_pepper"), "must have at least 16 characters")
        if oauth2 is not None and secret is None:
            self.add("gateway.yaml", ("upstream", "oauth2"), "`client_secret` or `client_secret_file` is needed")
        if oauth2 is not None and token is not None:
            self.add("gateway.yaml", ("upstream", "token"), "there is `oauth2` beside it, and one of them is too much")
        return Secrets(pepper, keys, token, secret)


def _followed(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return ``policy.follows`` as the compiler reads it: a resource that is independent follows nothing."""
    return {name: () if parents == "independent" else parents for name, parents in settings.policy.follows.items()}


def load_configuration(source: Path | Tree, environment: Mapping[str, str]) -> Configuration:
    """Reads a configuration directory, or what it was at some moment.

    Raises:
        ConfigurationError: every fault of every file, with file, line and path.
    """
    if isinstance(source, Path):
        if not source.is_dir():
            raise ConfigurationError([Fault(str(source), 0, (), "is not a directory")])
        source = Tree(source)
    return _Loader(source, environment).load()
