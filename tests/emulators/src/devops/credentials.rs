//! The areas that hand out credentials or persist access: personal access tokens, session tokens and SSH keys, the data
//! providers of the web pages, and service hooks. Each secret contains the marker.

use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, list, ok, time};
use super::failure::Answer;
use super::routes::{Level, Route};
use crate::marker::opaque;

/// Personal access tokens, at `vssps` only.
pub(crate) const TOKEN_ROUTES: &[Route] = &[
    Route::new(
        "tokens.pats.list",
        "GET",
        "tokens/pats",
        Level::Organization,
        &["vso.pats", "vso.pats_manage"],
        pats,
    ),
    Route::new(
        "tokens.pats.create",
        "POST",
        "tokens/pats",
        Level::Organization,
        &["vso.pats_manage"],
        create_pat,
    ),
];

/// Session tokens, at every host that issues them.
pub(crate) const SESSION_ROUTES: &[Route] = &[Route::new(
    "token.sessiontokens.create",
    "POST",
    "Token/SessionTokens",
    Level::Organization,
    &["vso.tokens"],
    create_session_token,
)];

pub(crate) const CONTRIBUTION_ROUTES: &[Route] = &[Route::new(
    "contribution.hierarchyquery",
    "POST",
    "Contribution/HierarchyQuery",
    Level::Either,
    &[],
    hierarchy_query,
)];

pub(crate) const HOOK_ROUTES: &[Route] = &[Route::new(
    "hooks.subscriptions.create",
    "POST",
    "hooks/subscriptions",
    Level::Organization,
    &["vso.hooks_write"],
    create_subscription,
)];

/// The data provider by which the web page issues tokens and SSH keys.
const ISSUER: &str = "ms.vss-token-web.personal-access-token-issue-session-token-provider";

fn pats(_call: &mut Call<'_>) -> Answer {
    Ok(list(&[]))
}

fn create_pat(call: &mut Call<'_>) -> Answer {
    let wanted: Value = call.json()?;
    ok(&json!({
        "patToken": {
            "displayName": wanted["displayName"],
            "validTo": wanted["validTo"],
            "scope": wanted["scope"],
            "targetAccounts": null,
            "validFrom": time(call.now),
            "authorizationId": Uuid::new_v4(),
            "token": opaque("", 24),
        },
        "patTokenError": "none",
    }))
}

fn session_token(call: &Call<'_>) -> Value {
    json!({
        "clientId": Uuid::nil(),
        "accessId": Uuid::new_v4(),
        "authorizationId": Uuid::new_v4(),
        "validFrom": time(call.now),
        "token": opaque("", 24),
    })
}

fn create_session_token(call: &mut Call<'_>) -> Answer {
    ok(&session_token(call))
}

fn hierarchy_query(call: &mut Call<'_>) -> Answer {
    let query: Value = call.json()?;
    let ids = query["contributionIds"].as_array().cloned().unwrap_or_default();
    let provider = |id: &Value| match id.as_str() {
        Some(ISSUER) => session_token(call),
        _ => json!({}),
    };
    let data: serde_json::Map<String, Value> =
        ids.iter().map(|id| (id.as_str().unwrap_or_default().to_owned(), provider(id))).collect();
    ok(&json!({"dataProviderSharedData": {}, "dataProviders": data}))
}

fn create_subscription(call: &mut Call<'_>) -> Answer {
    let mut subscription: Value = call.json()?;
    subscription["id"] = json!(Uuid::new_v4());
    ok(&subscription)
}
