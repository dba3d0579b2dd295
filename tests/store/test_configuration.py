"""A configuration directory is whole, or every fault of every file is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gateway.errors import ConfigurationError
from gateway.sandbox.rows import sandbox_schema
from gateway.store.api_keys import digest
from gateway.store.configuration import Configuration, load_configuration
from gateway.store.documents import read_document
from gateway.store.snapshot import build_snapshot
from gateway.store.tree import Tree
from tests.support import CONFIG, TOKEN_KEY, key_file, write_configuration
from tools.schemas import schemas, text_of

SECRETS = {"GATEWAY__SECURITY__KEY_PEPPER": "p" * 16, "GATEWAY__SECURITY__TOKEN_KEYS": TOKEN_KEY}


def faults(directory: Path, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        load_configuration(directory, SECRETS if environment is None else environment)
    return [str(fault) for fault in refused.value.faults]


def load(directory: Path, **environment: str) -> Configuration:
    return load_configuration(
        directory, {**SECRETS, **{f"GATEWAY__{name}": value for name, value in environment.items()}}
    )


def test_the_example_is_whole() -> None:
    configuration = load(CONFIG)

    assert set(configuration.templates) == {"company-idx", "listing-desk", "registered-consumers"}
    assert set(configuration.roles) == {"idx", "public", "vow", "portal", "private", "desk"}
    assert {key.Id for key in configuration.keys.values()} == {
        "demo-idx",
        "demo-vow",
        "demo-private",
        "demo-desk",
        "demo-office",
    }
    assert configuration.settings.root == "/Reso/OData"


def test_every_fault_of_every_file_is_told_at_once_with_its_line(directory: Path) -> None:
    write_configuration(directory, {
        "gateway.yaml": "public_url: ftp://x\nlisten:\n  port: 99999\n  prot: 1\nupstream:\n  url: http://u/\n  profile:\n    counts: maybe\n",
        "keys.yaml": "Keys:\n  - Id: a\n    Digest: xyz\n    Role: idx\n",
        "roles/idx.yaml": "Role: idx\nResources:\n  Property:\n    Filter: 5\n    Colour: red\n",
        "templates/t.json": '{"D": {"Name": "x", "Description": "",\n "Role": "nope", "ListingPhotoLimit": -1,\n'
                            ' "FieldOverrides": {"Property": {"All": {"City": {"Rule": "Maybe"}}}}}}',
        "templates/u.json": '{"Name": "x"}',
        "syndications.yaml": "Syndications:\n  - Id: s\n    Name: s\n    Mode: perhaps\n    Field: F\n    Value: v\n",
    })  # fmt: skip

    told = faults(directory)

    for expected in (
        "gateway.yaml:1: public_url:", "gateway.yaml:3: listen.port:", "gateway.yaml:4: listen.prot: is not a known setting here",
        "gateway.yaml:8: upstream.profile.counts:", "keys.yaml:3: Keys.0.Digest:", "roles/idx.yaml:4: Resources.Property.Filter: must be a text",
        "roles/idx.yaml:5: Resources.Property.Colour: is not a known setting here", "templates/t.json:1: D.Description:",
        "templates/t.json:2: D.ListingPhotoLimit:", "templates/t.json:3: D.FieldOverrides.Property.All.City.Rule:",
        "templates/u.json:1: must be one object `D` around the template", "syndications.yaml:4: Syndications.0.Mode:",
    ):  # fmt: skip
        assert any(line.startswith(expected) for line in told), (expected, told)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "gateway.yaml",
            "public_url: http://a\npublic_url: http://b\n",
            "gateway.yaml:2: the key `public_url` is given twice",
        ),
        (
            "templates/t.json",
            '{"D": {"Name": "a",\n "Name": "b"}}',
            "templates/t.json:2: the key `Name` is given twice",
        ),
        ("roles/idx.yaml", "Role: idx\n  bad: [\n", "roles/idx.yaml:2: is not well-formed"),
        (
            "templates/t.json",
            '{"D": {"Name": "a",\n "ListingPhotoLimit": 010}}',
            "templates/t.json:2: is not well-formed: `,` or `}` is expected (character 24)",
        ),
        (
            "gateway.yaml",
            'public_url: http://a\nlimits: {default: {requests: {60: 20,\n "60": 10000}}}\n',
            "gateway.yaml:3: the key `60` is given twice",
        ),
        (
            "gateway.yaml",
            'public_url: http://a\nlimits: {default: {requests: {60: 20,\n "060": 10000}}}\n',
            "gateway.yaml:3: limits.default.requests.060: must be a whole number of seconds",
        ),
        (
            "roles/idx.yaml",
            "Role: &a idx\nResources: {Property: {Filter: *a}}\n",
            "roles/idx.yaml:1: holds the anchor `&a`",
        ),
        ("keys.yaml", "", "keys.yaml:1: does not end with a line end"),
        ("keys.yaml", "\n", "keys.yaml:1: is empty"),
        ("keys.yaml", "- a\n", "keys.yaml:1: must be a mapping"),
        ("keys.yaml", None, "keys.yaml: cannot be read: No such file or directory"),
        ("gateway.yaml", "upstream: {url: http://u}\n", "gateway.yaml:1: public_url: is missing"),
    ],
)
def test_broken_files(directory: Path, name: str, text: str | None, expected: str) -> None:
    write_configuration(directory, {name: text})

    assert any(line.startswith(expected) for line in faults(directory)), faults(directory)


def test_a_file_that_is_not_utf8_is_told(directory: Path) -> None:
    write_configuration(directory)
    (directory / "keys.yaml").write_bytes(b"Keys: \xff\n")

    assert faults(directory) == ["keys.yaml: is not UTF-8"]


def test_json_templates_may_be_indented_by_tabs(directory: Path) -> None:
    text = '{\n\t"D": {\n\t\t"Name": "x", "Description": "y", "Role": "idx"\n\t}\n}'

    assert "t" in load(write_configuration(directory, {"templates/t.json": text})).templates


def test_references_must_exist(directory: Path) -> None:
    write_configuration(directory, {
        "templates/t.json": {"D": {"Name": "x", "Description": "y", "Role": "broker", "SyndicationId": "none"}},
        "keys.yaml": "Keys:\n"
        f"  - {{Id: a, Digest: {'a' * 64}, Template: gone}}\n"
        f"  - {{Id: b, Digest: {'b' * 64}, Role: gone}}\n"
        f"  - {{Id: c, Digest: {'c' * 64}}}\n"
        f"  - {{Id: d, Digest: {'c' * 64}, Role: idx, Template: t}}\n"
        f"  - {{Id: a, Digest: {'d' * 64}, Role: idx}}\n",
    })  # fmt: skip

    told = faults(directory)

    for expected in (
        "templates/t.json:1: D.Role: `broker` is no role; known are `desk`, `idx`", "D.SyndicationId: there is no syndication `none`",
        "keys.yaml:2: Keys.0.Template: there is no template `gone`", "keys.yaml:3: Keys.1.Role: `gone` is no role",
        "the key `c` must have either a Template or a Role", "the key `d` must have either a Template or a Role", "two keys have this secret",
        "the key `a` is given twice",
    ):  # fmt: skip
        assert any(expected in line for line in told), (expected, told)


def test_a_heading_without_lines_under_it_says_nothing(directory: Path) -> None:
    text = "public_url: http://a/b\nlisten:\nupstream:\n  url: http://u/\n  profile:\npolicy:\n  always:\n"

    settings = load(write_configuration(directory, {"gateway.yaml": text})).settings

    assert (settings.listen.port, settings.upstream.profile.counts, settings.policy.always) == (8080, "untrusted", {})


def test_the_environment_beats_the_file() -> None:
    settings = load(
        CONFIG, LISTEN__PORT="9999", PUBLIC_URL="https://mls.example", UPSTREAM__PROFILE__COUNTS="untrusted"
    ).settings

    assert (settings.listen.port, settings.root, settings.upstream.profile.counts) == (9999, "", "untrusted")


def test_secrets_come_from_files_too_and_are_never_printed(directory: Path) -> None:
    write_configuration(directory)
    (directory / "pepper").write_text("pepper of a file, long\n")
    (directory / "tokens").write_text(f"{TOKEN_KEY}\n{'cd' * 64}\n")
    files = {"GATEWAY__SECURITY__KEY_PEPPER_FILE": "pepper", "GATEWAY__SECURITY__TOKEN_KEYS_FILE": "tokens"}

    configuration = load_configuration(directory, files)

    assert configuration.secrets.key_pepper == "pepper of a file, long"
    assert configuration.secrets.token_keys == (TOKEN_KEY, "cd" * 64)
    assert "pepper of a file" not in repr(configuration.secrets)
    assert TOKEN_KEY not in repr(configuration.secrets)


def test_bad_secrets_are_told_without_showing_them(directory: Path) -> None:
    write_configuration(directory)
    told = faults(directory, {
        "GATEWAY__SECURITY__KEY_PEPPER": "short", "GATEWAY__SECURITY__TOKEN_KEYS": "zz" * 64, "GATEWAY__UPSTREAM__TOKEN_FILE": "gone",
    })  # fmt: skip

    assert any("key_pepper: must have at least 16 characters" in line for line in told)
    assert any("token_keys: each key must be 64 bytes" in line for line in told)
    assert any("upstream.token_file: the file cannot be read" in line for line in told)
    assert not any("short" in line or "zz" in line for line in told)


def test_a_digest_depends_on_the_pepper() -> None:
    assert digest("demo-idx", "pepper of the demo, no secret") in load(CONFIG).keys
    assert digest("demo-idx", "p" * 16) not in load(CONFIG).keys


# --- an empty list opens nothing

_ROLE = "Role: idx\nResources:\n  Property:\n"
_KEY = f"Keys:\n  - Id: a\n    Digest: {'a' * 64}\n    Role: idx\n"
_GATEWAY = "public_url: http://a/b\nupstream:\n  url: http://u/\n"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("keys.yaml", f"{_KEY}    Addresses: []\n", "keys.yaml:5: Keys.0.Addresses: must not be empty"),
        (
            "keys.yaml",
            f"{_KEY}    Bindings: {{MemberKey: ''}}\n",
            "keys.yaml:5: Keys.0.Bindings.MemberKey: must not be empty",
        ),
        ("roles/idx.yaml", f"{_ROLE}    Always: []\n", "roles/idx.yaml:4: Resources.Property.Always: must not be empty"),
        ("roles/idx.yaml", f"{_ROLE}    Always:\n", "roles/idx.yaml:4: Resources.Property.Always: must be a list"),
        (
            "roles/idx.yaml",
            f"{_ROLE}    Fields: {{All: {{Hidden: []}}}}\n",
            "roles/idx.yaml:4: Resources.Property.Fields.All.Hidden: must not be empty",
        ),
        (
            "roles/idx.yaml",
            f"{_ROLE}    Fields: {{All: {{When: [{{Condition: 'X eq 1', Fields: []}}]}}}}\n",
            "roles/idx.yaml:4: Resources.Property.Fields.All.When.0.Fields: must not be empty",
        ),
        (
            "roles/idx.yaml",
            f"{_ROLE}    Writes: {{Required: {{POST: []}}}}\n",
            "roles/idx.yaml:4: Resources.Property.Writes.Required.POST: must not be empty",
        ),
        (
            "roles/idx.yaml",
            f"{_ROLE}    Default: Hidden\nNeverVisible:\n  Property: []\n",
            "roles/idx.yaml:6: NeverVisible.Property: must not be empty",
        ),
        (
            "gateway.yaml",
            f"{_GATEWAY}policy:\n  always:\n    Property: []\n",
            "gateway.yaml:6: policy.always.Property: must not be empty",
        ),
        (
            "gateway.yaml",
            f"{_GATEWAY}policy:\n  always:\n    Property:\n",
            "gateway.yaml:6: policy.always.Property: must be a list",
        ),
        (
            "gateway.yaml",
            f"{_GATEWAY}policy:\n  never_visible:\n    Property: []\n",
            "gateway.yaml:6: policy.never_visible.Property: must not be empty",
        ),
        (
            "gateway.yaml",
            f"{_GATEWAY}policy:\n  never_visible:\n    Property:\n",
            "gateway.yaml:6: policy.never_visible.Property: must be a list",
        ),
        (
            "gateway.yaml",
            f"{_GATEWAY}policy:\n  follows:\n    Media: []\n",
            "gateway.yaml:6: policy.follows.Media: must not be empty",
        ),
        (
            "gateway.yaml",
            f"{_GATEWAY}limits:\n  keys:\n    a: {{}}\n",
            "gateway.yaml:6: limits.keys.a: must name a limit, or say `unlimited: true`",
        ),
        (
            "gateway.yaml",
            f"{_GATEWAY}limits:\n  roles:\n    idx: {{unlimited: true, concurrent: 2}}\n",
            "gateway.yaml:6: limits.roles.idx: must name a limit, or say `unlimited: true` and nothing else",
        ),
        (
            "gateway.yaml",
            f"{_GATEWAY}limits:\n  default:\n    requests: {{}}\n",
            "gateway.yaml:6: limits.default.requests: must not be empty",
        ),
        (
            "gateway.yaml",
            f"{_GATEWAY}  profile:\n    class_values: {{Land: []}}\n",
            "gateway.yaml:5: upstream.profile.class_values.Land: must not be empty",
        ),
        (
            "gateway.yaml",
            f"{_GATEWAY}security:\n  jwt: {{issuer: a, audience: b, jwks_url: 'https://a/b', algorithms: []}}\n",
            "gateway.yaml:5: security.jwt.algorithms: must not be empty",
        ),
        *(
            ("gateway.yaml", f"{_GATEWAY}{section}:\n  {name}: ''\n", f"gateway.yaml:5: {section}.{name}: must not be empty")
            for section, name in (
                ("listen", "host"), ("admin", "host"), ("workers", "control"), ("log", "decisions"), ("store", "url"),
                ("store", "url_file"), ("security", "key_pepper_file"), ("security", "token_keys_file"),
                ("limits", "redis_url_file"),
            )
        ),
        ("gateway.yaml", f"{_GATEWAY}state_dir: ''\n", "gateway.yaml:4: state_dir: must not be empty"),
    ],
)  # fmt: skip
def test_an_empty_value_of_what_restricts_is_a_fault(directory: Path, name: str, text: str, expected: str) -> None:
    write_configuration(directory, {name: text})

    assert any(line.startswith(expected) for line in faults(directory)), faults(directory)


@pytest.mark.parametrize(
    "name", ["LISTEN__HOST", "ADMIN__HOST", "SECURITY__TRUSTED_PROXIES", "SECURITY__JWT__ALGORITHMS"]
)
def test_an_empty_environment_variable_opens_nothing(directory: Path, name: str) -> None:
    """A socket on the host "" listens on every address; templating leaves such variables empty."""
    write_configuration(directory)

    told = faults(directory, {**SECRETS, f"GATEWAY__{name}": ""})

    assert any(line.startswith(f"environment variable GATEWAY__{name}") for line in told), told


def test_a_list_of_what_is_allowed_may_be_empty(directory: Path) -> None:
    """Nobody is trusted, no permission is given, no resource and no field exists: empty closes these."""
    write_configuration(directory, {
        "gateway.yaml": f"{_GATEWAY}security: {{trusted_proxies: []}}\n",
        "keys.yaml": f"{_KEY}    Permissions: []\n",
        "roles/idx.yaml": "Role: idx\nResources: {Property: {Fields: {All: {Visible: [], When: []}}, Writes: {Methods: [], Fields: []}}}\n",
        "roles/desk.yaml": None, "templates/listing-desk.json": None, "templates/company-idx.json": None,
        "syndications.yaml": "Syndications: []\n",
    })  # fmt: skip

    found = load(directory)

    assert (found.settings.security.trusted_proxies, found.syndications) == ((), {})


def test_two_variables_that_set_one_thing_are_a_fault(directory: Path) -> None:
    write_configuration(directory)

    told = faults(directory, {**SECRETS, "GATEWAY__LISTEN__PORT": "1", "GATEWAY__listen__port": "2"})

    assert told == ["environment variable GATEWAY__listen__port: sets the same as GATEWAY__LISTEN__PORT"]


def test_what_follows_nothing_says_so(directory: Path) -> None:
    text = f"{_GATEWAY}policy:\n  follows:\n    Media: independent\n"

    found = load(write_configuration(directory, {"gateway.yaml": text}))

    assert found.rules.follows["Media"] == ()
    assert found.rules.follows["OpenHouse"] == ("Property",)


# --- schemas for editors, and files that are being written


def test_the_shipped_schemas_are_those_of_the_models() -> None:
    for name, schema in schemas().items():
        assert (CONFIG / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8") == text_of(schema), (
            f"run python -m tools.schemas ({name})"
        )


def test_the_example_files_satisfy_their_schemas() -> None:
    files = {"gateway": ["gateway.yaml"], "keys": ["keys.yaml"], "syndications": ["syndications.yaml"]}
    files["role"] = [f"roles/{path.name}" for path in (CONFIG / "roles").iterdir()]
    files["template"] = [f"templates/{path.name}" for path in (CONFIG / "templates").iterdir()]
    for name, paths in files.items():
        validator = Draft202012Validator(schemas()[name])
        for path in paths:
            assert not list(validator.iter_errors(read_document(Tree(CONFIG), path).data)), path


@pytest.mark.parametrize("name", ["gateway.yaml", "templates/company-idx.json", "roles/idx.yaml", "keys.yaml"])
def test_a_file_cut_in_the_middle_of_a_line_is_a_fault(directory: Path, name: str) -> None:
    """YAML cannot tell a file that ends early from a shorter one; its last line must be whole, and JSON must close."""
    write_configuration(directory)
    text = (CONFIG / name).read_text(encoding="utf-8").rstrip()
    for end in range(1, len(text), max(1, len(text) // 25)):
        if text[end - 1] != "\n":
            (directory / name).write_text(text[:end], encoding="utf-8")
            assert any(line.startswith(name) for line in faults(directory)), end


@pytest.mark.parametrize("name", ["gateway.yaml", "templates/company-idx.json", "keys.yaml"])
def test_a_file_that_is_a_folder_or_unreadable_is_told(directory: Path, name: str) -> None:
    write_configuration(directory)
    (directory / name).unlink()
    (directory / name).mkdir()

    assert any(line.startswith(f"{name}: cannot be read") for line in faults(directory))


def test_a_template_cannot_pass_for_a_role(directory: Path) -> None:
    """An attack found this: a template whose id was `role:private` had the policy of that role."""
    body = {"D": {"Name": "x", "Description": "y", "Role": "idx", "Id": "role:private"}}
    write_configuration(directory, {"templates/t.json": body, "keys.yaml": key_file(k="Template: 'role:private'")})

    snapshot = build_snapshot(1, load(directory), sandbox_schema())

    (key,) = snapshot.configuration.keys.values()
    policy = snapshot.policy_of(key)
    assert policy is not None
    assert policy.role == "idx"


def test_no_digest_is_printed() -> None:
    found = load_configuration(CONFIG, {})

    assert not any(key in repr(found) for key in found.keys)


@pytest.mark.parametrize(
    ("privileges", "fault"),
    [
        ("[DelegatedAccess, Everything]", "keys.yaml:4: Keys.0.Privileges.1: "),
        ("[delegatedaccess]", "keys.yaml:4: Keys.0.Privileges.0: "),
        ("[manage_keys]", "keys.yaml:4: Keys.0.Privileges.0: "),
        ("DelegatedAccess", "keys.yaml:4: Keys.0.Privileges: must be a list"),
        ("null", "keys.yaml:4: Keys.0.Privileges: must be a list"),
        ("{DelegatedAccess: true}", "keys.yaml:4: Keys.0.Privileges: must be a list"),
    ],
)
def test_an_unknown_privilege_is_a_fault_with_its_line(directory: Path, privileges: str, fault: str) -> None:
    write_configuration(directory, {"keys.yaml": key_file(k=f"Role: idx\n    Privileges: {privileges}")})

    assert [line.startswith(fault) for line in faults(directory)] == [True]


def test_an_unknown_privilege_of_a_role_is_a_fault_with_its_line(directory: Path) -> None:
    text = "Role: idx\nResources:\n  Office:\n    Default: Visible\n    Privilege: Everything\n"
    write_configuration(directory, {"roles/idx.yaml": text})

    assert [line.startswith("roles/idx.yaml:5: Resources.Office.Privilege: ") for line in faults(directory)] == [True]


@pytest.mark.parametrize("grant", ["Template: company-idx", "Role: idx", "Role: private", "Template: listing-desk"])
@pytest.mark.parametrize(("privileges", "held"), [("[DelegatedAccess]", ("DelegatedAccess",)), ("[]", ())])
def test_a_privilege_goes_with_any_template_or_role_and_an_empty_list_means_none(
    directory: Path, grant: str, privileges: str, held: tuple[str, ...]
) -> None:
    write_configuration(directory, {"keys.yaml": key_file(k=f"{grant}\n    Privileges: {privileges}")})

    (key,) = load(directory).keys.values()

    assert key.Privileges == held
