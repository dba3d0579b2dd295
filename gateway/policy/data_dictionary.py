"""Facts of the RESO Data Dictionary 2.0, and two lists of an office that the Spark page of Office adds.

Written by tools/derive.py; change that, not this.

Names only serve to tell a Data Dictionary name that an upstream lacks from a mistake (P10); types come
from the metadata of the upstream."""

from __future__ import annotations

from collections.abc import Mapping

#: Class of Property to its member name where enumerations are used.
CLASSES: Mapping[str, str] = {
    "Residential": "Residential",
    "Residential Lease": "ResidentialLease",
    "Residential Income": "ResidentialIncome",
    "Land": "Land",
    "Manufactured In Park": "ManufacturedInPark",
    "Farm": "Farm",
    "Commercial Sale": "CommercialSale",
    "Commercial Lease": "CommercialLease",
    "Business Opportunity": "BusinessOpportunity",
}

#: Dependent resource to the resources that its rows follow (P6).
FOLLOWS: Mapping[str, tuple[str, ...]] = {
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

#: (resource, navigation) to (local field, target, its field, discriminator field or "", value or "").
RELATIONS: Mapping[tuple[str, str], tuple[str, str, str, str, str]] = {
    ("Property", "BuyerAgent"): ("BuyerAgentKey", "Member", "MemberKey", "", ""),
    ("Property", "BuyerOffice"): ("BuyerOfficeKey", "Office", "OfficeKey", "", ""),
    ("Property", "BuyerTeam"): ("BuyerTeamKey", "Teams", "TeamKey", "", ""),
    ("Property", "CoBuyerAgent"): ("CoBuyerAgentKey", "Member", "MemberKey", "", ""),
    ("Property", "CoBuyerOffice"): ("CoBuyerOfficeKey", "Office", "OfficeKey", "", ""),
    ("Property", "CoListAgent"): ("CoListAgentKey", "Member", "MemberKey", "", ""),
    ("Property", "CoListOffice"): ("CoListOfficeKey", "Office", "OfficeKey", "", ""),
    ("Property", "GreenBuildingVerification"): ("ListingKey", "PropertyGreenVerification", "ListingKey", "", ""),
    ("Property", "GreenBuildingVerifications"): ("ListingKey", "PropertyGreenVerification", "ListingKey", "", ""),
    ("Property", "HistoryTransactional"): (
        "ListingKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "Property",
    ),
    ("Property", "ListAgent"): ("ListAgentKey", "Member", "MemberKey", "", ""),
    ("Property", "ListOffice"): ("ListOfficeKey", "Office", "OfficeKey", "", ""),
    ("Property", "ListTeam"): ("ListTeamKey", "Teams", "TeamKey", "", ""),
    ("Property", "Media"): ("ListingKey", "Media", "ResourceRecordKey", "ResourceName", "Property"),
    ("Property", "OpenHouse"): ("ListingKey", "OpenHouse", "ListingKey", "", ""),
    ("Property", "OpenHouses"): ("ListingKey", "OpenHouse", "ListingKey", "", ""),
    ("Property", "OriginatingSystem"): ("OriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Property", "PowerProduction"): ("ListingKey", "PropertyPowerProduction", "ListingKey", "", ""),
    ("Property", "Rooms"): ("ListingKey", "PropertyRooms", "ListingKey", "", ""),
    ("Property", "SocialMedia"): ("ListingKey", "SocialMedia", "ResourceRecordKey", "ResourceName", "Property"),
    ("Property", "SourceSystem"): ("SourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Property", "UnitTypes"): ("ListingKey", "PropertyUnitTypes", "ListingKey", "", ""),
    ("Media", "ChangedByMember"): ("ChangedByMemberKey", "Member", "MemberKey", "", ""),
    ("Media", "HistoryTransactional"): (
        "MediaKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "Media",
    ),
    ("Media", "OriginatingSystem"): ("OriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Media", "SourceSystem"): ("SourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Member", "HistoryTransactional"): (
        "MemberKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "Member",
    ),
    ("Member", "Media"): ("MemberKey", "Media", "ResourceRecordKey", "ResourceName", "Member"),
    ("Member", "MemberOtherPhone"): ("MemberKey", "OtherPhone", "ResourceRecordKey", "ResourceName", "Member"),
    ("Member", "MemberOtherPhones"): ("MemberKey", "OtherPhone", "ResourceRecordKey", "ResourceName", "Member"),
    ("Member", "MemberSocialMedia"): ("MemberKey", "SocialMedia", "ResourceRecordKey", "ResourceName", "Member"),
    ("Member", "Office"): ("OfficeKey", "Office", "OfficeKey", "", ""),
    ("Member", "OriginatingSystem"): ("OriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Member", "SourceSystem"): ("SourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Office", "HistoryTransactional"): (
        "OfficeKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "Office",
    ),
    ("Office", "MainOffice"): ("MainOfficeKey", "Office", "OfficeKey", "", ""),
    ("Office", "Media"): ("OfficeKey", "Media", "ResourceRecordKey", "ResourceName", "Office"),
    ("Office", "OfficeBroker"): ("OfficeBrokerKey", "Member", "MemberKey", "", ""),
    ("Office", "OfficeManager"): ("OfficeManagerKey", "Member", "MemberKey", "", ""),
    ("Office", "OfficeSocialMedia"): ("OfficeKey", "SocialMedia", "ResourceRecordKey", "ResourceName", "Office"),
    ("Office", "OriginatingSystem"): ("OriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Office", "SourceSystem"): ("SourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("OpenHouse", "HistoryTransactional"): (
        "OpenHouseKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "OpenHouse",
    ),
    ("OpenHouse", "Listing"): ("ListingKey", "Property", "ListingKey", "", ""),
    ("OpenHouse", "Media"): ("OpenHouseKey", "Media", "ResourceRecordKey", "ResourceName", "OpenHouse"),
    ("OpenHouse", "OriginatingSystem"): ("OriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("OpenHouse", "ShowingAgent"): ("ShowingAgentKey", "Member", "MemberKey", "", ""),
    ("OpenHouse", "SocialMedia"): ("OpenHouseKey", "SocialMedia", "ResourceRecordKey", "ResourceName", "OpenHouse"),
    ("OpenHouse", "SourceSystem"): ("SourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Association", "AssociationSocialMedia"): (
        "AssociationKey",
        "SocialMedia",
        "ResourceRecordKey",
        "ResourceName",
        "Association",
    ),
    ("Association", "HistoryTransactional"): (
        "AssociationKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "Association",
    ),
    ("Association", "OriginatingSystem"): ("OriginatingSystemId", "OUID", "OrganizationUniqueId", "", ""),
    ("Association", "SourceSystem"): ("SourceSystemId", "OUID", "OrganizationUniqueId", "", ""),
    ("ContactListingNotes", "Contact"): ("ContactKey", "Contacts", "ContactKey", "", ""),
    ("ContactListingNotes", "HistoryTransactional"): (
        "ContactKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "ContactListingNotes",
    ),
    ("ContactListingNotes", "Listing"): ("ListingKey", "Property", "ListingKey", "", ""),
    ("ContactListings", "Contact"): ("ContactKey", "Contacts", "ContactKey", "", ""),
    ("ContactListings", "HistoryTransactional"): (
        "ContactListingsKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "ContactListings",
    ),
    ("ContactListings", "Listing"): ("ListingKey", "Property", "ListingKey", "", ""),
    ("ContactListings", "ListingNotes"): ("ContactKey", "ContactListingNotes", "ContactKey", "", ""),
    ("Contacts", "ContactsOtherPhone"): ("ContactKey", "OtherPhone", "ResourceRecordKey", "ResourceName", "Contacts"),
    ("Contacts", "ContactsOtherPhones"): ("ContactKey", "OtherPhone", "ResourceRecordKey", "ResourceName", "Contacts"),
    ("Contacts", "ContactsSocialMedia"): ("ContactKey", "SocialMedia", "ResourceRecordKey", "ResourceName", "Contacts"),
    ("Contacts", "HistoryTransactional"): (
        "ContactKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "Contacts",
    ),
    ("Contacts", "Media"): ("ContactKey", "Media", "ResourceRecordKey", "ResourceName", "Contacts"),
    ("Contacts", "OriginatingSystem"): ("OriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Contacts", "OwnerMember"): ("OwnerMemberKey", "Member", "MemberKey", "", ""),
    ("Contacts", "SourceSystem"): ("SourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("HistoryTransactional", "ChangedByMember"): ("ChangedByMemberKey", "Member", "MemberKey", "", ""),
    ("HistoryTransactional", "OriginatingSystem"): ("OriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("HistoryTransactional", "SourceSystem"): ("SourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("InternetTracking", "ActorOriginatingSystem"): (
        "ActorOriginatingSystemID",
        "OUID",
        "OrganizationUniqueId",
        "",
        "",
    ),
    ("InternetTracking", "ActorSourceSystem"): ("ActorSourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("InternetTracking", "EventOriginatingSystem"): (
        "EventOriginatingSystemID",
        "OUID",
        "OrganizationUniqueId",
        "",
        "",
    ),
    ("InternetTracking", "EventSourceSystem"): ("EventSourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("InternetTracking", "ObjectOriginatingSystem"): (
        "ObjectOriginatingSystemID",
        "OUID",
        "OrganizationUniqueId",
        "",
        "",
    ),
    ("InternetTracking", "ObjectSourceSystem"): ("ObjectSourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("LockOrBox", "HistoryTransactional"): (
        "LockOrBoxKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "LockOrBox",
    ),
    ("LockOrBox", "OriginatingSystem"): ("LockOrBoxOriginatingSystemId", "OUID", "OrganizationUniqueId", "", ""),
    ("LockOrBox", "SourceSystem"): ("LockOrBoxSourceSystemId", "OUID", "OrganizationUniqueId", "", ""),
    ("MemberAssociation", "Association"): ("AssociationKey", "Association", "AssociationKey", "", ""),
    ("MemberAssociation", "HistoryTransactional"): (
        "AssociationKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "MemberAssociation",
    ),
    ("MemberAssociation", "Member"): ("MemberKey", "Member", "MemberKey", "", ""),
    ("MemberAssociation", "OriginatingSystem"): ("OriginatingSystemId", "OUID", "OrganizationUniqueId", "", ""),
    ("MemberAssociation", "SourceSystem"): ("SourceSystemId", "OUID", "OrganizationUniqueId", "", ""),
    ("MemberStateLicense", "HistoryTransactional"): (
        "MemberStateLicenseKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "MemberStateLicense",
    ),
    ("MemberStateLicense", "Member"): ("MemberKey", "Member", "MemberKey", "", ""),
    ("OUID", "ChangedByMember"): ("ChangedByMemberKey", "Member", "MemberKey", "", ""),
    ("OUID", "HistoryTransactional"): (
        "OrganizationUniqueIdKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "OUID",
    ),
    ("OUID", "Media"): ("OrganizationUniqueIdKey", "Media", "ResourceRecordKey", "ResourceName", "OUID"),
    ("OUID", "OrganizationSocialMedia"): (
        "OrganizationUniqueIdKey",
        "SocialMedia",
        "ResourceRecordKey",
        "ResourceName",
        "OUID",
    ),
    ("OfficeAssociation", "Association"): ("AssociationKey", "Association", "AssociationKey", "", ""),
    ("OfficeAssociation", "HistoryTransactional"): (
        "AssociationKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "OfficeAssociation",
    ),
    ("OfficeAssociation", "Office"): ("OfficeKey", "Office", "OfficeKey", "", ""),
    ("OfficeAssociation", "OriginatingSystem"): ("OriginatingSystemId", "OUID", "OrganizationUniqueId", "", ""),
    ("OfficeAssociation", "SourceSystem"): ("SourceSystemId", "OUID", "OrganizationUniqueId", "", ""),
    ("OfficeCorporateLicense", "HistoryTransactional"): (
        "OfficeCorporateLicenseKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "OfficeCorporateLicense",
    ),
    ("OfficeCorporateLicense", "Office"): ("OfficeKey", "Office", "OfficeKey", "", ""),
    ("OtherPhone", "HistoryTransactional"): (
        "OtherPhoneKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "OtherPhone",
    ),
    ("PropertyGreenVerification", "HistoryTransactional"): (
        "GreenBuildingVerificationKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "PropertyGreenVerification",
    ),
    ("PropertyGreenVerification", "Listing"): ("ListingKey", "Property", "ListingKey", "", ""),
    ("PropertyPowerProduction", "HistoryTransactional"): (
        "PowerProductionKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "PropertyPowerProduction",
    ),
    ("PropertyPowerProduction", "Listing"): ("ListingKey", "Property", "ListingKey", "", ""),
    ("PropertyRooms", "HistoryTransactional"): (
        "RoomKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "PropertyRooms",
    ),
    ("PropertyRooms", "Listing"): ("ListingKey", "Property", "ListingKey", "", ""),
    ("PropertyUnitTypes", "HistoryTransactional"): (
        "UnitTypeKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "PropertyUnitTypes",
    ),
    ("PropertyUnitTypes", "Listing"): ("ListingKey", "Property", "ListingKey", "", ""),
    ("Prospecting", "Contact"): ("ContactKey", "Contacts", "ContactKey", "", ""),
    ("Prospecting", "HistoryTransactional"): (
        "ProspectingKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "Prospecting",
    ),
    ("Prospecting", "Media"): ("ProspectingKey", "Media", "ResourceRecordKey", "ResourceName", "Prospecting"),
    ("Prospecting", "OwnerMember"): ("OwnerMemberKey", "Member", "MemberKey", "", ""),
    ("Prospecting", "SavedSearch"): ("SavedSearchKey", "SavedSearch", "SavedSearchKey", "", ""),
    ("Queue", "HistoryTransactional"): (
        "QueueTransactionKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "Queue",
    ),
    ("Queue", "OriginatingSystem"): ("OriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Queue", "SourceSystem"): ("SourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Rules", "HistoryTransactional"): (
        "RuleKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "Rules",
    ),
    ("Rules", "OriginatingSystem"): ("OriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Rules", "SourceSystem"): ("SourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("SavedSearch", "HistoryTransactional"): (
        "SavedSearchKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "SavedSearch",
    ),
    ("SavedSearch", "Member"): ("MemberKey", "Member", "MemberKey", "", ""),
    ("SavedSearch", "OriginatingSystem"): ("OriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("SavedSearch", "SourceSystem"): ("SourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Showing", "AgentOriginatingSystem"): ("AgentOriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Showing", "AgentSourceSystem"): ("AgentSourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Showing", "HistoryTransactional"): (
        "ShowingKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "Showing",
    ),
    ("Showing", "Listing"): ("ListingKey", "Property", "ListingKey", "", ""),
    ("Showing", "ListingOriginatingSystem"): ("ListingOriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Showing", "ListingSourceSystem"): ("ListingSourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Showing", "Media"): ("ShowingKey", "Media", "ResourceRecordKey", "ResourceName", "Showing"),
    ("Showing", "ShowingAgent"): ("ShowingAgentKey", "Member", "MemberKey", "", ""),
    ("Showing", "ShowingOriginatingSystem"): ("ShowingOriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Showing", "ShowingSourceSystem"): ("ShowingSourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Showing", "SocialMedia"): ("ShowingKey", "SocialMedia", "ResourceRecordKey", "ResourceName", "Showing"),
    ("SocialMedia", "HistoryTransactional"): (
        "SocialMediaKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "SocialMedia",
    ),
    ("TeamMembers", "HistoryTransactional"): (
        "TeamMemberKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "TeamMembers",
    ),
    ("TeamMembers", "Member"): ("MemberKey", "Member", "MemberKey", "", ""),
    ("TeamMembers", "OriginatingSystem"): ("OriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("TeamMembers", "SourceSystem"): ("SourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Teams", "HistoryTransactional"): (
        "TeamKey",
        "HistoryTransactional",
        "ResourceRecordKey",
        "ResourceName",
        "Teams",
    ),
    ("Teams", "Media"): ("TeamKey", "Media", "ResourceRecordKey", "ResourceName", "Teams"),
    ("Teams", "OriginatingSystem"): ("OriginatingSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Teams", "SourceSystem"): ("SourceSystemID", "OUID", "OrganizationUniqueId", "", ""),
    ("Teams", "TeamLead"): ("TeamLeadKey", "Member", "MemberKey", "", ""),
    ("Teams", "TeamsSocialMedia"): ("TeamKey", "SocialMedia", "ResourceRecordKey", "ResourceName", "Teams"),
    ("Office", "ExternalProducts"): ("OfficeKey", "ExternalProducts", "OfficeKey", "", ""),
    ("Office", "DelegatedAccess"): ("OfficeKey", "DelegatedAccess", "OfficeKey", "", ""),
}

_NAMES = {
    "Association": """
        AssociationAddress1 AssociationAddress2 AssociationCareOf AssociationCharterDate AssociationCity
        AssociationCountry AssociationCountyOrParish AssociationFax AssociationKey AssociationMailAddress1
        AssociationMailAddress2 AssociationMailCareOf AssociationMailCity AssociationMailCountry
        AssociationMailCountyOrParish AssociationMailPostalCode AssociationMailPostalCodePlus4
        AssociationMailStateOfProvince AssociationMember AssociationMlsId AssociationName
        AssociationNationalAssociationId AssociationPhone AssociationPostalCode AssociationPostalCodePlus4
        AssociationSocialMedia AssociationStateOrProvince AssociationStatus AssociationType
        ExecutiveOfficerMemberKey ExecutiveOfficerMemberMlsId HistoryTransactional ModificationTimestamp
        MultipleListingServiceId OriginalEntryTimestamp OriginatingSystem OriginatingSystemAssociationKey
        OriginatingSystemId OriginatingSystemName SocialMediaType SocialMediaUrlOrId SourceSystem
        SourceSystemAssociationKey SourceSystemId SourceSystemName
    """,
    "Caravan": """
        CancellationPolicyUrl CaravanAllowedClassNames CaravanAllowedStatuses CaravanAreaDescription
        CaravanBlackoutDates CaravanDate CaravanDaysRecurring CaravanEndTime CaravanInputDeadlineDescription
        CaravanInputDeadlineTimestamp CaravanKey CaravanName CaravanOrganizerContactInfo CaravanOrganizerKey
        CaravanOrganizerMlsId CaravanOrganizerName CaravanOrganizerResourceName CaravanPolicyUrl
        CaravanRemarks CaravanStartLocation CaravanStartLocationGiveaways CaravanStartLocationRefreshments
        CaravanStartTime CaravanStatus CaravanType ModificationTimestamp OriginalEntryTimestamp
        OriginatingSystemId OriginatingSystemKey OriginatingSystemName SourceSystemId SourceSystemKey
        SourceSystemName
    """,
    "CaravanStop": """
        CaravanKey CaravanStopKey ModificationTimestamp OriginalEntryTimestamp OriginatingSystemId
        OriginatingSystemKey OriginatingSystemName SourceSystemId SourceSystemKey SourceSystemName
        StopAttendedBy StopClassName StopDate StopEndTime StopId StopKey StopOrder StopRefreshments
        StopRemarks StopResourceName StopShowingAgentFirstName StopShowingAgentKey StopShowingAgentLastName
        StopShowingAgentMlsId StopStartTime
    """,
    "ContactListingNotes": """
        Contact ContactKey ContactListingNotesKey HistoryTransactional Listing ListingId ListingKey
        ModificationTimestamp NoteContents NotedBy
    """,
    "ContactListings": """
        AgentNotesUnreadYN ClassName Contact ContactKey ContactListingPreference ContactListingsKey
        ContactLoginId ContactNotesUnreadYN DirectEmailYN HistoryTransactional LastAgentNoteTimestamp
        LastContactNoteTimestamp Listing ListingId ListingKey ListingModificationTimestamp ListingNotes
        ListingSentTimestamp ListingViewedYN ModificationTimestamp PortalLastVisitedTimestamp ResourceName
    """,
    "Contacts": """
        Anniversary AssistantEmail AssistantName AssistantPhone AssistantPhoneExt Birthdate BusinessFax
        Children Company ContactKey ContactLoginId ContactPassword ContactStatus ContactType
        ContactsOtherPhone ContactsOtherPhones ContactsSocialMedia Department DirectPhone Email Email2 Email3
        FirstName FullName HistoryTransactional HomeAddress1 HomeAddress2 HomeCarrierRoute HomeCity
        HomeCountry HomeCountyOrParish HomeFax HomePhone HomePostalCode HomePostalCodePlus4
        HomeStateOrProvince JobTitle Language LastName LeadSource Media MiddleName MobilePhone
        ModificationTimestamp NamePrefix NameSuffix Nickname Notes OfficePhone OfficePhoneExt
        OriginalEntryTimestamp OriginatingSystem OriginatingSystemContactKey OriginatingSystemID
        OriginatingSystemName OtherAddress1 OtherAddress2 OtherCarrierRoute OtherCity OtherCountry
        OtherCountyOrParish OtherPhoneType OtherPostalCode OtherPostalCodePlus4 OtherStateOrProvince
        OwnerMember OwnerMemberID OwnerMemberKey Pager PhoneTTYTDD PreferredAddress PreferredPhone ReferredBy
        ReverseProspectingEnabledYN SocialMediaType SourceSystem SourceSystemContactKey SourceSystemID
        SourceSystemName SpousePartnerName TollFreePhone VoiceMail VoiceMailExt WorkAddress1 WorkAddress2
        WorkCarrierRoute WorkCity WorkCountry WorkCountyOrParish WorkPostalCode WorkPostalCodePlus4
        WorkStateOrProvince
    """,
    "DelegatedAccess": """
        AllUsers AsUser BrokerloadOverride Id OfficeKey
    """,
    "EntityEvent": """
        EntityEventSequence ResourceName ResourceRecordKey ResourceRecordUrl
    """,
    "ExternalProducts": """
        ExternalProductKey OfficeKey ProductName
    """,
    "Field": """
        FieldKey FieldName ModificationTimestamp ResourceName
    """,
    "HistoryTransactional": """
        ChangeType ChangedByMember ChangedByMemberID ChangedByMemberKey ClassName EntityEventSequence
        FieldKey FieldName HistoryTransactionalKey ModificationTimestamp NewValue OriginatingSystem
        OriginatingSystemHistoryKey OriginatingSystemID OriginatingSystemName PreviousValue ResourceName
        ResourceRecordID ResourceRecordKey SourceSystem SourceSystemHistoryKey SourceSystemID
        SourceSystemName
    """,
    "InternetTracking": """
        ActorCity ActorEmail ActorID ActorIP ActorKey ActorLatitude ActorLongitude ActorOriginatingSystem
        ActorOriginatingSystemID ActorOriginatingSystemName ActorPhone ActorPhoneExt ActorPostalCode
        ActorPostalCodePlus4 ActorRegion ActorSourceSystem ActorSourceSystemID ActorSourceSystemName
        ActorStateOrProvince ActorType ColorDepth DeviceType EventDescription EventKey EventLabel
        EventOriginatingSystem EventOriginatingSystemID EventOriginatingSystemName EventReportedTimestamp
        EventSource EventSourceSystem EventSourceSystemID EventSourceSystemName EventTarget EventTimestamp
        EventType ObjectID ObjectIdType ObjectKey ObjectOriginatingSystem ObjectOriginatingSystemID
        ObjectOriginatingSystemName ObjectSourceSystem ObjectSourceSystemID ObjectSourceSystemName ObjectType
        ObjectURL OriginatingSystemActorKey OriginatingSystemEventKey OriginatingSystemObjectKey ReferringURL
        ScreenHeight ScreenWidth SessionID SourceSystemActorKey SourceSystemEventKey SourceSystemObjectKey
        TimeZoneOffset UserAgent
    """,
    "InternetTrackingSummary": """
        CmaCreatedCount CmaEmailedCount CmaRanCount CmaSharedCount EndTimestamp FavoritedCount
        ImpressionCount InquiryCount InternetTrackingSummaryKey ListingId ListingsEmailedCount
        MobileAppImpressionCount MobileAppViewCount MobileLogins ModificationTimestamp OriginatingSystemName
        ResponseType SharedCount ShowingCompletedCount ShowingRequestedCount StartTimestamp TotalLogins
        TrackingDate TrackingType TrackingValues UniqueLogins ViewCount
    """,
    "LockOrBox": """
        HistoryTransactional KeyOrCredentialId ListAgentFullName ListingAddress1 ListingAddress2 ListingCity
        ListingCountry ListingId ListingKey ListingLatitude ListingLongitude ListingPostalCode
        ListingPostalCodePlus4 ListingStateOrProvince ListingTimeZone LockOrBoxAccessTimestamp
        LockOrBoxAccessType LockOrBoxId LockOrBoxInstalledTimestamp LockOrBoxKey LockOrBoxOriginatingSystemId
        LockOrBoxOriginatingSystemKey LockOrBoxOriginatingSystemName LockOrBoxSourceSystemId
        LockOrBoxSourceSystemKey LockOrBoxSourceSystemName ModificationTimestamp Notes OriginatingSystem
        ShowingAgent ShowingAgentAOR ShowingAgentEmail ShowingAgentFirstName ShowingAgentFullName
        ShowingAgentId ShowingAgentLastName ShowingAgentMlsId ShowingAgentPhone ShowingAgentPhoneExt
        ShowingOffice ShowingOfficeId ShowingOfficeName ShowingOfficePhone SourceSystem
    """,
    "Lookup": """
        LegacyODataValue LookupKey LookupName LookupValue ModificationTimestamp StandardLookupValue
    """,
    "Media": """
        ChangedByMember ChangedByMemberID ChangedByMemberKey ClassName HistoryTransactional ImageHeight
        ImageOf ImageSizeDescription ImageWidth LongDescription MediaAlteration MediaCategory MediaHTML
        MediaKey MediaModificationTimestamp MediaObjectID MediaStatus MediaType MediaURL
        ModificationTimestamp Order OriginatingSystem OriginatingSystemID OriginatingSystemMediaKey
        OriginatingSystemName OriginatingSystemResourceRecordId OriginatingSystemResourceRecordKey
        OriginatingSystemResourceRecordSystemId Permission PreferredPhotoYN ResourceName ResourceRecordID
        ResourceRecordKey ShortDescription SourceSystem SourceSystemID SourceSystemMediaKey SourceSystemName
        SourceSystemResourceRecordId SourceSystemResourceRecordKey SourceSystemResourceRecordSystemId
    """,
    "Member": """
        HistoryTransactional JobTitle LastLoginTimestamp Media MemberAOR MemberAORMlsId MemberAORkey
        MemberAddress1 MemberAddress2 MemberAlternateId MemberAssociationComments MemberBillingPreference
        MemberBio MemberCarrierRoute MemberCity MemberCommitteeCount MemberCountry MemberCountyOrParish
        MemberDesignation MemberDirectPhone MemberEmail MemberFax MemberFirstName MemberFullName
        MemberHomePhone MemberIsAssistantTo MemberKey MemberLanguages MemberLastName MemberLoginId
        MemberMailOptOutYN MemberMiddleName MemberMlsAccessYN MemberMlsId MemberMlsSecurityClass
        MemberMobilePhone MemberNamePrefix MemberNameSuffix MemberNationalAssociationEntryDate
        MemberNationalAssociationId MemberNickname MemberOfficePhone MemberOfficePhoneExt MemberOtherPhone
        MemberOtherPhoneType MemberOtherPhones MemberPager MemberPassword MemberPhoneTTYTDD MemberPostalCode
        MemberPostalCodePlus4 MemberPreferredMail MemberPreferredMedia MemberPreferredPhone
        MemberPreferredPhoneExt MemberPreferredPublication MemberPrimaryAorId MemberSocialMedia
        MemberStateLicense MemberStateLicenseExpirationDate MemberStateLicenseState MemberStateLicenseType
        MemberStateOrProvince MemberStatus MemberTollFreePhone MemberTransferDate MemberType MemberVoiceMail
        MemberVoiceMailExt MemberVotingPrecinct ModificationTimestamp Office OfficeKey OfficeMlsId OfficeName
        OfficeNationalAssociationId OriginalEntryTimestamp OriginatingSystem OriginatingSystemID
        OriginatingSystemMemberKey OriginatingSystemName SocialMediaType SourceSystem SourceSystemID
        SourceSystemMemberKey SourceSystemName SyndicateTo UniqueLicenseeIdentifier
    """,
    "MemberAssociation": """
        Association AssociationKey AssociationMlsId AssociationNationalAssociationId AssociationStaffYN
        HistoryTransactional Member MemberAssociationBillStatus MemberAssociationBillStatusDescription
        MemberAssociationDuesPaidDate MemberAssociationJoinDate MemberAssociationModificationDateTime
        MemberAssociationOrientationDate MemberAssociationPrimaryIndicator MemberAssociationStatus
        MemberAssociationStatusDate MemberKey MemberLocalDuesWaivedYN MemberMlsId MemberNationalDuesWaivedYN
        MemberStatelDuesWaivedYN ModificationTimestamp OriginalEntryTimestamp OriginatingSystem
        OriginatingSystemId OriginatingSystemMemberKey OriginatingSystemName SourceSystem SourceSystemId
        SourceSystemMemberKey SourceSystemName
    """,
    "MemberStateLicense": """
        HistoryTransactional Member MemberKey MemberMlsId MemberStateLicense MemberStateLicenseExpirationDate
        MemberStateLicenseKey MemberStateLicenseState MemberStateLicenseType ModificationTimestamp
    """,
    "OUID": """
        ChangedByMember ChangedByMemberID ChangedByMemberKey HistoryTransactional Media ModificationTimestamp
        OrganizationAOR OrganizationAddress1 OrganizationAddress2 OrganizationAorOuid OrganizationAorOuidKey
        OrganizationCarrierRoute OrganizationCity OrganizationComments OrganizationContactEmail
        OrganizationContactFax OrganizationContactFirstName OrganizationContactFullName
        OrganizationContactJobTitle OrganizationContactLastName OrganizationContactMiddleName
        OrganizationContactNamePrefix OrganizationContactNameSuffix OrganizationContactPhone
        OrganizationContactPhoneExt OrganizationCountry OrganizationCountyOrParish OrganizationMemberCount
        OrganizationMlsCode OrganizationMlsVendorName OrganizationMlsVendorOuid OrganizationName
        OrganizationNationalAssociationId OrganizationPostalCode OrganizationPostalCodePlus4
        OrganizationSocialMedia OrganizationSocialMediaType OrganizationStateLicense
        OrganizationStateLicenseState OrganizationStateOrProvince OrganizationStatus
        OrganizationStatusChangeTimestamp OrganizationType OrganizationUniqueId OrganizationUniqueIdKey
        OriginalEntryTimestamp
    """,
    "Office": """
        BillingOfficeKey DelegatedAccess ExternalProducts FranchiseAffiliation FranchiseNationalAssociationId
        HistoryTransactional IDXOfficeParticipationYN MainOffice MainOfficeKey MainOfficeMlsId Media
        ModificationTimestamp NumberOfBranches NumberOfNonMemberSalespersons OfficeAOR OfficeAORMlsId
        OfficeAORkey OfficeAddress1 OfficeAddress2 OfficeAlternateId OfficeAssociationComments OfficeBio
        OfficeBranchType OfficeBroker OfficeBrokerKey OfficeBrokerMlsId OfficeBrokerNationalAssociationId
        OfficeCity OfficeCorporateLicense OfficeCountry OfficeCountyOrParish OfficeEmail OfficeFax OfficeKey
        OfficeMailAddress1 OfficeMailAddress2 OfficeMailCareOf OfficeMailCity OfficeMailCountry
        OfficeMailCountyOrParish OfficeMailPostalCode OfficeMailPostalCodePlus4 OfficeMailStateOrProvince
        OfficeManager OfficeManagerKey OfficeManagerMlsId OfficeMlsId OfficeName OfficeNationalAssociationId
        OfficeNationalAssociationIdInsertDate OfficePhone OfficePhoneExt OfficePostalCode
        OfficePostalCodePlus4 OfficePreferredMedia OfficePrimaryAorId OfficePrimaryStateOrProvince
        OfficeSocialMedia OfficeStateOrProvince OfficeStatus OfficeType OriginalEntryTimestamp
        OriginatingSystem OriginatingSystemID OriginatingSystemName OriginatingSystemOfficeKey OtherPhone
        SocialMediaType SourceSystem SourceSystemID SourceSystemName SourceSystemOfficeKey
        SyndicateAgentOption SyndicateTo VirtualOfficeWebsiteYN
    """,
    "OfficeAssociation": """
        Association AssociationKey AssociationMlsId AssociationNationalAssociationId BillStatus
        HistoryTransactional JoinDate ModificationTimestamp Office OfficeAssociationPrimaryIndicator
        OfficeAssociationStatus OfficeAssociationStatusDate OfficeKey OfficeMlsId OriginalEntryTimestamp
        OriginatingSystem OriginatingSystemId OriginatingSystemMemberKey OriginatingSystemName SourceSystem
        SourceSystemId SourceSystemMemberKey SourceSystemName
    """,
    "OfficeCorporateLicense": """
        HistoryTransactional ModificationTimestamp Office OfficeCorporateLicense
        OfficeCorporateLicenseExpirationDate OfficeCorporateLicenseKey OfficeCorporateLicenseState
        OfficeCorporateLicenseType OfficeKey OfficeMlsId
    """,
    "OpenHouse": """
        AppointmentRequiredYN HistoryTransactional Listing ListingId ListingKey LivestreamOpenHouseURL Media
        ModificationTimestamp OpenHouseAttendedBy OpenHouseDate OpenHouseEndTime OpenHouseId OpenHouseKey
        OpenHouseRemarks OpenHouseStartTime OpenHouseStatus OpenHouseType OriginalEntryTimestamp
        OriginatingSystem OriginatingSystemID OriginatingSystemKey OriginatingSystemName Refreshments
        ShowingAgent ShowingAgentFirstName ShowingAgentKey ShowingAgentLastName ShowingAgentMlsID SocialMedia
        SourceSystem SourceSystemID SourceSystemKey SourceSystemName
    """,
    "OtherPhone": """
        ClassName HistoryTransactional ModificationTimestamp OtherPhoneExt OtherPhoneKey OtherPhoneNumber
        OtherPhoneType ResourceName ResourceRecordID ResourceRecordKey
    """,
    "Property": """
        AboveGradeFinishedArea AboveGradeFinishedAreaSource AboveGradeFinishedAreaUnits
        AboveGradeUnfinishedArea AboveGradeUnfinishedAreaSource AboveGradeUnfinishedAreaUnits AccessCode
        AccessibilityFeatures ActivationDate AdditionalParcelsDescription AdditionalParcelsYN
        AnchorsCoTenants Appliances ArchitecturalStyle AssociationAmenities AssociationFee AssociationFee2
        AssociationFee2Frequency AssociationFeeFrequency AssociationFeeIncludes AssociationName
        AssociationName2 AssociationPhone AssociationPhone2 AssociationYN AttachedGarageYN AttributionContact
        AvailabilityDate AvailableLeaseType BackOnMarketDate Basement BasementYN BathroomsFull BathroomsHalf
        BathroomsOneQuarter BathroomsPartial BathroomsThreeQuarter BathroomsTotalInteger BedroomsPossible
        BedroomsTotal BelowGradeFinishedArea BelowGradeFinishedAreaSource BelowGradeFinishedAreaUnits
        BelowGradeUnfinishedArea BelowGradeUnfinishedAreaSource BelowGradeUnfinishedAreaUnits BodyType
        BuilderModel BuilderName BuildingAreaSource BuildingAreaTotal BuildingAreaUnits BuildingFeatures
        BuildingName BusinessName BusinessType BuyerAgent BuyerAgentAOR BuyerAgentDesignation
        BuyerAgentDirectPhone BuyerAgentEmail BuyerAgentFax BuyerAgentFirstName BuyerAgentFullName
        BuyerAgentHomePhone BuyerAgentKey BuyerAgentLastName BuyerAgentMiddleName BuyerAgentMlsId
        BuyerAgentMobilePhone BuyerAgentNamePrefix BuyerAgentNameSuffix BuyerAgentNationalAssociationId
        BuyerAgentOfficePhone BuyerAgentOfficePhoneExt BuyerAgentPager BuyerAgentPreferredPhone
        BuyerAgentPreferredPhoneExt BuyerAgentStateLicense BuyerAgentTollFreePhone BuyerAgentURL
        BuyerAgentVoiceMail BuyerAgentVoiceMailExt BuyerBrokerageCompensation BuyerBrokerageCompensationType
        BuyerFinancing BuyerOffice BuyerOfficeAOR BuyerOfficeEmail BuyerOfficeFax BuyerOfficeKey
        BuyerOfficeMlsId BuyerOfficeName BuyerOfficeNationalAssociationId BuyerOfficePhone
        BuyerOfficePhoneExt BuyerOfficeURL BuyerTeam BuyerTeamKey BuyerTeamName CableTvExpense
        CancellationDate CapRate CarportSpaces CarportYN CarrierRoute City CityRegion CloseDate ClosePrice
        CoBuyerAgent CoBuyerAgentAOR CoBuyerAgentDesignation CoBuyerAgentDirectPhone CoBuyerAgentEmail
        CoBuyerAgentFax CoBuyerAgentFirstName CoBuyerAgentFullName CoBuyerAgentHomePhone CoBuyerAgentKey
        CoBuyerAgentLastName CoBuyerAgentMiddleName CoBuyerAgentMlsId CoBuyerAgentMobilePhone
        CoBuyerAgentNamePrefix CoBuyerAgentNameSuffix CoBuyerAgentNationalAssociationId
        CoBuyerAgentOfficePhone CoBuyerAgentOfficePhoneExt CoBuyerAgentPager CoBuyerAgentPreferredPhone
        CoBuyerAgentPreferredPhoneExt CoBuyerAgentStateLicense CoBuyerAgentTollFreePhone CoBuyerAgentURL
        CoBuyerAgentVoiceMail CoBuyerAgentVoiceMailExt CoBuyerOffice CoBuyerOfficeAOR CoBuyerOfficeEmail
        CoBuyerOfficeFax CoBuyerOfficeKey CoBuyerOfficeMlsId CoBuyerOfficeName
        CoBuyerOfficeNationalAssociationId CoBuyerOfficePhone CoBuyerOfficePhoneExt CoBuyerOfficeURL
        CoListAgent CoListAgentAOR CoListAgentDesignation CoListAgentDirectPhone CoListAgentEmail
        CoListAgentFax CoListAgentFirstName CoListAgentFullName CoListAgentHomePhone CoListAgentKey
        CoListAgentLastName CoListAgentMiddleName CoListAgentMlsId CoListAgentMobilePhone
        CoListAgentNamePrefix CoListAgentNameSuffix CoListAgentNationalAssociationId CoListAgentOfficePhone
        CoListAgentOfficePhoneExt CoListAgentPager CoListAgentPreferredPhone CoListAgentPreferredPhoneExt
        CoListAgentStateLicense CoListAgentTollFreePhone CoListAgentURL CoListAgentVoiceMail
        CoListAgentVoiceMailExt CoListOffice CoListOfficeAOR CoListOfficeEmail CoListOfficeFax
        CoListOfficeKey CoListOfficeMlsId CoListOfficeName CoListOfficeNationalAssociationId
        CoListOfficePhone CoListOfficePhoneExt CoListOfficeURL CommonInterest CommonWalls CommunityFeatures
        CompSaleYN CompensationComments Concessions ConcessionsAmount ConcessionsComments
        ConstructionMaterials ContinentRegion Contingency ContingentDate ContractStatusChangeDate Cooling
        CoolingYN CopyrightNotice Country CountryRegion CountyOrParish CoveredSpaces CropsIncludedYN
        CrossStreet CultivatedArea CumulativeDaysOnMarket CurrentFinancing CurrentUse DOH1 DOH2 DOH3
        DaysInMls DaysOnMarket DaysOnSite DevelopmentStatus DirectionFaces Directions Disclaimer Disclosures
        DistanceToBusComments DistanceToBusNumeric DistanceToBusUnits DistanceToElectricComments
        DistanceToElectricNumeric DistanceToElectricUnits DistanceToFreewayComments DistanceToFreewayNumeric
        DistanceToFreewayUnits DistanceToGasComments DistanceToGasNumeric DistanceToGasUnits
        DistanceToPhoneServiceComments DistanceToPhoneServiceNumeric DistanceToPhoneServiceUnits
        DistanceToPlaceofWorshipComments DistanceToPlaceofWorshipNumeric DistanceToPlaceofWorshipUnits
        DistanceToSchoolBusComments DistanceToSchoolBusNumeric DistanceToSchoolBusUnits
        DistanceToSchoolsComments DistanceToSchoolsNumeric DistanceToSchoolsUnits DistanceToSewerComments
        DistanceToSewerNumeric DistanceToSewerUnits DistanceToShoppingComments DistanceToShoppingNumeric
        DistanceToShoppingUnits DistanceToStreetComments DistanceToStreetNumeric DistanceToStreetUnits
        DistanceToWaterComments DistanceToWaterNumeric DistanceToWaterUnits DocumentStatus DocumentsAvailable
        DocumentsChangeTimestamp DocumentsCount DoorFeatures DualOrVariableRateCommissionYN Electric
        ElectricExpense ElectricOnPropertyYN ElementarySchool ElementarySchoolDistrict Elevation
        ElevationUnits EntryLevel EntryLocation Exclusions ExistingLeaseType ExpirationDate ExteriorFeatures
        FarmCreditServiceInclYN FarmLandAreaSource FarmLandAreaUnits Fencing FhaEligibility
        FinancialDataSource FireplaceFeatures FireplaceYN FireplacesTotal Flooring FoundationArea
        FoundationDetails FrontageLength FrontageType FuelExpense Furnished FurnitureReplacementExpense
        GarageSpaces GarageYN GardenerExpense GrazingPermitsBlmYN GrazingPermitsForestServiceYN
        GrazingPermitsPrivateYN GreenBuildingVerification GreenBuildingVerificationType
        GreenBuildingVerifications GreenEnergyEfficient GreenEnergyGeneration GreenIndoorAirQuality
        GreenLocation GreenSustainability GreenVerificationYN GreenWaterConservation GrossIncome
        GrossLivingAreaAnsi GrossScheduledIncome HabitableResidenceYN Heating HeatingYN HighSchool
        HighSchoolDistrict HistoryTransactional HomeWarrantyYN HorseAmenities HorseYN HoursDaysOfOperation
        HoursDaysOfOperationDescription Inclusions IncomeIncludes InsuranceExpense InteriorFeatures
        InternetAddressDisplayYN InternetAutomatedValuationDisplayYN InternetConsumerCommentYN
        InternetEntireListingDisplayYN IrrigationSource IrrigationWaterRightsAcres IrrigationWaterRightsYN
        LaborInformation LandLeaseAmount LandLeaseAmountFrequency LandLeaseExpirationDate LandLeaseYN
        Latitude LaundryFeatures LeasableArea LeasableAreaUnits LeaseAmount LeaseAmountFrequency
        LeaseAssignableYN LeaseConsideredYN LeaseExpiration LeaseRenewalCompensation LeaseRenewalOptionYN
        LeaseTerm Levels License1 License2 License3 LicensesExpense ListAOR ListAgent ListAgentAOR
        ListAgentDesignation ListAgentDirectPhone ListAgentEmail ListAgentFax ListAgentFirstName
        ListAgentFullName ListAgentHomePhone ListAgentKey ListAgentLastName ListAgentMiddleName
        ListAgentMlsId ListAgentMobilePhone ListAgentNamePrefix ListAgentNameSuffix
        ListAgentNationalAssociationId ListAgentOfficePhone ListAgentOfficePhoneExt ListAgentPager
        ListAgentPreferredPhone ListAgentPreferredPhoneExt ListAgentStateLicense ListAgentTollFreePhone
        ListAgentURL ListAgentVoiceMail ListAgentVoiceMailExt ListOffice ListOfficeAOR ListOfficeEmail
        ListOfficeFax ListOfficeKey ListOfficeMlsId ListOfficeName ListOfficeNationalAssociationId
        ListOfficePhone ListOfficePhoneExt ListOfficeURL ListPrice ListPriceLow ListTeam ListTeamKey
        ListTeamName ListingAgreement ListingContractDate ListingId ListingKey ListingService ListingTerms
        ListingURL ListingURLDescription LivingArea LivingAreaSource LivingAreaUnits LockBoxLocation
        LockBoxSerialNumber LockBoxType Longitude LotDimensionsSource LotFeatures LotSizeAcres LotSizeArea
        LotSizeDimensions LotSizeSource LotSizeSquareFeet LotSizeUnits MLSAreaMajor MLSAreaMinor
        MainLevelBathrooms MainLevelBedrooms MaintenanceExpense MajorChangeTimestamp MajorChangeType Make
        ManagerExpense MapCoordinate MapCoordinateSource MapURL Media MiddleOrJuniorSchool
        MiddleOrJuniorSchoolDistrict MlsStatus MobileDimUnits MobileHomeRemainsYN MobileLength MobileWidth
        Model ModificationTimestamp NetOperatingIncome NewConstructionYN NewTaxesExpense NumberOfBuildings
        NumberOfFullTimeEmployees NumberOfLots NumberOfPads NumberOfPartTimeEmployees
        NumberOfSeparateElectricMeters NumberOfSeparateGasMeters NumberOfSeparateWaterMeters
        NumberOfUnitsInCommunity NumberOfUnitsLeased NumberOfUnitsMoMo NumberOfUnitsTotal NumberOfUnitsVacant
        OccupantName OccupantPhone OccupantType OffMarketDate OffMarketTimestamp OnMarketDate
        OnMarketTimestamp OpenHouse OpenHouseModificationTimestamp OpenHouses OpenParkingSpaces OpenParkingYN
        OperatingExpense OperatingExpenseIncludes OriginalEntryTimestamp OriginalListPrice OriginatingSystem
        OriginatingSystemID OriginatingSystemKey OriginatingSystemName OtherEquipment OtherExpense
        OtherParking OtherStructures OwnerName OwnerPays OwnerPhone Ownership OwnershipType ParcelNumber
        ParkManagerName ParkManagerPhone ParkName ParkingFeatures ParkingTotal PastureArea
        PatioAndPorchFeatures PendingTimestamp PestControlExpense PetsAllowed PhotosChangeTimestamp
        PhotosCount PoolExpense PoolFeatures PoolPrivateYN Possession PossibleUse PostalCity PostalCode
        PostalCodePlus4 PowerProduction PowerProductionType PowerProductionYN PreviousListPrice
        PriceChangeTimestamp PrivateOfficeRemarks PrivateRemarks ProfessionalManagementExpense
        PropertyAttachedYN PropertyCondition PropertySubType PropertyTimeZoneName
        PropertyTimeZoneObservesDstYN PropertyTimeZoneStandardOffset PropertyType PublicRemarks
        PublicSurveyRange PublicSurveySection PublicSurveyTownship PurchaseContractDate RVParkingDimensions
        RangeArea RentControlYN RentIncludes RoadFrontageType RoadResponsibility RoadSurfaceType Roof
        RoomType Rooms RoomsTotal SeatingCapacity SecurityFeatures SeniorCommunityYN SerialU SerialX SerialXX
        Sewer ShowingAdvanceNotice ShowingAttendedYN ShowingConsiderations ShowingContactName
        ShowingContactPhone ShowingContactPhoneExt ShowingContactType ShowingDays ShowingEndTime
        ShowingInstructions ShowingRequirements ShowingServiceName ShowingStartTime SignOnPropertyYN
        SimpleDaysOnMarket Skirt SocialMedia SourceSystem SourceSystemID SourceSystemKey SourceSystemName
        SpaFeatures SpaYN SpecialLicenses SpecialListingConditions StandardStatus StartShowingDate
        StateOrProvince StateRegion StatusChangeTimestamp Stories StoriesTotal StreetAdditionalInfo
        StreetDirPrefix StreetDirSuffix StreetName StreetNumber StreetNumberNumeric StreetSuffix
        StreetSuffixModifier StructureType SubAgencyCompensation SubAgencyCompensationType SubdivisionName
        SuppliesExpense SyndicateTo SyndicationRemarks TaxAnnualAmount TaxAnnualAmountPerLivingAreaUnit
        TaxAnnualAmountPerSquareFoot TaxAssessedValue TaxBlock TaxBookNumber TaxLegalDescription TaxLot
        TaxMapNumber TaxOtherAnnualAssessmentAmount TaxParcelLetter TaxStatusCurrent TaxTract TaxYear
        TenantPays Topography TotalActualRent Township TransactionBrokerCompensation
        TransactionBrokerCompensationType TrashExpense UnitNumber UnitTypeType UnitTypes UnitsFurnished
        UniversalPropertyId UniversalPropertySubId UnparsedAddress Utilities VacancyAllowance
        VacancyAllowanceRate Vegetation VideosChangeTimestamp VideosCount View ViewYN VirtualTourURLBranded
        VirtualTourURLUnbranded WalkScore WaterBodyName WaterSewerExpense WaterSource WaterfrontFeatures
        WaterfrontYN WindowFeatures WithdrawnDate WoodedArea WorkmansCompensationExpense YearBuilt
        YearBuiltDetails YearBuiltEffective YearBuiltSource YearEstablished YearsCurrentOwner Zoning
        ZoningDescription
    """,
    "PropertyGreenVerification": """
        GreenBuildingVerificationKey GreenBuildingVerificationType GreenVerificationBody
        GreenVerificationMetric GreenVerificationRating GreenVerificationSource GreenVerificationStatus
        GreenVerificationURL GreenVerificationVersion GreenVerificationYear HistoryTransactional Listing
        ListingId ListingKey ModificationTimestamp
    """,
    "PropertyPowerProduction": """
        HistoryTransactional Listing ListingId ListingKey ModificationTimestamp PowerProductionAnnual
        PowerProductionAnnualStatus PowerProductionKey PowerProductionOwnership PowerProductionSize
        PowerProductionType PowerProductionYearInstall
    """,
    "PropertyPowerStorage": """
        DateOfInstallation InformationSource ModificationTimestamp NameplateCapacity PowerStorageKey
        PowerStorageType
    """,
    "PropertyRooms": """
        BedroomClosetType HistoryTransactional Listing ListingId ListingKey ModificationTimestamp RoomArea
        RoomAreaSource RoomAreaUnits RoomDescription RoomDimensions RoomFeatures RoomKey RoomLength
        RoomLengthWidthSource RoomLengthWidthUnits RoomLevel RoomType RoomWidth
    """,
    "PropertyUnitTypes": """
        HistoryTransactional Listing ListingId ListingKey ModificationTimestamp UnitTypeActualRent
        UnitTypeBathsTotal UnitTypeBedsTotal UnitTypeDescription UnitTypeFurnished UnitTypeGarageAttachedYN
        UnitTypeGarageSpaces UnitTypeKey UnitTypeProForma UnitTypeTotalRent UnitTypeType UnitTypeUnitsTotal
    """,
    "Prospecting": """
        ActiveYN BccEmailList BccMeYN CcEmailList ClientActivatedYN ConciergeNotificationsYN ConciergeYN
        Contact ContactKey DailySchedule DisplayTemplateID HistoryTransactional Language
        LastNewChangedTimestamp LastViewedTimestamp Media MessageNew MessageRevise MessageUpdate
        ModificationTimestamp NextSendTimestamp OwnerMember OwnerMemberID OwnerMemberKey ProspectingKey
        ReasonActiveOrDisabled SavedSearch SavedSearchKey ScheduleType Subject ToEmailList
    """,
    "Queue": """
        ClassName HistoryTransactional ModificationTimestamp OriginatingSystem OriginatingSystemID
        OriginatingSystemName OriginatingSystemQueueKey QueueTransactionKey QueueTransactionType ResourceName
        ResourceRecordID ResourceRecordKey SourceSystem SourceSystemID SourceSystemName SourceSystemQueueKey
    """,
    "Rules": """
        ClassName FieldKey FieldName HistoryTransactional ModificationTimestamp OriginalEntryTimestamp
        OriginatingSystem OriginatingSystemID OriginatingSystemName OriginatingSystemRuleKey ResourceName
        RuleAction RuleDescription RuleEnabledYN RuleErrorText RuleExpression RuleFormat RuleHelpText RuleKey
        RuleName RuleOrder RuleType RuleVersion RuleWarningText SourceSystem SourceSystemHistoryKey
        SourceSystemID SourceSystemName
    """,
    "SavedSearch": """
        ClassName HistoryTransactional Member MemberKey MemberMlsId ModificationTimestamp
        OriginalEntryTimestamp OriginatingSystem OriginatingSystemID OriginatingSystemKey
        OriginatingSystemMemberKey OriginatingSystemMemberName OriginatingSystemName ResourceName
        SavedSearchDescription SavedSearchKey SavedSearchName SavedSearchType SearchQuery
        SearchQueryExceptionDetails SearchQueryExceptions SearchQueryHumanReadable SearchQueryType
        SourceSystem SourceSystemID SourceSystemKey SourceSystemName
    """,
    "Showing": """
        AgentOriginatingSystem AgentOriginatingSystemID AgentOriginatingSystemName AgentSourceSystem
        AgentSourceSystemID AgentSourceSystemName HistoryTransactional Listing ListingId ListingKey
        ListingOriginatingSystem ListingOriginatingSystemID ListingOriginatingSystemName ListingSourceSystem
        ListingSourceSystemID ListingSourceSystemName Media ModificationTimestamp OriginalEntryTimestamp
        OriginatingSystemAgentKey OriginatingSystemListingKey OriginatingSystemShowingKey ShowingAgent
        ShowingAgentKey ShowingAgentMlsID ShowingAllowed ShowingEndTimestamp ShowingId ShowingKey
        ShowingOriginatingSystem ShowingOriginatingSystemID ShowingOriginatingSystemName
        ShowingRequestedTimestamp ShowingSourceSystem ShowingSourceSystemID ShowingSourceSystemName
        ShowingStartTimestamp ShowingStatus ShowingTimeZone ShowingUrl SocialMedia SourceSystemAgentKey
        SourceSystemListingKey SourceSystemShowingKey
    """,
    "ShowingAppointment": """
        ModificationTimestamp ShowingAgentKey ShowingAgentMlsId ShowingAppointmentDate
        ShowingAppointmentEndTime ShowingAppointmentId ShowingAppointmentKey ShowingAppointmentMethod
        ShowingAppointmentStartTime ShowingAppointmentStatus ShowingId ShowingKey
    """,
    "ShowingAvailability": """
        ModificationTimestamp ShowingAvailabilityKey ShowingAvailableEndTime ShowingAvailableStartTime
        ShowingDate ShowingId ShowingKey ShowingMaximumDuration ShowingMethod ShowingMinimumDuration
        UniqueOrganizationIdentifier UniversalPropertyId
    """,
    "ShowingRequest": """
        ModificationTimestamp ShowingAgentKey ShowingAgentMlsId ShowingId ShowingKey ShowingMethodRequest
        ShowingRequestDate ShowingRequestDuration ShowingRequestEndTime ShowingRequestId ShowingRequestKey
        ShowingRequestNotes ShowingRequestStartTime ShowingRequestType ShowingRequestedDate
        ShowingRequestedTimestamp ShowingRequestor
    """,
    "SocialMedia": """
        ClassName DisplayName HistoryTransactional ModificationTimestamp ResourceName ResourceRecordID
        ResourceRecordKey SocialMediaKey SocialMediaType SocialMediaUrlOrId
    """,
    "TeamMembers": """
        HistoryTransactional Member MemberKey MemberLoginId MemberMlsId ModificationTimestamp
        OriginalEntryTimestamp OriginatingSystem OriginatingSystemID OriginatingSystemKey
        OriginatingSystemName SourceSystem SourceSystemID SourceSystemKey SourceSystemName
        TeamImpersonationLevel TeamKey TeamMemberKey TeamMemberNationalAssociationId TeamMemberStateLicense
        TeamMemberType
    """,
    "Teams": """
        HistoryTransactional Media ModificationTimestamp OriginalEntryTimestamp OriginatingSystem
        OriginatingSystemID OriginatingSystemKey OriginatingSystemName SocialMediaType SourceSystem
        SourceSystemID SourceSystemKey SourceSystemName TeamAddress1 TeamAddress2 TeamCarrierRoute TeamCity
        TeamCountry TeamCountyOrParish TeamDescription TeamDirectPhone TeamEmail TeamFax TeamKey TeamLead
        TeamLeadKey TeamLeadLoginId TeamLeadMlsId TeamLeadNationalAssociationId TeamLeadStateLicense
        TeamLeadStateLicenseState TeamMobilePhone TeamName TeamOfficePhone TeamOfficePhoneExt TeamPostalCode
        TeamPostalCodePlus4 TeamPreferredPhone TeamPreferredPhoneExt TeamStateOrProvince TeamStatus
        TeamTollFreePhone TeamVoiceMail TeamVoiceMailExt TeamsSocialMedia
    """,
    "TransactionManagement": """
        ModificationTimestamp TransactionId TransactionKey TransactionType
    """,
}

#: Resource to the names of its fields and navigation properties.
FIELDS: Mapping[str, frozenset[str]] = {name: frozenset(text.split()) for name, text in _NAMES.items()}
