"""Derives what the project ships from facts of the RESO Data Dictionary 2.0: names, types, relations, flags.

    python tools/derive.py FACTS

FACTS is a folder with dd-2.0-fields.csv, dd-2.0-lookups.csv, dd-2.0-navigation.csv and sensitive-fields.csv
(columns as their header lines say). Written are:

    gateway/policy/data_dictionary.py   names of resources and fields, classes, relations, what follows what
    config/roles/*.yaml                 the five base roles
    gateway/sandbox/metadata.xml        the model of the sandbox
    gateway/sandbox/lookups.json        values for its synthetic records

The output is committed, so nobody needs FACTS to build, run or test. docs/policy.md says how the roles come about.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from pathlib import Path
from xml.sax.saxutils import quoteattr

ROOT = Path(__file__).resolve().parent.parent

CLASSES = {
    "RESI": ("Residential", "Residential"),
    "RLSE": ("Residential Lease", "ResidentialLease"),
    "RINC": ("Residential Income", "ResidentialIncome"),
    "LAND": ("Land", "Land"),
    "MOBI": ("Manufactured In Park", "ManufacturedInPark"),
    "FARM": ("Farm", "Farm"),
    "COMS": ("Commercial Sale", "CommercialSale"),
    "COML": ("Commercial Lease", "CommercialLease"),
    "BUSO": ("Business Opportunity", "BusinessOpportunity"),
}
#: Rows that exist for their parent's sake (P6).
FOLLOWS: dict[str, tuple[str, ...]] = {
    "Media": ("Property", "Member", "Office"),
    "OpenHouse": ("Property",),
    "PropertyRooms": ("Property",),
    "PropertyUnitTypes": ("Property",),
    "PropertyGreenVerification": ("Property",),
    "PropertyPowerProduction": ("Property",),
    "SocialMedia": ("Property", "Member", "Office", "OpenHouse", "Teams"),
    "OtherPhone": ("Member", "Contacts"),
    "HistoryTransactional": ("Property", "Member", "Office", "OpenHouse", "Media"),
    "EntityEvent": ("Property", "Member", "Office", "OpenHouse", "Media"),
    "ExternalProducts": ("Office",),
    "DelegatedAccess": ("Office",),
}
#: Lists of an office that Spark's page of Office has and the Data Dictionary has not: resource to its fields, the key
#: first. The navigation of Office is called as the resource is, and ``OfficeKey`` ties the two.
SPARK_OFFICE: dict[str, tuple[str, ...]] = {
    "ExternalProducts": ("ExternalProductKey", "OfficeKey", "ProductName"),
    "DelegatedAccess": ("Id", "OfficeKey", "AsUser", "AllUsers", "BrokerloadOverride"),
}
#: Those that only keys with the privilege of the same name see.
PRIVILEGED = {"DelegatedAccess"}

# --- what the roles take from the facts -------------------------------------------------------------------------

ATTRIBUTION = ("AttributionContact", "CopyrightNotice", "Disclaimer")
#: Reasons of sensitive-fields.csv that make a field part of the address closure: shown with the seller's consent.
ADDRESS = {"address", "geolocation", "parcel identity", "address copy"}
ADDRESS_EXTRA = ("Directions", "VirtualTourURLUnbranded", "CrossStreet")
#: Reasons that keep a field out of every role but private.
CONFIDENTIAL = {
    "agent-only remarks",
    "physical access",
    "showing instructions",
    "showing contact person",
    "owner identity",
    "occupant identity",
    "vacancy security hint",
    "broker compensation",
    "seller concessions",
    "listing agreement type",
    "contract dates",
    "agent private phone",
    "home address",
    "private phone",
    "login name",
    "credential",
    "business confidential",
    "membership internals",
    "editor identity",
    "dues data",
    "third-party contact",
    "impersonation right",
    "private contact",
    "private event link",
    "guessable file id",
    "licence number",
    "contract terms",
    "syndication-only remarks",
    "embedded markup",
}
#: What VOW sees beyond IDX (DOMAIN 3.10): market times, price history, sold data.
VOW_REASONS = {"market time", "price history", "sold data"}
VOW_EXTRA = ("Latitude", "Longitude", "ListAgentKey", "ListOfficeKey", "CoListAgentKey", "OriginalEntryTimestamp")
#: Public (e-mail recipients) loses agents' addresses and phones.
CONTACT_FIELDS = ("MemberEmail", "MemberPreferredPhone", "MemberPreferredPhoneExt", "OfficePhone")
CREDENTIALS = {"Member": ("MemberPassword", "MemberLoginId"), "Contacts": ("ContactPassword", "ContactLoginId")}
PARTICIPANT_RESOURCES = ("Property", "Member", "Office", "Media", "OpenHouse")
VOW_RESOURCES = ("PropertyRooms", "PropertyUnitTypes")
NAVIGATION: dict[str, tuple[str, ...]] = {
    "Property": ("Media", "OpenHouse", "OpenHouses", "ListAgent", "CoListAgent", "ListOffice"),
    "Member": ("Office", "Media"),
    "Office": ("Media", *SPARK_OFFICE),
    "OpenHouse": (),
    "Media": (),
}
PRIVATE_RESOURCES = (
    *PARTICIPANT_RESOURCES,
    "PropertyRooms",
    "PropertyUnitTypes",
    "PropertyGreenVerification",
    "PropertyPowerProduction",
    *SPARK_OFFICE,
)

# --- what the sandbox has ---------------------------------------------------------------------------------------

SANDBOX_RESOURCES = ("Property", "Member", "Office", "Media", "OpenHouse", "PropertyRooms", "PropertyUnitTypes")
SANDBOX_PROPERTY_EXTRA: tuple[str, ...] = (
    "AttributionContact",
    "CopyrightNotice",
    "Disclaimer",
    "PrivateRemarks",
    "PrivateOfficeRemarks",
    "SyndicationRemarks",
    "OwnerName",
    "OwnerPhone",
    "OccupantName",
    "OccupantPhone",
    "OccupantType",
    "ShowingInstructions",
    "ShowingContactName",
    "ShowingContactPhone",
    "LockBoxLocation",
    "LockBoxSerialNumber",
    "LockBoxType",
    "AccessCode",
    "ListingAgreement",
    "ExpirationDate",
    "WithdrawnDate",
    "CancellationDate",
    "OffMarketDate",
    "PurchaseContractDate",
    "BuyerBrokerageCompensation",
    "BuyerBrokerageCompensationType",
    "ConcessionsAmount",
    "ConcessionsComments",
    "OriginalListPrice",
    "PreviousListPrice",
    "ListPriceLow",
    "DaysOnMarket",
    "CumulativeDaysOnMarket",
    "Latitude",
    "Longitude",
    "SyndicateTo",
    "ListAgentKey",
    "CoListAgentKey",
    "ListOfficeKey",
    "BuyerAgentKey",
    "BuyerOfficeKey",
    "ListAgentEmail",
    "ListAgentDirectPhone",
    "ListAgentMobilePhone",
    "ListOfficePhone",
    "VideosCount",
    "DocumentsCount",
    "OriginalEntryTimestamp",
    "BusinessName",
    "GrossIncome",
    "CapRate",
    "TaxLegalDescription",
    "CrossStreet",
    "Country",
    "Furnished",
    "LeaseTerm",
    "TenantPays",
    "AvailabilityDate",
)
SANDBOX_LOCAL: dict[str, tuple[tuple[str, str, dict[str, str]], ...]] = {
    "Property": (
        ("TotalBaths", "Edm.Decimal", {"Precision": "14", "Scale": "2"}),
        ("Coordinates", "Edm.GeographyPoint", {}),
        ("SoldPrice", "Edm.Decimal", {"Precision": "14", "Scale": "2"}),
        ("ContractStatus", "Edm.String", {"MaxLength": "50"}),
        ("ChangedByMemberKey", "Edm.String", {"MaxLength": "255"}),
        ("IDXOptInYN", "Edm.Boolean", {}),
    ),
}
#: Lookups of the sandbox that are closed: its metadata lists their values (Validation.AllowedValues).
SANDBOX_CLOSED: dict[str, tuple[str, ...]] = {
    "StandardStatus": (
        "Active", "Active Under Contract", "Canceled", "Closed", "Coming Soon", "Delete", "Expired", "Hold",
        "Incomplete", "Pending", "Withdrawn", "Sold",
    ),
}  # fmt: skip
SANDBOX_NAVIGATION: dict[str, tuple[str, ...]] = {
    "Property": ("Media", "OpenHouse", "Rooms", "UnitTypes", "ListAgent", "CoListAgent", "ListOffice", "BuyerAgent"),
    "Member": ("Office", "Media"),
    "Office": ("MainOffice", "OfficeBroker", "Media"),
    "OpenHouse": ("Listing", "ShowingAgent"),
    "PropertyRooms": ("Listing",),
    "PropertyUnitTypes": ("Listing",),
    "Media": (),
}
#: Sets of the sandbox that are no resource of the Data Dictionary's tables: (field, type, facets), the key first.
SANDBOX_LOCAL_SETS: dict[str, tuple[tuple[str, str, dict[str, str]], ...]] = {
    "ExternalProducts": (
        ("ExternalProductKey", "Edm.String", {"MaxLength": "255"}),
        ("OfficeKey", "Edm.String", {"MaxLength": "255"}),
        ("ProductName", "Edm.String", {"MaxLength": "255"}),
    ),
    "DelegatedAccess": (
        ("Id", "Edm.String", {"MaxLength": "255"}),
        ("OfficeKey", "Edm.String", {"MaxLength": "255"}),
        ("AsUser", "Edm.Boolean", {}),
        ("AllUsers", "Edm.Boolean", {}),
        ("BrokerloadOverride", "Edm.Boolean", {}),
    ),
    "Lookup": (
        ("LookupKey", "Edm.String", {"MaxLength": "255"}),
        ("LookupName", "Edm.String", {"MaxLength": "255"}),
        ("LookupValue", "Edm.String", {"MaxLength": "255"}),
        ("StandardLookupValue", "Edm.String", {"MaxLength": "255"}),
        ("LegacyODataValue", "Edm.String", {"MaxLength": "255"}),
        ("ModificationTimestamp", "Edm.DateTimeOffset", {}),
    ),
}
#: Navigation to lists that the Data Dictionary's tables do not have: resource to names, which are those of the sets.
SANDBOX_LOCAL_NAVIGATION: dict[str, tuple[str, ...]] = {"Office": tuple(SPARK_OFFICE)}


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: str, text: str) -> None:
    target = ROOT / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print(path)


def wrap(names: list[str], indent: int) -> str:
    lines, line = [], " " * indent
    for name in names:
        if len(line) + len(name) + 1 > 110:
            lines.append(line.rstrip())
            line = " " * indent
        line += name + " "
    return "\n".join([*lines, line.rstrip()])


# --- gateway/policy/data_dictionary.py --------------------------------------------------------------------------


def data_dictionary(fields: list[dict[str, str]], navigation: list[dict[str, str]]) -> str:
    names: dict[str, list[str]] = defaultdict(list)
    for row in fields:
        names[row["resource"]].append(row["field"])
    relations = []
    for row in navigation:
        spellings = {row["navigation"], row["name_in_reference_edmx"] or row["navigation"]}
        names[row["resource"]].extend(sorted(spellings))
        if row["local_field"] and row["target_field"]:
            discriminator, _, value = row["discriminator"].partition("=")
            for spelling in sorted(spellings):
                relations.append(
                    (
                        row["resource"],
                        spelling,
                        row["local_field"],
                        row["target"],
                        row["target_field"],
                        discriminator,
                        value,
                    )
                )
    for resource, members in SPARK_OFFICE.items():
        names[resource].extend(members)
        names["Office"].append(resource)
        relations.append(("Office", resource, "OfficeKey", resource, "OfficeKey", "", ""))
    out = [
        '"""Facts of the RESO Data Dictionary 2.0, and two lists of an office that the Spark page of Office adds.',
        "",
        "Written by tools/derive.py; change that, not this.",
        "",
        "Names only serve to tell a Data Dictionary name that an upstream lacks from a mistake (P10); types come",
        'from the metadata of the upstream."""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Mapping",
        "",
        "#: Class of Property to its member name where enumerations are used.",
        "CLASSES: Mapping[str, str] = {",
    ]
    out += [f"    {name!r}: {legacy!r}," for name, legacy in CLASSES.values()]
    out += [
        "}",
        "",
        "#: Dependent resource to the resources that its rows follow (P6).",
        "FOLLOWS: Mapping[str, tuple[str, ...]] = {",
    ]
    out += [f"    {name!r}: {parents!r}," for name, parents in FOLLOWS.items()]
    out += [
        "}",
        "",
        '#: (resource, navigation) to (local field, target, its field, discriminator field or "", value or "").',
        "RELATIONS: Mapping[tuple[str, str], tuple[str, str, str, str, str]] = {",
    ]
    out += [
        f"    {(r, n)!r}: {(local, target, referenced, disc, value)!r},"
        for r, n, local, target, referenced, disc, value in relations
    ]
    out += ["}", "", "_NAMES = {"]
    for resource in sorted(names):
        out += [f'    {resource!r}: """', wrap(sorted(set(names[resource])), 8), '    """,']
    out += [
        "}",
        "",
        "#: Resource to the names of its fields and navigation properties.",
        "FIELDS: Mapping[str, frozenset[str]] = {name: frozenset(text.split()) for name, text in _NAMES.items()}",
        "",
    ]
    return "\n".join(out).replace("'", '"')


# --- config/roles -----------------------------------------------------------------------------------------------


def yaml_list(names: list[str], indent: int) -> str:
    text = wrap([name + "," for name in names], indent).rstrip(",")
    return "[\n" + text + "\n" + " " * (indent - 2) + "]"


#: Rows about the model itself, written by the gateway from what the key can see.
COMPUTED = ("  Field:", "    Default: Visible", "  Lookup:", "    Default: Visible")


class Roles:
    def __init__(
        self, fields: list[dict[str, str]], navigation: list[dict[str, str]], sensitive: list[dict[str, str]]
    ) -> None:
        self.fields: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in fields:
            self.fields[row["resource"]].append(row)
        self.why = {(row["resource"], row["field"]): row["why"] for row in sensitive}

    def idx(self, resource: str) -> list[str]:
        keys = {row["field"] for row in self.fields[resource] if row["is_key"] == "1"}
        flagged = {row["field"] for row in self.fields[resource] if row["idx_payload"] == "1"}
        if resource == "Property":
            flagged |= set(ATTRIBUTION)
        return sorted(name for name in flagged | keys if self.why.get((resource, name)) not in CONFIDENTIAL)

    def vow(self, resource: str) -> list[str]:
        names = set(self.idx(resource))
        if resource == "Property":
            names |= {
                row["field"] for row in self.fields[resource] if self.why.get((resource, row["field"])) in VOW_REASONS
            } | set(VOW_EXTRA)
        if resource in VOW_RESOURCES:
            names |= {
                row["field"]
                for row in self.fields[resource]
                if self.why.get((resource, row["field"])) not in CONFIDENTIAL
            }
        return sorted(names)

    def address(self) -> set[str]:
        return {name for (resource, name), why in self.why.items() if resource == "Property" and why in ADDRESS} | set(
            ADDRESS_EXTRA
        )

    def participant(self, role: str, description: str, statuses: list[str], *, vow: bool, contacts: bool) -> str:
        out = [
            f"# Base role {role}. Written by tools/derive.py from the Data Dictionary; docs/policy.md says how.",
            "# A starting point: the MLS decides what its licences show. Copy it, change it, keep your own.",
            f"Role: {role}",
            f"Description: {description}",
            "NeverVisible:",
        ]
        for resource, hidden in CREDENTIALS.items():
            out.append(f"  {resource}: [{', '.join(hidden)}]")
        out.append("Resources:")
        for resource in (*PARTICIPANT_RESOURCES, *(VOW_RESOURCES if vow else ())):
            names = self.vow(resource) if vow else self.idx(resource)
            if not contacts:
                names = [name for name in names if name not in CONTACT_FIELDS]
            names += list(NAVIGATION.get(resource, ()))
            if resource == "Property" and vow:
                names += ["Rooms", "UnitTypes"]
            out.append(f"  {resource}:")
            conditional: list[str] = []
            if resource == "Property":
                quoted = ",".join(f"'{status}'" for status in statuses)
                out.append(f'    Filter: "StandardStatus in ({quoted})"')
                out.append("    # The seller's opt-out of the whole listing (NAR 18.2.3): no template lifts it.")
                out.append('    Always: ["InternetEntireListingDisplayYN eq true"]')
                conditional = [name for name in names if name in self.address()]
                names = [name for name in names if name not in self.address()]
            if resource == "OpenHouse":
                out.append("    Filter: \"OpenHouseType in ('Public','Livestream Public')\"")
            out += ["    Fields:", "      All:", f"        Visible: {yaml_list(names, 10)}"]
            if conditional:
                out += [
                    "        # The seller's opt-out of the address: everything that tells it, or leads to it.",
                    "        When:",
                    '          - Condition: "InternetAddressDisplayYN eq true"',
                    f"            Fields: {yaml_list(conditional, 14)}",
                ]
        for resource, members in SPARK_OFFICE.items():
            out += [*self._opened(resource), "    Fields:", "      All:", f"        Visible: [{', '.join(members)}]"]
        return "\n".join([*out, *COMPUTED]) + "\n"

    def private(self) -> str:
        out = [
            "# Base role private: staff of the MLS and of associations. Written by tools/derive.py.",
            "# Everything but credentials; new upstream fields are visible, so watch what an upgrade brings.",
            "Role: private",
            "Description: MLS and association staff",
            "NeverVisible:",
        ]
        for resource, hidden in CREDENTIALS.items():
            out.append(f"  {resource}: [{', '.join(hidden)}]")
        out.append("Resources:")
        for resource in PRIVATE_RESOURCES:
            out += [*self._opened(resource), "    Default: Visible"]
        return "\n".join([*out, *COMPUTED]) + "\n"

    @staticmethod
    def _opened(resource: str) -> list[str]:
        """The first lines of a resource's entry."""
        if resource not in PRIVILEGED:
            return [f"  {resource}:"]
        return [
            f"  {resource}:",
            "    # Who may act as whom. The resource exists only for keys with this privilege (docs/policy.md).",
            f"    Privilege: {resource}",
        ]


# --- gateway/sandbox --------------------------------------------------------------------------------------------


class Sandbox:
    def __init__(
        self, fields: list[dict[str, str]], navigation: list[dict[str, str]], lookups: list[dict[str, str]]
    ) -> None:
        self.fields = [row for row in fields if row["resource"] in SANDBOX_RESOURCES and self._kept(row)]
        self.navigation = {(row["resource"], row["navigation"]): row for row in navigation}
        self.lookups = lookups

    @staticmethod
    def _kept(row: dict[str, str]) -> bool:
        if row["resource"] != "Property":
            return True
        return row["idx_payload"] == "1" or row["field"] in SANDBOX_PROPERTY_EXTRA

    def metadata(self) -> str:
        out = [
            '<?xml version="1.0" encoding="UTF-8"?>',
            "<!-- The model of the sandbox. Written by tools/derive.py from names and types of the Data",
            "     Dictionary 2.0, with local fields of our own. -->",
            '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">',
            " <edmx:DataServices>",
            '  <Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Sandbox">',
        ]
        for resource in SANDBOX_RESOURCES:
            out += self._entity_type(resource)
        for name, members in SANDBOX_LOCAL_SETS.items():
            out += [f'   <EntityType Name="{name}">', f'    <Key><PropertyRef Name="{members[0][0]}"/></Key>']
            out += [self._property(field, kind, False, facets, number == 0, "")
                    for number, (field, kind, facets) in enumerate(members)]  # fmt: skip
            out.append("   </EntityType>")
        out.append('   <EntityContainer Name="Container">')
        for resource in SANDBOX_RESOURCES:
            out.append(f'    <EntitySet Name="{resource}" EntityType="Sandbox.{resource}">')
            for name in SANDBOX_NAVIGATION[resource]:
                target = self.navigation[resource, name]["target"]
                out.append(f'     <NavigationPropertyBinding Path="{name}" Target="{target}"/>')
            for name in SANDBOX_LOCAL_NAVIGATION.get(resource, ()):
                out.append(f'     <NavigationPropertyBinding Path="{name}" Target="{name}"/>')
            out.append("    </EntitySet>")
        out += [f'    <EntitySet Name="{name}" EntityType="Sandbox.{name}"/>' for name in SANDBOX_LOCAL_SETS]
        out += ["   </EntityContainer>", "  </Schema>", " </edmx:DataServices>", "</edmx:Edmx>", ""]
        return "\n".join(out)

    def _entity_type(self, resource: str) -> list[str]:
        mine = [row for row in self.fields if row["resource"] == resource]
        keys = [row["field"] for row in mine if row["is_key"] == "1"]
        out = [
            f'   <EntityType Name="{resource}">',
            "    <Key>",
            *(f'     <PropertyRef Name="{key}"/>' for key in keys),
            "    </Key>",
        ]
        for row in mine:
            attributes = {"MaxLength": row["max_length"], "Precision": row["precision"], "Scale": row["scale"]}
            out.append(
                self._property(
                    row["field"],
                    row["edm_type"],
                    row["is_collection"] == "1",
                    attributes,
                    row["is_key"] == "1",
                    row["lookup_name"],
                )
            )
        for name, edm_type, attributes in SANDBOX_LOCAL.get(resource, ()):
            out.append(self._property(name, edm_type, False, attributes, False, ""))
        for name in SANDBOX_NAVIGATION[resource]:
            row = self.navigation[resource, name]
            target = f"Sandbox.{row['target']}"
            kind = f"Collection({target})" if row["is_collection"] == "1" else target
            if row["is_collection"] == "1":
                out.append(f'    <NavigationProperty Name="{name}" Type="{kind}"/>')
            else:
                out += [
                    f'    <NavigationProperty Name="{name}" Type="{kind}">',
                    f'     <ReferentialConstraint Property="{row["local_field"]}" '
                    f'ReferencedProperty="{row["target_field"]}"/>',
                    "    </NavigationProperty>",
                ]
        for name in SANDBOX_LOCAL_NAVIGATION.get(resource, ()):
            out.append(f'    <NavigationProperty Name="{name}" Type="Collection(Sandbox.{name})"/>')
        return [*out, "   </EntityType>"]

    @staticmethod
    def _property(
        name: str, edm_type: str, collection: bool, attributes: dict[str, str], key: bool, lookup: str
    ) -> str:
        kind = f"Collection({edm_type})" if collection else edm_type
        wanted = {"Edm.String": ("MaxLength",), "Edm.Decimal": ("Precision", "Scale")}.get(edm_type, ())
        facets = "".join(f' {facet}="{attributes[facet]}"' for facet in wanted if attributes.get(facet))
        if edm_type == "Edm.DateTimeOffset":
            facets = ' Precision="3"'
        nullable = ' Nullable="false"' if key else ""
        text = f'    <Property Name="{name}" Type="{kind}"{facets}{nullable}'
        if not lookup:
            return text + "/>"
        values = [
            f'       <Record><PropertyValue Property="Value" String={quoteattr(value)}/></Record>'
            for value in SANDBOX_CLOSED.get(lookup, ())
        ]
        allowed = [
            '     <Annotation Term="Org.OData.Validation.V1.AllowedValues">',
            "      <Collection>",
            *values,
            "      </Collection>",
            "     </Annotation>",
        ]
        return "\n".join((
            text + ">",
            f'     <Annotation Term="RESO.OData.Metadata.LookupName" String={quoteattr(lookup)}/>',
            *(allowed if values else ()),
            "    </Property>",
        ))  # fmt: skip

    def values(self) -> str:
        used = {row["lookup_name"] for row in self.fields if row["lookup_name"]}
        values: dict[str, list[str]] = defaultdict(list)
        for row in self.lookups:
            if row["lookup_name"] in used and len(values[row["lookup_name"]]) < 12:
                values[row["lookup_name"]].append(row["value"])
        return json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    fields, navigation = rows(folder, "dd-2.0-fields.csv"), rows(folder, "dd-2.0-navigation.csv")
    write("gateway/policy/data_dictionary.py", data_dictionary(fields, navigation))
    roles = Roles(fields, navigation, rows(folder, "sensitive-fields.csv"))
    open_statuses = ["Active", "Active Under Contract", "Coming Soon", "Pending"]
    write(
        "config/roles/idx.yaml",
        roles.participant(
            "idx", "anonymous visitors of participants' web sites", open_statuses, vow=False, contacts=True
        ),
    )
    write(
        "config/roles/public.yaml",
        roles.participant(
            "public", "recipients who are known and not logged in", ["Active"], vow=False, contacts=False
        ),
    )
    write(
        "config/roles/vow.yaml",
        roles.participant(
            "vow",
            "registered consumers of a virtual office web site",
            [*open_statuses, "Closed"],
            vow=True,
            contacts=True,
        ),
    )
    write(
        "config/roles/portal.yaml",
        roles.participant(
            "portal", "consumers with a portal account", [*open_statuses, "Closed"], vow=True, contacts=True
        ),
    )
    write("config/roles/private.yaml", roles.private())
    sandbox = Sandbox(fields, navigation, rows(folder, "dd-2.0-lookups.csv"))
    write("gateway/sandbox/metadata.xml", sandbox.metadata())
    write("gateway/sandbox/lookups.json", sandbox.values())


if __name__ == "__main__":
    main()
