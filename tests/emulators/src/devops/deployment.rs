//! The level above organizations: profile and accounts, the public resource areas, the service's health.

use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{list, time};
use super::failure::{Answer, Failure};
use super::identity::Identity;
use super::locations::{area_of, locations};
use super::organizations::{Organization, derived_id, seed_time};
use super::routes::Target;
use crate::entra::Bearer;
use crate::reply::Reply;
use crate::request::Parameters;
use crate::scopes::allows;

/// Id and name of the areas whose home is the deployment level.
const AREAS: &[(&str, &str)] = &[
    ("8ccfef3d-2b87-4e99-8ccb-66e343d2daa8", "profile"),
    ("0d55247a-1c47-4462-9b1f-5e2125590ee6", "Account"),
];

/// Returns the route's name, or `None` if there is no such route.
pub(crate) fn route(target: &Target, method: &str) -> Option<&'static str> {
    let rest: Vec<String> =
        target.rest.as_ref()?.iter().map(|part| part.to_ascii_lowercase()).collect();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match (method, rest.as_slice()) {
        ("OPTIONS", _) => Some("deployment.options"),
        ("GET", ["resourceareas"]) => Some("deployment.resource_areas.list"),
        ("GET", ["resourceareas", _]) => Some("deployment.resource_areas.get"),
        ("GET", ["profile", "profiles", _]) => Some("profile"),
        ("GET", ["accounts"]) => Some("accounts"),
        ("GET", ["connectiondata"]) => Some("deployment.connection_data"),
        ("GET", ["status", "health"]) => Some("status"),
        _ => None,
    }
}

/// Answers requests that need no token.
pub(crate) fn anonymous(
    route: &str,
    target: &Target,
    query: &Parameters,
    organizations: &[Organization],
) -> Option<Reply> {
    match route {
        "deployment.options" => {
            let area = target.rest.as_ref().and_then(|rest| rest.first()).map(String::as_str);
            Some(locations(area))
        }
        "deployment.resource_areas.list" => {
            Some(list(&AREAS.iter().map(|(id, name)| own_area(id, name)).collect::<Vec<_>>()))
        }
        "deployment.resource_areas.get" => {
            let id = target.rest.as_ref().and_then(|rest| rest.last())?;
            let area = match organization_asked(query, organizations) {
                Some(organization) => area_of(&target.site, &organization, id),
                None => AREAS
                    .iter()
                    .find(|(known, _)| known.eq_ignore_ascii_case(id))
                    .map(|(id, name)| own_area(id, name)),
            };
            Some(Reply::json(200, &area.unwrap_or(Value::Null)))
        }
        "status" => Some(health()),
        _ => None,
    }
}

fn own_area(id: &str, name: &str) -> Value {
    json!({"id": id, "name": name, "locationUrl": "https://app.vssps.visualstudio.com/"})
}

/// Returns the organization of a requested area, given by name or by id.
fn organization_asked(query: &Parameters, organizations: &[Organization]) -> Option<String> {
    let name = ["accountName", "organizationName"].iter().find_map(|name| query.get_any_case(name));
    let by_id = || {
        let id = Uuid::parse_str(query.get_any_case("hostId")?).ok()?;
        organizations.iter().find(|known| known.id == id).map(|known| known.name.clone())
    };
    name.map(str::to_owned).or_else(by_id)
}

/// Answers requests with a token.
pub(crate) fn personal(
    route: &str,
    bearer: &Bearer,
    query: &Parameters,
    target: &Target,
    organizations: &[Organization],
) -> Answer {
    let identity = Identity::of(bearer);
    match route {
        "profile" => profile(&identity, bearer, target),
        "accounts" => accounts(&identity, bearer, query, organizations),
        _ => Ok(Reply::json(
            200,
            &json!({
                "authenticatedUser": identity.authenticated_user(),
                "authorizedUser": identity.authenticated_user(),
                "instanceId": derived_id("deployment instance"),
                "deploymentId": derived_id("deployment"),
                "deploymentType": "hosted",
            }),
        )),
    }
}

/// Whether the bearer has a scope that a route of this level needs.
pub(crate) fn permitted(route: &str, bearer: &Bearer) -> bool {
    !matches!(route, "profile" | "accounts")
        || bearer.is_application
        || allows(&bearer.scopes, "vso.profile")
}

fn profile(identity: &Identity, bearer: &Bearer, target: &Target) -> Answer {
    let wanted =
        target.rest.as_ref().and_then(|rest| rest.last()).map(String::as_str).unwrap_or_default();
    if bearer.is_application
        || !(wanted.eq_ignore_ascii_case("me") || wanted == identity.id.to_string())
    {
        return Err(Failure::not_found("The profile"));
    }
    Ok(Reply::json(
        200,
        &json!({
            "displayName": identity.name,
            "publicAlias": identity.id,
            "emailAddress": identity.username,
            "coreRevision": 1647,
            "timeStamp": time(seed_time()),
            "id": identity.id,
            "revision": 1647,
        }),
    ))
}

fn accounts(
    identity: &Identity,
    bearer: &Bearer,
    query: &Parameters,
    organizations: &[Organization],
) -> Answer {
    let Some(member) = query.get_any_case("memberId").or_else(|| query.get_any_case("ownerId"))
    else {
        return Err(Failure::argument(
            "Necessary parameters ownerId or memberId were not provided.",
        ));
    };
    // Service principals get an empty list, and so does a user who asks about another.
    let own = !bearer.is_application && member.eq_ignore_ascii_case(&identity.id.to_string());
    let accounts: Vec<Value> = organizations
        .iter()
        .filter(|organization| {
            own && organization.tenant == bearer.tenant
                && organization.members.contains_key(&bearer.account)
        })
        .map(|organization| {
            json!({
                "accountId": organization.id,
                "accountUri": format!("https://vssps.dev.azure.com/{}/", organization.name),
                "accountName": organization.name,
                "properties": {},
            })
        })
        .collect();
    Ok(list(&accounts))
}

fn health() -> Reply {
    let geographies: Vec<Value> = [("US", "United States"), ("EU", "Europe")]
        .iter()
        .map(|(id, name)| json!({"id": id, "name": name, "health": "healthy"}))
        .collect();
    let services: Vec<Value> = [
        "Core services",
        "Boards",
        "Repos",
        "Pipelines",
        "Artifacts",
        "Test Plans",
        "Other services",
    ]
    .iter()
    .map(|name| json!({"id": name, "geographies": geographies}))
    .collect();
    Reply::json(
        200,
        &json!({
            "status": {"health": "healthy", "message": "Everything is looking good"},
            "services": services,
        }),
    )
}
