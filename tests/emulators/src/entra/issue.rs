//! Minting access tokens, refresh tokens and ID tokens.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::accounts::Account;
use super::grants::{AccessToken, RefreshToken, satisfies};
use super::keys::{self, PERSONAL_KID, SigningKey};
use super::metadata::issuer;
use super::scopes::{ResourceScopes, Scopes};
use super::{Authority, Directory, PERSONAL_TENANT};
use crate::faults::{IdTokenFault, IdTokenSignature};
use crate::marker;

/// Lifetime of an ID token in seconds (Entra: one hour).
const ID_TOKEN_SECONDS: i64 = 3600;

/// The client, account and tenant of a token.
pub(crate) struct Subject<'a> {
    pub client_id: Uuid,
    /// `None`: the app itself.
    pub account: Option<&'a Account>,
    pub tenant: Uuid,
    pub capable: bool,
    pub claims: Option<&'a str>,
}

/// Mints an access token for `permissions` on `granted.resource`, valid for `lifetime` seconds.
pub(crate) fn access_token(
    directory: &mut Directory,
    subject: &Subject<'_>,
    granted: &ResourceScopes,
    permissions: Vec<String>,
    lifetime: u64,
    now: Timestamp,
) -> String {
    let expires_at = after(now, lifetime);
    let satisfied = satisfy_challenge(directory, subject);
    let object_id = object_id(subject);
    let (name, username) = subject
        .account
        .map(|account| (account.name.clone(), account.username.clone()))
        .unwrap_or_default();
    let mut claims = json!({
        "aud": granted.resource.audience(),
        "iss": format!("https://sts.windows.net/{}/", subject.tenant),
        "iat": now.as_second(),
        "nbf": now.as_second(),
        "exp": expires_at.as_second(),
        "appid": subject.client_id,
        "appidacr": "1",
        "oid": object_id,
        "sub": pairwise(subject.client_id, object_id),
        "tid": subject.tenant,
        "uti": marker::random_text(16),
        "ver": "1.0",
    });
    if subject.account.is_some() {
        claims["name"] = name.as_str().into();
        claims["unique_name"] = username.as_str().into();
        claims["scp"] = permissions.join(" ").into();
    } else {
        claims["idtyp"] = "app".into();
    }
    if subject.capable {
        claims["xms_cc"] = json!(["CP1"]);
    }
    // Only the resource may read an access token, and ours looks tokens up, so the signature is never verified.
    let token = format!(
        "{}.{}.{}{}",
        URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"RS256"}"#),
        URL_SAFE_NO_PAD.encode(marker::marked_claims(&claims)),
        marker::MARKER,
        marker::random_text(244),
    );
    keep(directory, &token);
    directory.grants.remember_access_token(
        token.clone(),
        AccessToken {
            client_id: subject.client_id,
            account: subject.account.map(|account| account.key.clone()),
            tenant: subject.tenant,
            object_id,
            name,
            username,
            resource: granted.resource,
            permissions,
            capable: subject.capable,
            satisfied,
            expires_at,
            revoked: false,
        },
        now,
    );
    token
}

/// Marks a challenge as satisfied if the request has its claims. Returns the number of satisfied challenges.
fn satisfy_challenge(directory: &mut Directory, subject: &Subject<'_>) -> u64 {
    let restrictions =
        subject.account.and_then(|account| directory.restrictions.get_mut(&account.key));
    let Some(restrictions) = restrictions else {
        return 0;
    };
    let met =
        restrictions.challenge.as_deref().is_some_and(|asked| satisfies(subject.claims, asked));
    if met {
        restrictions.satisfied = restrictions.challenges;
    }
    restrictions.satisfied
}

/// Mints a refresh token.
pub(crate) fn refresh_token(directory: &mut Directory, record: RefreshToken) -> String {
    let token = marker::opaque("1.AX", 800);
    keep(directory, &token);
    directory.grants.refresh_tokens.insert(token.clone(), record);
    token
}

/// Mints an ID token, spoilt by a fault if there is one. Returns `None` if the fault omits it.
pub(crate) fn id_token(
    directory: &mut Directory,
    base_url: &str,
    subject: &Subject<'_>,
    (scopes, nonce): (&Scopes, Option<&str>),
    spoil: Option<&IdTokenFault>,
    now: Timestamp,
) -> Option<String> {
    let account = subject.account?;
    let key = if directory.settings.app_signing_keys {
        keys::of_app()?
    } else {
        directory.keys.current()?
    };
    let mut header = json!({"typ": "JWT", "alg": "RS256", "kid": key.kid});
    if subject.tenant == PERSONAL_TENANT {
        header["kid"] = PERSONAL_KID.into();
    }
    let mut claims = id_token_claims(base_url, subject, account, (scopes, nonce), now);
    let mut signer: Option<Arc<SigningKey>> = Some(key);
    if let Some(fault) = spoil {
        if fault.omit {
            return None;
        }
        overlay(&mut claims, fault.claims.iter());
        overlay(&mut header, fault.header.iter());
        signer = match fault.signature {
            IdTokenSignature::Valid => signer,
            IdTokenSignature::ForeignKey => keys::foreign(),
            IdTokenSignature::Broken | IdTokenSignature::Missing => None,
        };
    }
    let content = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(marker::marked_claims(&claims))
    );
    let signature = match (signer, spoil.map(|fault| fault.signature)) {
        (Some(key), _) => key.sign(&content),
        (None, Some(IdTokenSignature::Missing)) => String::new(),
        (None, _) => marker::random_text(256),
    };
    let token = format!("{content}.{signature}");
    keep(directory, &token);
    Some(token)
}

fn id_token_claims(
    base_url: &str,
    subject: &Subject<'_>,
    account: &Account,
    (scopes, nonce): (&Scopes, Option<&str>),
    now: Timestamp,
) -> Value {
    let object_id = object_id(subject);
    let mut claims = json!({
        "aud": subject.client_id,
        "iss": issuer(base_url, Authority::Tenant(subject.tenant)),
        "iat": now.as_second(),
        "nbf": now.as_second(),
        "exp": now.as_second() + ID_TOKEN_SECONDS,
        "aio": marker::random_text(48),
        "rh": marker::random_text(24),
        "sub": pairwise(subject.client_id, object_id),
        "tid": subject.tenant,
        "uti": marker::random_text(16),
        "ver": "2.0",
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    if scopes.has("profile") {
        claims["name"] = account.name.as_str().into();
        claims["oid"] = object_id.to_string().into();
        claims["preferred_username"] = account.username.as_str().into();
    }
    if scopes.has("email") {
        claims["email"] = account.username.as_str().into();
    }
    if account.home.tenant != subject.tenant {
        claims["idp"] = format!("https://sts.windows.net/{}/", account.home.tenant).into();
    }
    claims
}

/// Returns `client_info`: the ids of the account in its home tenant.
pub(crate) fn client_info(account: &Account) -> String {
    let home = json!({"uid": account.home.object_id, "utid": account.home.tenant});
    URL_SAFE_NO_PAD.encode(home.to_string())
}

/// `now` plus `seconds`.
pub(crate) fn after(now: Timestamp, seconds: u64) -> Timestamp {
    let duration = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    now.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

fn object_id(subject: &Subject<'_>) -> Uuid {
    match subject.account {
        Some(account) => account
            .membership(subject.tenant)
            .map_or(account.home.object_id, |membership| membership.object_id),
        // The service principal: one per app and tenant.
        None => derived_id(&format!("{} in {}", subject.client_id, subject.tenant)),
    }
}

fn derived_id(text: &str) -> Uuid {
    let hash = digest(&SHA256, text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// Returns `sub`, which is different for every app.
fn pairwise(client_id: Uuid, object_id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("{client_id} {object_id}").as_bytes()))
}

fn overlay<'a>(target: &mut Value, changes: impl Iterator<Item = (&'a String, &'a Value)>) {
    if let Some(members) = target.as_object_mut() {
        for (name, value) in changes {
            if value.is_null() {
                members.remove(name);
            } else {
                members.insert(name.clone(), value.clone());
            }
        }
    }
}

fn keep(directory: &mut Directory, secret: &str) {
    if directory.settings.keep_issued {
        directory.grants.issued.push(secret.to_owned());
    }
}
