//! Discovery documents and key sets.

use serde_json::json;

use super::errors::{OAuthError, Trace};
use super::{Authority, PERSONAL_TENANT, State};
use crate::reply::Reply;
use crate::request::Received;

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`
pub(crate) fn configuration(state: &State, request: &Received, tenant: &str) -> Reply {
    let authority = match state.directory().authority(tenant) {
        Ok(authority) => authority,
        Err(refusal) => {
            return refuse(
                state,
                request,
                OAuthError { error: "invalid_tenant".into(), ..refusal },
            );
        }
    };
    let base = &state.base_url;
    let segment = authority.segment();
    let region = match authority {
        Authority::Tenant(_) => json!("EU"),
        _ => json!(null),
    };
    let endpoint = |path: &str| format!("{base}/{segment}/oauth2/v2.0/{path}");
    let app = request.query().get("appid").map(|app| format!("?appid={app}")).unwrap_or_default();
    cached(Reply::json(
        200,
        &json!({
            "token_endpoint": endpoint("token"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": format!("{base}/{segment}/discovery/v2.0/keys{app}"),
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": issuer(base, authority),
            "request_uri_parameter_supported": false,
            "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
            "authorization_endpoint": endpoint("authorize"),
            "device_authorization_endpoint": endpoint("devicecode"),
            "http_logout_supported": true,
            "frontchannel_logout_supported": true,
            "end_session_endpoint": endpoint("logout"),
            "claims_supported": [
                "sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name",
                "msgraph_host", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name",
                "tid", "ver", "at_hash", "c_hash", "email",
            ],
            "kerberos_endpoint": format!("{base}/{segment}/kerberos"),
            "tenant_region_scope": region,
            "cloud_instance_name": "microsoftonline.com",
            "cloud_graph_host_name": "graph.windows.net",
            "msgraph_host": "graph.microsoft.com",
            "rbac_url": "https://pas.windows.net",
        }),
    ))
}

/// `GET /{tenant}/discovery/v2.0/keys`
pub(crate) fn keys(state: &State, request: &Received, tenant: &str) -> Reply {
    let directory = state.directory();
    match directory.authority(tenant) {
        Ok(authority) => {
            let personal = matches!(authority, Authority::Common | Authority::Organizations)
                .then(|| issuer(&state.base_url, Authority::Tenant(PERSONAL_TENANT)));
            // An app's keys belong to it in one tenant, so shared key sets lack them.
            let with_app = matches!(authority, Authority::Tenant(_))
                && request.query().get("appid").is_some()
                && directory.settings.app_signing_keys;
            let issuer = issuer(&state.base_url, authority);
            let document = directory.keys.document(&issuer, personal.as_deref(), with_app);
            cached(Reply::json(200, &document))
        }
        Err(refusal) => {
            drop(directory);
            refuse(state, request, refusal)
        }
    }
}

/// Returns the issuer of an authority: a template with literal braces if accounts of any tenant may sign in.
pub(crate) fn issuer(base_url: &str, authority: Authority) -> String {
    let tenant = match authority {
        Authority::Organizations | Authority::Common => "{tenantid}".to_owned(),
        Authority::Consumers | Authority::Tenant(_) => authority.segment(),
    };
    format!("{base_url}/{tenant}/v2.0")
}

fn cached(reply: Reply) -> Reply {
    reply
        .header("cache-control", "max-age=86400, private")
        .header("access-control-allow-origin", "*")
        .header("access-control-allow-methods", "GET, OPTIONS")
        .header("x-content-type-options", "nosniff")
        .header("x-ms-ests-server", "2.1.11787.14 - SCUS ProdSlices")
        .header("x-ms-request-id", uuid::Uuid::new_v4())
}

fn refuse(state: &State, request: &Received, refusal: OAuthError) -> Reply {
    let trace: Trace = state.trace(request);
    refusal.into_reply(&trace)
}
