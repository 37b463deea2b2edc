//! Identities of Azure DevOps, whose ids differ from Entra's.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};
use uuid::{Builder, Uuid};

use super::call::{Call, list, ok};
use super::failure::{Answer, Failure};
use super::routes::{Level, Route};
use crate::entra::Bearer;

pub(crate) const ROUTES: &[Route] = &[
    Route::new("graph.users", "GET", "graph/users", Level::Organization, &["vso.graph"], users),
    Route::new(
        "identities",
        "GET",
        "identities",
        Level::Organization,
        &["vso.identity"],
        identities,
    ),
];

pub(crate) const ENTITLEMENT_ROUTES: &[Route] = &[Route::new(
    "userentitlements",
    "GET",
    "userentitlements",
    Level::Organization,
    &["vso.memberentitlementmanagement"],
    entitlements,
)];

/// An identity of Azure DevOps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Key of the Entra account.
    pub account: String,
    pub id: Uuid,
    pub name: String,
    pub username: String,
    pub tenant: Uuid,
    pub object_id: Uuid,
}

impl Identity {
    pub fn of(bearer: &Bearer) -> Self {
        Self {
            account: bearer.account.clone(),
            id: id_of(bearer.object_id),
            name: if bearer.is_application { "ado-connect".into() } else { bearer.name.clone() },
            username: if bearer.is_application {
                bearer.object_id.to_string()
            } else {
                bearer.username.clone()
            },
            tenant: bearer.tenant,
            object_id: bearer.object_id,
        }
    }

    /// Returns `aad.` and the base64 of the id with the version nibble 7.
    pub fn descriptor(&self) -> String {
        let mut storage_key = self.id.to_string();
        storage_key.replace_range(14..15, "7");
        format!("aad.{}", STANDARD_NO_PAD.encode(storage_key))
    }

    /// Returns the reference in lists and items.
    pub fn reference(&self, call: &Call<'_>) -> Value {
        let base = call.base();
        let descriptor = self.descriptor();
        json!({
            "displayName": self.name,
            // Recorded: identity URLs point at a scale unit, not at the host called.
            "url": format!(
                "https://spsprodweu1.vssps.visualstudio.com/A{}/_apis/Identities/{}",
                call.organization.id, self.id
            ),
            "_links": {"avatar": {"href": format!("{base}/_apis/GraphProfile/MemberAvatars/{descriptor}")}},
            "id": self.id,
            "uniqueName": self.username,
            "imageUrl": format!("{base}/_api/_common/identityImage?id={}", self.id),
            "descriptor": descriptor,
        })
    }

    /// Returns `authenticatedUser` of connectionData.
    pub fn authenticated_user(&self) -> Value {
        json!({
            "id": self.id,
            "descriptor": format!("Microsoft.IdentityModel.Claims.ClaimsIdentity;{}\\{}", self.tenant, self.username),
            "subjectDescriptor": self.descriptor(),
            "providerDisplayName": self.name,
            "customDisplayName": self.name,
            "isActive": true,
            "properties": {"Account": {"$type": "System.String", "$value": self.username}},
            "resourceVersion": 2,
            "metaTypeId": 0,
        })
    }
}

/// Returns the Azure DevOps id of an Entra object: version nibble 6, as in recorded ids.
fn id_of(object_id: Uuid) -> Uuid {
    let hash = digest(&SHA256, object_id.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x60;
    Builder::from_bytes(bytes).into_uuid()
}

fn users(call: &mut Call<'_>) -> Answer {
    let members = call.organization.identities.clone();
    let users: Vec<Value> = members.iter().map(|member| graph_user(call, member)).collect();
    call.page(&users)
}

fn graph_user(call: &Call<'_>, member: &Identity) -> Value {
    let base = call.base_in("vssps");
    let descriptor = member.descriptor();
    let link = |what: &str| json!({"href": format!("{base}/_apis/Graph/{what}/{descriptor}")});
    json!({
        "subjectKind": "user",
        "metaType": "member",
        "directoryAlias": member.account,
        "domain": member.tenant,
        "principalName": member.username,
        "mailAddress": member.username,
        "origin": "aad",
        "originId": member.object_id,
        "displayName": member.name,
        "_links": {
            "self": link("Users"),
            "memberships": link("Memberships"),
            "membershipState": link("MembershipStates"),
            "storageKey": link("StorageKeys"),
        },
        "url": format!("{base}/_apis/Graph/Users/{descriptor}"),
        "descriptor": descriptor,
    })
}

fn identities(call: &mut Call<'_>) -> Answer {
    let Some(wanted) = call.query.get_any_case("filterValue") else {
        return Err(Failure::argument("A search filter and a filter value must be given."));
    };
    let found: Vec<Value> = call
        .organization
        .identities
        .iter()
        .filter(|member| member.username.eq_ignore_ascii_case(wanted) || member.name.eq_ignore_ascii_case(wanted))
        .map(|member| {
            let text = |value: String| json!({"$type": "System.String", "$value": value});
            json!({
                "id": member.id,
                "descriptor":
                    format!("Microsoft.IdentityModel.Claims.ClaimsIdentity;{}\\{}", member.tenant, member.username),
                "subjectDescriptor": member.descriptor(),
                "providerDisplayName": member.name,
                "isActive": true,
                "members": [],
                "memberOf": [],
                "memberIds": [],
                "properties": {
                    "SchemaClassName": text("User".into()),
                    "Domain": text(member.tenant.to_string()),
                    "Account": text(member.username.clone()),
                    "Mail": text(member.username.clone()),
                    "http://schemas.microsoft.com/identity/claims/objectidentifier": text(member.object_id.to_string()),
                },
                "resourceVersion": 2,
                "metaTypeId": 0,
            })
        })
        .collect();
    Ok(list(&found))
}

fn entitlements(call: &mut Call<'_>) -> Answer {
    let members: Vec<Value> = call
        .organization
        .identities
        .iter()
        .map(|member| {
            json!({
                "user": graph_user(call, member),
                "extensions": [],
                "id": member.id,
                "accessLevel": {
                    "licensingSource": "account",
                    "accountLicenseType": "express",
                    "licenseDisplayName": "Basic",
                    "status": "active",
                    "statusMessage": "",
                    "assignmentSource": "unknown",
                },
                "projectEntitlements": [],
                "groupAssignments": [],
            })
        })
        .collect();
    ok(
        &json!({"members": members, "continuationToken": "", "totalCount": members.len(), "items": members}),
    )
}
