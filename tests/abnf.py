"""Every production of the OASIS OData 4.01 URL ABNF, each with a request that uses it and what is answered.

Names of productions are those of the standard. A sample stands for all productions of its line; ``enforced`` ones are
answered with data under the policy, the others are refused with the code that stands there. ``docs/coverage.md`` is
written from this table, and a test sends every sample.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """``answer`` is a status with its code for refusals: ``400 InvalidQuery``. ``body`` is that of ``POST``."""

    target: str
    answer: str
    productions: str
    method: str = "GET"
    header: tuple[str, str] | None = None
    body: str | None = None

    @property
    def is_enforced(self) -> bool:
        return self.answer[:3] in ("200", "204")


_400, _404, _501 = "400 InvalidQuery", "404 NotFound", "501 NotImplemented"
SAMPLES: tuple[Sample, ...] = (
    # --- addresses
    Sample("", "200", "odataUri serviceRoot URI hier-part scheme authority host port reg-name path-abempty path-absolute path-rootless segment segment-nz pchar "
           "unreserved sub-delims IPv4address dec-octet"),
    Sample("Property", "200", "odataRelativeUri resourcePath entitySetName odataIdentifier identifierLeadingCharacter identifierCharacter"),
    Sample("Property/$count", "200", "count collectionNavigation"),
    Sample("Property('L1')", "200", "keyPredicate simpleKey keyPropertyValue collectionNavPath OPEN CLOSE SQUOTE"),
    Sample("Property(ListingKey='L1')", "200", "compoundKey keyValuePair EQ primitiveKeyProperty"),
    Sample("Property('L1')/Media", "200", "singleNavigation navigationProperty entityColNavigationProperty"),
    Sample("Property('L1')/ListOffice", "200", "singleNavPath entityNavigationProperty navigation"),
    Sample("Property('L1')/Media/$count", "200", "containmentNavigation"),
    Sample("Property(@k)?@k='L1'", _404, "keyPropertyAlias"),
    Sample("Property/L1", _404, "keyPathSegments keyPathLiteral"),
    Sample("Property('L1')/City", _501, "propertyPath primitivePath primitiveProperty primitiveNonKeyProperty"),
    Sample("Property('L1')/City/$value", _501, "value"),
    Sample("Property('L1')/Appliances", _404, "collectionPath primitiveColProperty"),
    Sample("Property('L1')/Address/Street", _404, "complexPath complexColPath complexNavPath complexProperty complexColProperty"),
    Sample("Property('L1')/Photo", _404, "streamProperty"),
    Sample("Property/$filter(@f)?@f=City eq 'x'", _501, "filterInPath"),
    Sample("Property/$each", _501, "each"),
    Sample("Property('L1')/Media/$ref", _501, "ref"),
    Sample("Property/$query", "200", "querySegment", "POST", ("Content-Type", "text/plain"), "$top=1"),
    Sample("Property('L1')/Media/0", _404, "ordinalIndex"),
    Sample("Property('L1')/Ns.Publish", _404, "boundOperation boundActionCall action boundFunctionCallNoParens entityFunction entityColFunction complexFunction "
           "complexColFunction primitiveFunction primitiveColFunction"),
    Sample("Property/Ns.Best(n=1)", _404, "boundEntityFunctionCall boundEntityColFunctionCall boundComplexFunctionCall boundComplexColFunctionCall "
           "boundPrimitiveFunctionCall boundPrimitiveColFunctionCall functionParameters functionParameter parameterName"),
    Sample("Reset", _404, "actionImportCall actionImport functionImportCallNoParens entityFunctionImport entityColFunctionImport complexFunctionImport "
           "complexColFunctionImport primitiveFunctionImport primitiveColFunctionImport"),
    Sample("Best(n=1)", _404, "entityFunctionImportCall entityColFunctionImportCall complexFunctionImportCall complexColFunctionImportCall primitiveFunctionImportCall "
           "primitiveColFunctionImportCall"),
    Sample("Me", _404, "singletonEntity"),
    Sample("$crossjoin(Property,Member)", _501, "crossjoin"),
    Sample("Property/Ns.Derived", _404, "qualifiedEntityTypeName optionallyQualifiedEntityTypeName entityTypeName qualifiedTypeName optionallyQualifiedTypeName "
           "singleQualifiedTypeName singleTypeName qualifiedComplexTypeName optionallyQualifiedComplexTypeName complexTypeName qualifiedTypeDefinitionName "
           "typeDefinitionName namespace namespacePart"),
    Sample("$batch", _501, "batchOptions batchOption", "POST"),
    Sample("$entity?$id=Property('L1')", _501, "entityOptions entityIdOption id"),
    Sample("$entity/Ns.T?$id=Property('L1')", _501, "entityCastOptions entityCastOption"),
    Sample("$metadata", "200", "metadataOptions"),
    Sample("$metadata?$format=json", "200", "metadataOption"),
    Sample("$metadata#Property(City)", _404, "context contextFragment selectList selectListItem selectListProperty contextPropertyPath qualifiedActionName "
           "qualifiedFunctionName complexAnnotationInFragment entityAnnotationInFragment annotationInFragment entitySet fragment HASH"),
    # --- options
    Sample("Property?$filter=ListPrice gt 1", "200", "queryOptions queryOption systemQueryOption filter query gtExpr commonExpr boolCommonExpr"),
    Sample("Property?$top=1&$skip=1", "200", "top skip DIGIT ALPHA HEXDIG A-to-F"),
    Sample("Property?$orderby=City,ListPrice desc", "200", "orderby orderbyItem RWS COMMA"),
    Sample("Property?$count=true", "200", "inlinecount booleanValue"),
    Sample("Property?$format=application/json", "200", "format"),
    Sample("Property?$select=City,ListPrice", "200", "select selectItem selectProperty selectPath"),
    Sample("Property?$select=*", "200", "STAR"),
    Sample("Property?$select=Appliances($top=1)", _400, "selectOption selectOptionPC"),
    Sample("Property?$select=Ns.*", _400, "allOperationsInSchema"),
    Sample("Property?$select=Ns.Act", _400, "optionallyQualifiedActionName"),
    Sample("Property?$select=Ns.Fun(a)", _400, "optionallyQualifiedFunctionName parameterNames"),
    Sample("Property?$expand=Media", "200", "expand expandItem expandPath"),
    Sample("Property?$expand=Media($select=Order;$top=1;$count=true)", "200", "expandOption SEMI"),
    Sample("Property?$expand=Media/$ref", _501, "expandRefOption"),
    Sample("Property?$expand=Media/$count", _501, "expandCountOption"),
    Sample("Property?$expand=Media($levels=2)", _501, "levels"),
    Sample("Property?$compute=ListPrice mul 2 as Twice", _501, "compute computeItem computedProperty"),
    Sample("Property?$search=blue", _501, "search searchExpr searchWord searchChar searchExpr-incomplete"),
    Sample('Property?$search=(NOT "blue sky" AND green) OR red', _501, "searchParenExpr searchNegateExpr searchOrExpr searchAndExpr searchPhrase"),
    Sample("Property?$index=1", _501, "index"),
    Sample("$metadata?$schemaversion=1", _501, "schemaversion"),
    Sample("Property?$deltatoken=x", _501, "deltatoken"),
    Sample("Property?$skiptoken=x", _400, "skiptoken"),
    Sample("Property?$filter=City eq @c&@c='X'", "200", "aliasAndValue parameterAlias parameterValue AT"),
    Sample("Property?color=red", _400, "customQueryOption customName customValue nameAndValue qchar-no-AMP qchar-no-AMP-EQ qchar-no-AMP-EQ-AT-DOLLAR"),
    Sample("Property?$filter=@Core.X eq 'a'", _400, "annotationExpr annotationInQuery complexAnnotationInQuery entityAnnotationInQuery primitiveAnnotationInQuery "
           "primitiveColAnnotationInQuery annotationQualifier termName"),
    # --- expressions
    Sample("Property?$filter=City eq 'X'", "200", "firstMemberExpr memberExpr directMemberExpr propertyPathExpr primitivePathExpr eqExpr"),
    Sample("Property?$filter=City ne 'X'", "200", "neExpr"),
    Sample("Property?$filter=ListPrice lt 5 and ListPrice le 5 and ListPrice ge 1", "200", "ltExpr leExpr geExpr andExpr"),
    Sample("Property?$filter=(City eq 'X') or not (City eq 'Y')", "200", "parenExpr orExpr notExpr"),
    Sample("Property?$filter=City in ('X','Y')", "200", "inExpr listExpr"),
    Sample("Property?$filter=City has Ns.Colour'Red'", _400, "hasExpr enumLiteral singleEnumLiteral enumValue singleEnumValue enumerationMember enumerationTypeName "
           "qualifiedEnumTypeName"),
    Sample("Property?$filter=AccessibilityFeatures/any(a:a eq 'x')", "200", "anyExpr collectionPathExpr lambdaVariableExpr lambdaPredicateExpr inscopeVariableExpr COLON"),
    Sample("Property?$filter=AccessibilityFeatures/all(a:a eq 'x')", "200", "allExpr"),
    Sample("Property?$filter=$it/City eq 'X'", _400, "implicitVariableExpr"),
    Sample("Property?$filter=$root/Member('A1')/MemberFullName eq 'X'", _400, "rootExpr"),
    Sample("Property?$filter=Media/any(m:m/Order eq 1)", "200", "collectionNavigationExpr collectionNavNoCastExpr"),
    Sample("Property?$filter=ListOffice/OfficeName eq 'X'", _400, "singleNavigationExpr"),
    Sample("Property?$filter=Media/$filter(@this/Order eq 1)/$count gt 0", _400, "filterExpr"),
    Sample("Property?$filter=Address/Street eq 'X'", _400, "complexPathExpr complexColPathExpr"),
    Sample("Property?$filter=Ns.F(a=City) eq 1", _400, "functionExpr functionExprParameters functionExprParameter boundFunctionExpr function"),
    Sample("Property?$filter=contains(City,'X')", "200", "methodCallExpr boolMethodCallExpr containsMethodCallExpr"),
    Sample("Property?$filter=startswith(City,'X') and endswith(City,'X')", "200", "startsWithMethodCallExpr endsWithMethodCallExpr"),
    Sample("Property?$filter=concat(City,'a') eq 'Xa'", "200", "concatMethodCallExpr"),
    Sample("Property?$filter=length(trim(tolower(toupper(City)))) eq 1", "200", "lengthMethodCallExpr trimMethodCallExpr toLowerMethodCallExpr toUpperMethodCallExpr"),
    Sample("Property?$filter=year(ModificationTimestamp) eq 2025 and month(ModificationTimestamp) eq 1 and day(ModificationTimestamp) eq 1", "200",
           "yearMethodCallExpr monthMethodCallExpr dayMethodCallExpr"),
    Sample("Property?$filter=hour(ModificationTimestamp) eq 0 and minute(ModificationTimestamp) eq 0 and second(ModificationTimestamp) eq 0", "200",
           "hourMethodCallExpr minuteMethodCallExpr secondMethodCallExpr"),
    Sample("Property?$filter=date(ModificationTimestamp) eq 2025-01-01", "200", "dateMethodCallExpr date dateValue year month day oneToNine"),
    Sample("Property?$filter=time(ModificationTimestamp) ge 00:00:00", "200", "timeMethodCallExpr timeOfDayLiteral timeOfDayValue hour minute second zeroToFiftyNine"),
    Sample("Property?$filter=ModificationTimestamp lt now()", "200", "nowMethodCallExpr"),
    Sample("Property?$filter=ModificationTimestamp lt now() sub duration'P1D'", "200", "durationLiteral durationValue"),
    Sample("Property?$filter=indexof(City,'X') eq 0", _400, "indexOfMethodCallExpr"),
    Sample("Property?$filter=substring(City,1) eq 'X'", _400, "substringMethodCallExpr"),
    Sample("Property?$filter=matchesPattern(City,'^X')", _400, "matchesPatternMethodCallExpr"),
    Sample("Property?$filter=hassubset([1,2],[1])", _400, "hasSubsetMethodCallExpr"),
    Sample("Property?$filter=hassubsequence([1,2],[1])", _400, "hasSubsequenceMethodCallExpr"),
    Sample("Property?$filter=fractionalseconds(ModificationTimestamp) eq 0", _400, "fractionalsecondsMethodCallExpr"),
    Sample("Property?$filter=totalseconds(duration'PT1S') eq 1", _400, "totalsecondsMethodCallExpr"),
    Sample("Property?$filter=totaloffsetminutes(ModificationTimestamp) eq 0", _400, "totalOffsetMinutesMethodCallExpr"),
    Sample("Property?$filter=ModificationTimestamp gt mindatetime()", _400, "minDateTimeMethodCallExpr"),
    Sample("Property?$filter=ModificationTimestamp lt maxdatetime()", _400, "maxDateTimeMethodCallExpr"),
    Sample("Property?$filter=round(ListPrice) eq 1", _400, "roundMethodCallExpr"),
    Sample("Property?$filter=floor(ListPrice) eq 1", _400, "floorMethodCallExpr"),
    Sample("Property?$filter=ceiling(ListPrice) eq 1", _400, "ceilingMethodCallExpr"),
    Sample("Property?$filter=geo.distance(Coordinates,geography'SRID=4326;Point(1 1)') lt 1", "200", "distanceMethodCallExpr geographyPoint geographyPrefix fullPointLiteral "
           "sridLiteral pointLiteral pointData positionLiteral geoLiteral"),
    Sample("Property?$filter=geo.length(geography'SRID=4326;LineString(1 1,2 2)') lt 1", _400, "geoLengthMethodCallExpr geographyLineString fullLineStringLiteral "
           "lineStringLiteral lineStringData"),
    Sample("Property?$filter=geo.intersects(Coordinates,geography'SRID=4326;Polygon((0 0,1 1,0 1,0 0))')", "200", "intersectsMethodCallExpr geographyPolygon fullPolygonLiteral "
           "polygonLiteral polygonData ringLiteral"),
    Sample("Property?$filter=City eq geography'SRID=4326;MultiPoint((1 1))'", _400, "geographyMultiPoint fullMultiPointLiteral multiPointLiteral geographyMultiLineString "
           "fullMultiLineStringLiteral multiLineStringLiteral geographyMultiPolygon fullMultiPolygonLiteral multiPolygonLiteral geographyCollection fullCollectionLiteral "
           "collectionLiteral"),
    Sample("Property?$filter=City eq geometry'SRID=0;Point(1 1)'", _400, "geometryPoint geometryPrefix geometryCollection geometryLineString geometryMultiLineString "
           "geometryMultiPoint geometryMultiPolygon geometryPolygon"),
    Sample("Property?$filter=case(ListPrice gt 1:true,true:false)", _400, "caseMethodCallExpr"),
    Sample("Property?$filter=ListPrice add 1 gt 2", _400, "addExpr"),
    Sample("Property?$filter=ListPrice sub 1 gt 2", _400, "subExpr"),
    Sample("Property?$filter=ListPrice mul 2 gt 2", _400, "mulExpr"),
    Sample("Property?$filter=ListPrice div 2 gt 2", _400, "divExpr"),
    Sample("Property?$filter=ListPrice divby 2 gt 2", _400, "divbyExpr"),
    Sample("Property?$filter=ListPrice mod 2 eq 1", _400, "modExpr"),
    Sample("Property?$filter=-ListPrice lt 2", _400, "negateExpr"),
    Sample("Property?$filter=isof(City,Edm.String)", _400, "isofExpr primitiveTypeName abstractSpatialTypeName concreteSpatialTypeName"),
    Sample("Property?$filter=cast(ListPrice,Edm.String) eq '1'", _400, "castExpr"),
    Sample('Property?$filter=[City] in [["X"]]', _400, "arrayOrObject array member valueInUrl begin-array end-array quotation-mark value-separator stringInUrl charInJSON "
           "qchar-JSON-special escape"),
    Sample('Property?$filter={"a":1} eq 1', _400, "object begin-object end-object name-separator"),
    # --- literals
    Sample("Property?$filter=City eq null", "200", "primitiveLiteral null"),
    Sample("Property?$filter=City eq 'O''Fallon'", "200", "stringLiteral SQUOTE-in-string pchar-no-SQUOTE qchar-no-AMP-SQUOTE"),
    Sample("Property?$filter=City eq 'a%26b%25'", "200", "pct-encoded pct-encoded-no-SQUOTE pct-encoded-unescaped pct-encoded-no-DQUOTE qchar-unescaped other-delims "
           "qchar-no-AMP-DQUOTE"),
    Sample("Property?$filter=ListPrice eq 1.50", "200", "decimalLiteral decimalValue primitiveValue"),
    Sample("Property?$filter=ListPrice eq -1e3", "200", "doubleLiteral doubleValue singleLiteral singleValue SIGN"),
    Sample("Property?$filter=PhotosCount eq 3", "200", "int16Literal int16Value int32Literal int32Value int64Literal int64Value byte byteValue sbyteLiteral sbyteValue"),
    Sample("Property?$filter=ListPrice eq NaN", _400, "nanInfinity"),
    Sample("Property?$filter=IDXOptInYN eq true", "200", "boolean"),
    Sample("Property?$filter=City eq 0f8fad5b-d9cb-469f-a165-70867728950e", _400, "guid guidValue"),
    Sample("Property?$filter=City eq binary'AAAA'", _400, "binaryLiteral binaryValue base64b16 base64b8 base64char"),
    Sample("Property?$filter=ModificationTimestamp gt 2025-01-01T00:00:00.000Z", "200", "dateTimeOffsetLiteral dateTimeOffsetValueInUrl dateTimeOffsetValue "
           "fractionalSeconds"),
    # --- white space and characters
    Sample("Property?$filter= City  eq 'X' ", "200", "OWS"),
    Sample("Property?$filter=City%20eq%09'X'", _400, "BWS HTAB"),
    Sample("Property?$filter=City eq 'X' and ListPrice gt 1", "200", "SP"),
    Sample('Property?$filter="City" eq 1', _400, "DQUOTE VCHAR"),
    # --- headers
    Sample("Property", "200", "header odata-maxversion odata-version", header=("OData-MaxVersion", "4.01")),
    Sample("Property", "200", "prefer preference maxpagesizePreference EQ-h BWS-h", header=("Prefer", "odata.maxpagesize=2")),
    Sample("Property", "200", "omitValuesPreference", header=("Prefer", "omit-values=nulls")),
    Sample("Property", "200", "allowEntityReferencesPreference", header=("Prefer", "odata.allow-entityreferences")),
    Sample("Property", "200", "callbackPreference IRI-in-header IRI-in-query obs-text", header=("Prefer", 'odata.callback; url="http://127.0.0.1:9/"')),
    Sample("Property", "200", "continueOnErrorPreference", header=("Prefer", "odata.continue-on-error")),
    Sample("Property", "200", "includeAnnotationsPreference annotationsList annotationIdentifier excludeOperator", header=("Prefer", 'odata.include-annotations="*,-Core.X"')),
    Sample("Property", "200", "respondAsyncPreference waitPreference asyncresult", header=("Prefer", "respond-async, wait=0")),
    Sample("Property", "200", "returnPreference", header=("Prefer", "return=minimal")),
    Sample("Property", "200", "trackChangesPreference", header=("Prefer", "odata.track-changes")),
    Sample("Property", "412 PreconditionFailed", "isolation", header=("OData-Isolation", "snapshot")),
    Sample("Property", "200", "content-id request-id", header=("Content-ID", "1")),
    Sample("Property", "200", "odata-entityid odata-error", header=("OData-EntityId", "http://127.0.0.1:9/")),
    Sample("Property", "200", "userinfo IP-literal IPvFuture IPv6address h16 ls32", header=("Host", "user@[::1]:80")),
)  # fmt: skip


def productions() -> dict[str, Sample]:
    """Every production with its sample."""
    return {name: sample for sample in SAMPLES for name in sample.productions.split()}


def page() -> str:
    """docs/coverage.md."""
    table = productions()
    enforced = sum(sample.is_enforced for sample in table.values())
    lines = [
        "# Coverage of the URL grammar",
        "",
        f"The OASIS OData 4.01 URL ABNF has {len(table)} productions. {enforced} of them may stand in a request that is answered with data under the",
        f"policy, {len(table) - enforced} are refused, each with the answer that stands there. Written by `python -m tools.coverage` from `tests/abnf.py`, whose",
        "samples `tests/test_coverage.py` sends one by one.",
        "",
        "| production | request | answer |",
        "|---|---|---|",
    ]
    for name, sample in table.items():
        request = f"{sample.method} {sample.target or '/'}" + (
            f" with `{sample.header[0]}: {sample.header[1]}`" if sample.header else ""
        )
        shown = request.replace("|", "\\|")
        lines.append(f"| {name} | {shown} | {'enforced' if sample.is_enforced else 'refused: ' + sample.answer} |")
    return "\n".join(lines) + "\n"
