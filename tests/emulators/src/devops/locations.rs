//! Discovery for clients: connectionData, resource areas, service definitions, and `OPTIONS`.

use serde_json::{Value, json};

use super::areas::{AREAS, LOCATIONS};
use super::call::{Call, list, ok};
use super::failure::{Answer, Failure};
use super::hosts::Site;
use super::organizations::derived_id;
use super::routes::{Level, Route};
use crate::reply::Reply;

/// Instance type of the organization's own service, and of the identity service behind `vssps`.
const OWN_SERVICE: &str = "00025394-6065-48ca-87d9-7f5672854ef7";
const IDENTITY_SERVICE: &str = "951917ac-a960-4999-8464-e3f0aa25b381";

pub(crate) const ROUTES: &[Route] = &[
    Route::new(
        "connection_data",
        "GET",
        "connectionData",
        Level::Organization,
        &[],
        connection_data,
    ),
    Route::new(
        "resource_areas.list",
        "GET",
        "resourceAreas",
        Level::Organization,
        &[],
        resource_areas,
    ),
    Route::new(
        "resource_areas.get",
        "GET",
        "resourceAreas/{area}",
        Level::Organization,
        &[],
        resource_area,
    ),
    Route::new(
        "service_definitions",
        "GET",
        "servicedefinitions/{type}/{identifier}",
        Level::Organization,
        &[],
        service_definition,
    ),
    Route::new("options", "OPTIONS", "", Level::Either, &[], all_locations),
    Route::new("options.area", "OPTIONS", "{area}", Level::Either, &[], area_locations),
    Route::new(
        "options.resource",
        "OPTIONS",
        "{area}/{resource}",
        Level::Either,
        &[],
        area_locations,
    ),
];

fn connection_data(call: &mut Call<'_>) -> Answer {
    let user = call.caller.authenticated_user();
    let mut location = json!({
        "serviceOwner": OWN_SERVICE,
        "defaultAccessMappingMoniker": "PublicAccessMapping",
        "lastChangeId": 424_239_147,
        "lastChangeId64": 424_239_147,
    });
    let options = call.query.get_any_case("connectOptions").unwrap_or_default();
    if options == "1" || options.eq_ignore_ascii_case("includeServices") {
        location["clientCacheFresh"] = false.into();
        location["accessMappings"] = json!([{
            "displayName": "Public Access Mapping",
            "moniker": "PublicAccessMapping",
            "accessPoint": format!("{}/", call.base()),
            "serviceOwner": OWN_SERVICE,
            "virtualDirectory": "",
        }]);
        location["serviceDefinitions"] = json!([identity_service(call)]);
    }
    ok(&json!({
        "authenticatedUser": user,
        "authorizedUser": user,
        "instanceId": call.organization.id,
        "deploymentId": derived_id("deployment"),
        "deploymentType": "hosted",
        "locationServiceData": location,
    }))
}

fn identity_service(call: &Call<'_>) -> Value {
    json!({
        "serviceType": "LocationService2",
        "identifier": IDENTITY_SERVICE,
        "displayName": "SPS Location Service",
        "relativeToSetting": "fullyQualified",
        "description": "",
        "serviceOwner": OWN_SERVICE,
        "locationMappings": [{
            "accessMappingMoniker": "PublicAccessMapping",
            "location": format!("{}/", call.base_in("vssps")),
        }],
        "toolId": "Framework",
    })
}

fn service_definition(call: &mut Call<'_>) -> Answer {
    if call.parameter("identifier").eq_ignore_ascii_case(IDENTITY_SERVICE) {
        ok(&identity_service(call))
    } else {
        Err(Failure::not_found("The service definition"))
    }
}

fn area_value(site: &Site, organization: &str, (id, name, family): (&str, &str, &str)) -> Value {
    // Real answers end in a slash, unlike the documentation's samples.
    json!({"id": id, "name": name, "locationUrl": format!("{}/", site.url(family, organization))})
}

/// Returns a resource area of an organization, as shown at the deployment level.
pub(crate) fn area_of(site: &Site, organization: &str, id: &str) -> Option<Value> {
    AREAS
        .iter()
        .find(|(known, _, _)| known.eq_ignore_ascii_case(id))
        .map(|area| area_value(site, organization, *area))
}

fn resource_areas(call: &mut Call<'_>) -> Answer {
    let areas: Vec<Value> =
        AREAS.iter().map(|area| area_value(call.site, &call.organization.name, *area)).collect();
    Ok(list(&areas))
}

fn resource_area(call: &mut Call<'_>) -> Answer {
    match area_of(call.site, &call.organization.name, call.parameter("area")) {
        Some(area) => ok(&area),
        // Recorded behaviour of unknown areas: an empty answer, which clients treat as "not here".
        None => ok(&Value::Null),
    }
}

fn all_locations(_: &mut Call<'_>) -> Answer {
    Ok(locations(None))
}

fn area_locations(call: &mut Call<'_>) -> Answer {
    Ok(locations(Some(call.parameter("area"))))
}

/// Returns the resource locations of this server. Their templates are relative, so every host may list all of them.
pub(crate) fn locations(area: Option<&str>) -> Reply {
    let found: Vec<Value> = LOCATIONS
        .iter()
        .filter(|location| area.is_none_or(|area| location.area.eq_ignore_ascii_case(area)))
        .map(|location| {
            json!({
                "id": location.id,
                "area": location.area,
                "resourceName": location.resource,
                "routeTemplate": location.template,
                "resourceVersion": location.version,
                "minVersion": "1.0",
                "maxVersion": "7.2",
                "releasedVersion": location.released,
            })
        })
        .collect();
    list(&found)
}
