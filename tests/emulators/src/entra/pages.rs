//! The HTML pages for users: plain forms without scripts.

use super::accounts::Account;
use super::errors::{OAuthError, Trace};
use crate::reply::Reply;
use crate::request::Parameters;

/// Outcomes of a sign-in other than approval: values of the `action` field of the sign-in form.
pub(crate) const OUTCOMES: &[(&str, &str)] = &[
    ("cancel", "Cancel"),
    ("consent_required", "Consent is required"),
    ("admin_approval_required", "Administrator approval is required"),
    ("admin_approval_pending", "Administrator approval was requested"),
    ("interaction_required", "Multifactor authentication is required"),
    ("login_required", "Sign-in is required"),
    ("not_assigned", "The user is not assigned to the app"),
    ("blocked", "Conditional Access blocks the sign-in"),
    ("server_error", "Server error"),
    ("temporarily_unavailable", "Temporarily unavailable"),
];

/// The sign-in page; every button posts to `action_url`.
pub(crate) fn sign_in(
    action_url: &str,
    app_name: &str,
    accounts: &[&Account],
    selected: Option<&Account>,
) -> Reply {
    let action = escape(action_url);
    let mut buttons = Vec::new();
    for account in accounts {
        let mark = if selected.is_some_and(|selected| selected.key == account.key) {
            " data-selected=\"true\" autofocus"
        } else {
            ""
        };
        buttons.push(format!(
            "<form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"account\" value=\"{key}\">\
             <button name=\"action\" value=\"approve\"{mark}>{name} &lt;{username}&gt;</button></form>\n",
            key = escape(&account.key),
            name = escape(&account.name),
            username = escape(&account.username),
        ));
    }
    let outcomes: Vec<String> = OUTCOMES
        .iter()
        .map(|(value, label)| {
            format!("<button name=\"action\" value=\"{value}\">{label}</button>\n")
        })
        .collect();
    let (buttons, outcomes) = (buttons.concat(), outcomes.concat());
    page(
        200,
        "Sign in to your account",
        &format!(
            "<p>to continue to <b>{}</b></p>\n<h2>Pick an account</h2>\n{buttons}<h2>Or end otherwise</h2>\n\
             <form method=\"post\" action=\"{action}\">\n{outcomes}</form>",
            escape(app_name)
        ),
    )
}

/// "Need admin approval": the only button leads back to the application, without consent.
pub(crate) fn need_admin_approval(action_url: &str, app_name: &str) -> Reply {
    page(
        200,
        "Need admin approval",
        &format!(
            "<p>AADSTS90094: {} needs permission that only an administrator can grant.</p>\n\
             <form method=\"post\" action=\"{}\"><button name=\"action\" value=\"admin_approval_required\">\
             Return to the application without granting consent</button></form>",
            escape(app_name),
            escape(action_url),
        ),
    )
}

/// The administrator's consent page.
pub(crate) fn admin_consent(
    action_url: &str,
    app_name: &str,
    administrators: &[&Account],
) -> Reply {
    let action = escape(action_url);
    let forms: Vec<String> = administrators
        .iter()
        .map(|account| {
            format!(
                "<form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"account\" value=\"{}\">\
                 <button name=\"action\" value=\"approve\">Accept as {}</button></form>\n",
                escape(&account.key),
                escape(&account.name)
            )
        })
        .collect();
    let forms = forms.concat();
    page(
        200,
        "Permissions requested: review for your organization",
        &format!(
            "<p><b>{}</b></p>\n{forms}<form method=\"post\" action=\"{action}\">\
             <button name=\"action\" value=\"cancel\">Cancel</button></form>",
            escape(app_name)
        ),
    )
}

/// An error that must not be sent to the application, because its identity is in doubt.
pub(crate) fn error(status: u16, error: &OAuthError, trace: &Trace) -> Reply {
    page(
        status,
        "Sorry, but we’re having trouble signing you in.",
        &format!("<pre>{}</pre>", escape(&error.description(trace))),
    )
    .header("x-ms-request-id", trace.id)
}

/// `response_mode=form_post`: a page that posts the parameters to the application.
pub(crate) fn form_post(redirect_uri: &str, parameters: &[(String, String)]) -> Reply {
    let inputs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| {
            format!(
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">\n",
                escape(name),
                escape(value)
            )
        })
        .collect();
    let inputs = inputs.concat();
    page(
        200,
        "Working...",
        &format!(
            "<form method=\"post\" action=\"{}\">\n{inputs}<button>Continue</button></form>",
            escape(redirect_uri)
        ),
    )
}

/// `GET /{tenant}/oauth2/v2.0/logout`
pub(crate) fn signed_out(query: &Parameters) -> Reply {
    match query.get("post_logout_redirect_uri") {
        Some(uri) => Reply::redirect(uri),
        None => page(200, "You signed out of your account", ""),
    }
}

pub(crate) fn start(base_url: &str) -> Reply {
    page(
        200,
        "Microsoft Entra ID, emulated",
        &format!(
            "<p>Discovery: <a href=\"{base_url}/organizations/v2.0/.well-known/openid-configuration\">organizations</a>. \
             Admin: <a href=\"/_emulator/accounts\">accounts</a>, <a href=\"/_emulator/counts\">counts</a>, \
             <a href=\"/_emulator/settings\">settings</a>.</p>"
        ),
    )
}

pub(crate) fn not_found() -> Reply {
    Reply::html(404, bare("404 - File or directory not found."))
}

/// A page with only this text.
pub(crate) fn bare(text: &str) -> String {
    format!(
        "<!DOCTYPE html><html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>",
        text = escape(text)
    )
}

fn page(status: u16, title: &str, content: &str) -> Reply {
    Reply::html(
        status,
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body><h1>{title}</h1>\n{content}\n</body></html>\n",
            title = escape(title)
        ),
    )
    .header("cache-control", "no-store, no-cache")
    .header("x-frame-options", "DENY")
    .header("referrer-policy", "strict-origin-when-cross-origin")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
