//! The token of a request, and the many ways in which Azure DevOps refuses one.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use uuid::Uuid;

use super::failure::Failure;
use super::settings::{AzureDevOpsSettings, SignIn};
use crate::reply::Reply;
use crate::request::Received;

/// Returns the token of the request: `Bearer`, or the password of `Basic` as sent by `az devops` and Git.
pub(crate) fn bearer(received: &Received) -> Option<String> {
    let value = received.header("authorization")?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        return pair.split_once(':').map(|(_, password)| password.to_owned());
    }
    None
}

/// The identity of callers without one.
const ANONYMOUS: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";

/// Answers a token from which nobody can be read: where a sign-in page is suppressed, the anonymous identity is refused.
pub(crate) fn refuse_unreadable(
    received: &Received,
    settings: &AzureDevOpsSettings,
    tenant: Option<Uuid>,
) -> Reply {
    if suppresses_sign_in(received) {
        return challenges(Failure::unauthorized(ANONYMOUS).into_reply(), tenant);
    }
    refuse(received, settings, tenant)
}

/// Answers a token that is missing, expired or revoked.
pub(crate) fn refuse(
    received: &Received,
    settings: &AzureDevOpsSettings,
    tenant: Option<Uuid>,
) -> Reply {
    if suppresses_sign_in(received) {
        return challenges(Reply::empty(401), tenant)
            .header("x-tfs-fedauthrealm", "https://app.vssps.visualstudio.com/")
            .header("x-tfs-fedauthissuer", "https://www.visualstudio.com/")
            .header("x-tfs-fedauthredirect", sign_in_address(received));
    }
    if received.method == Method::PATCH {
        return challenges(Failure::unauthorized("").into_reply(), tenant);
    }
    match settings.sign_in {
        SignIn::Page203 => sign_in_page(203),
        SignIn::Redirect302 => sign_in_redirect(received),
    }
}

fn suppresses_sign_in(received: &Received) -> bool {
    let value = received.header("x-tfs-fedauthredirect");
    value.is_some_and(|value| value.eq_ignore_ascii_case("suppress"))
}

/// Answers 401 to a token that was revoked by continuous access evaluation.
pub(crate) fn challenge(claims: &str, settings: &AzureDevOpsSettings) -> Reply {
    if settings.plain_challenge {
        let claims = URL_SAFE_NO_PAD.encode(claims);
        return Reply::empty(401)
            .another_header(
                "www-authenticate",
                "Bearer authorization_uri=https://login.windows.net/common",
            )
            .another_header(
                "www-authenticate",
                format!("Bearer error=insufficient_claims, claims={claims}"),
            );
    }
    Reply::empty(401).another_header(
        "www-authenticate",
        format!(
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
             error=\"insufficient_claims\", claims=\"{}\"",
            STANDARD.encode(claims)
        ),
    )
}

pub(crate) fn sign_in_page(status: u16) -> Reply {
    Reply::html(
        status,
        "<!DOCTYPE html>\r\n<html lang=\"en-US\">\r\n<head><title>\r\n\tAzure DevOps Services | Sign In\r\n</title></head>\r\n\
         <body><p>Sign in to Azure DevOps</p></body>\r\n</html>",
    )
}

pub(crate) fn sign_in_redirect(received: &Received) -> Reply {
    Reply::redirect(&sign_in_address(received))
}

fn sign_in_address(received: &Received) -> String {
    let reply_to = url::form_urlencoded::byte_serialize(
        format!("https://{}{}", received.host(), received.target()).as_bytes(),
    )
    .collect::<String>();
    format!(
        "https://spsprodweu1.vssps.visualstudio.com/_signin?realm=dev.azure.com&reply_to={reply_to}&redirect=1&protocol=&mkt=en-US"
    )
}

/// Adds the three ways to sign in, and the tenant of the organization.
pub(crate) fn challenges(reply: Reply, tenant: Option<Uuid>) -> Reply {
    challenges_in(reply, tenant, "https://tfsprodweu1.app.visualstudio.com/")
}

/// Adds the challenges for Git, whose credential helpers read the realm.
pub(crate) fn challenges_of_git(reply: Reply, tenant: Option<Uuid>) -> Reply {
    challenges_in(reply, tenant, "https://dev.azure.com/")
}

fn challenges_in(mut reply: Reply, tenant: Option<Uuid>, realm: &str) -> Reply {
    if let Some(tenant) = tenant {
        reply = tenant_headers(reply, tenant);
    }
    reply
        .another_header("www-authenticate", format!("Basic realm=\"{realm}\""))
        .another_header("www-authenticate", "TFS-Federated")
}

/// Adds the headers that name an organization's tenant to clients without credentials.
pub(crate) fn tenant_headers(reply: Reply, tenant: Uuid) -> Reply {
    reply.header("x-vss-resourcetenant", tenant).another_header(
        "www-authenticate",
        format!("Bearer authorization_uri=https://login.windows.net/{tenant}"),
    )
}
