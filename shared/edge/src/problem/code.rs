//! Every stable problem code: its status, its title, and the next step for its reader.
//!
//! A row is `Variant = "text", STATUS, "title", "advice"`. `retry <seconds>` behind the status is the default of the
//! `Retry-After` header, for problems that pass by themselves.

use std::time::Duration;

use http::StatusCode;

macro_rules! codes {
    ($($variant:ident = $text:literal, $status:ident $(retry $seconds:literal)?, $title:literal, $advice:literal;)+) => {
        /// The stable name of one kind of problem. The names are part of the contract: new ones are added, none is
        /// renamed or removed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $title] $variant,)+
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code as in a problem document and at the end of its `type`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The HTTP status of the answer.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// The default of the `Retry-After` header, if the answer has one.
            pub const fn retry_after(self) -> Option<Duration> {
                let seconds: &[u64] = match self { $(Self::$variant => &[$($seconds)?],)+ };
                match seconds {
                    [seconds] => Some(Duration::from_secs(*seconds)),
                    _ => None,
                }
            }

            /// The problem in one line; the same for every occurrence (RFC 9457 §3.1.3).
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// The next step, as one sentence for the reader.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)+ }
            }
        }
    };
}

codes! {
    // who is calling
    MissingCredentials = "missing_credentials", UNAUTHORIZED,
        "The request names no caller",
        "Send an API key as `Authorization: Bearer <key>`, or as the password of Basic authentication.";
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED,
        "The credentials are not accepted",
        "Check that the key or token is complete, has not expired or been deleted, and belongs to this deployment.";
    RoleNotAllowed = "role_not_allowed", FORBIDDEN,
        "This caller may not use this route",
        "Use credentials with one of the roles that the documentation lists for this route.";

    CallerNotAllowed = "caller_not_allowed", FORBIDDEN,
        "This caller may not name users under this integration",
        "Call with the credentials that the integration's field users names, or ask the operator to change the field.";
    WrongKeysLimited = "wrong_keys_limited", TOO_MANY_REQUESTS retry 36,
        "Too many wrong keys have come from this address",
        "Try again after the time in the Retry-After header, with the right key.";
    CrossSiteRequest = "cross_site_request", FORBIDDEN,
        "A page of another site sent this request",
        "Send it from a program, or from a page whose origin is among the deployment's CorsOrigins.";

    // the request itself
    NotFound = "not_found", NOT_FOUND,
        "There is nothing at this address",
        "Compare the address with the routes in /openapi.json.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED,
        "This address does not take this method",
        "Use one of the methods in the Allow header.";
    InvalidRequest = "invalid_request", BAD_REQUEST,
        "The request is not valid",
        "Correct the fields listed under errors and send the request again.";
    MalformedJson = "malformed_json", BAD_REQUEST,
        "The body is not JSON",
        "Send a body that is one well-formed JSON object in UTF-8.";
    DuplicateParameter = "duplicate_parameter", BAD_REQUEST,
        "A parameter was sent more than once",
        "Send each parameter once.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE,
        "The body has the wrong media type",
        "Send the body with `Content-Type: application/json`.";
    FormRefused = "form_refused", FORBIDDEN,
        "This form was not sent from a page of yours",
        "Open the page again and send the form from there.";
    RequestTooLarge = "request_too_large", PAYLOAD_TOO_LARGE,
        "The request is too large",
        "Send a smaller request; the limits are in the documentation.";
    RequestRefused = "request_refused", FORBIDDEN,
        "The request was refused before it reached the service",
        "Compare the address with the routes in /openapi.json, and the request with the limits in the documentation.";
    HeaderTooLarge = "header_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE,
        "A request header is too large",
        "Send a shorter Authorization header; the limit is 8 kB.";

    // ourselves
    InternalError = "internal_error", INTERNAL_SERVER_ERROR,
        "Something went wrong in the service",
        "Try again; if it happens again, give the operator the request id.";
    ServiceUnavailable = "service_unavailable", SERVICE_UNAVAILABLE retry 2,
        "The service cannot answer right now",
        "Try again after the time in the Retry-After header.";

    // integrations and connect sessions
    IntegrationNotFound = "integration_not_found", NOT_FOUND,
        "There is no such integration",
        "Check the integration's id; the operator sees all of them under /integrations.";
    IntegrationNotReady = "integration_not_ready", CONFLICT,
        "The integration cannot be used at the moment",
        "Ask the operator to run the integration's verify route and to follow its findings.";
    ServicePaused = "service_paused", SERVICE_UNAVAILABLE retry 2,
        "The operator has stopped the service",
        "Try again after the time in the Retry-After header, or ask the operator when the service goes on.";
    ReturnToNotAllowed = "return_to_not_allowed", BAD_REQUEST,
        "The return address is not allowed",
        "Use a return address whose origin is on the integration's allowed_return_origins.";
    OrganizationNotAllowed = "organization_not_allowed", FORBIDDEN,
        "The Azure DevOps organization is not allowed here",
        "Name an organization that the integration and the connection serve.";
    ScopeNotAllowed = "scope_not_allowed", BAD_REQUEST,
        "A scope is not allowed",
        "Ask only for scopes that the integration is configured with.";
    UserMismatch = "user_mismatch", FORBIDDEN,
        "The user named is not the user who calls",
        "Leave the user out, or name the user whom the caller's own token names.";

    // starting in the browser
    SessionUnknown = "session_unknown", NOT_FOUND,
        "This link is not known or was already used",
        "Go back to the application and start connecting again.";
    SessionExpired = "session_expired", GONE,
        "This link has expired",
        "Go back to the application and start connecting again; a link works for 30 minutes.";
    SessionUsedUp = "session_used_up", TOO_MANY_REQUESTS,
        "This link was opened too many times",
        "Go back to the application and start connecting again.";

    TooEarly = "too_early", TOO_EARLY,
        "This page was fetched before anybody visited it",
        "Open the address in a browser; nothing was started or used up.";

    // MCP clients
    ClientUnknown = "client_unknown", BAD_REQUEST,
        "The client is not known",
        "Send a client_id that is the https address of the client's metadata document, or that the registration endpoint has answered with.";
    RedirectUriNotAllowed = "redirect_uri_not_allowed", BAD_REQUEST,
        "The redirect URI is not one of the client's",
        "Send a redirect_uri exactly as the client's metadata have it; on localhost the port may differ.";

    // coming back from Entra
    StateUnknown = "state_unknown", BAD_REQUEST,
        "This sign-in is not known or was already finished",
        "Go back to the application; if you are not connected there, start again.";
    StateExpired = "state_expired", BAD_REQUEST,
        "This sign-in took too long",
        "Go back to the application and start again; a sign-in has to be finished within 10 minutes.";
    BrowserMismatch = "browser_mismatch", BAD_REQUEST,
        "This sign-in was started in another browser",
        "Start and finish in the same browser, with cookies allowed for this site.";
    SignInCancelled = "sign_in_cancelled", FORBIDDEN,
        "The sign-in was cancelled",
        "Start again if you want to connect; if Microsoft asked for an administrator, one has to approve the application first.";
    ConsentRequired = "consent_required", FORBIDDEN,
        "The permissions were not granted",
        "Start again and accept the permissions that Microsoft lists.";
    AdminApprovalRequired = "admin_approval_required", FORBIDDEN,
        "An administrator has to approve this application",
        "Ask an administrator of your Microsoft Entra tenant to grant consent for this application, then start again.";
    WrongTenant = "wrong_tenant", FORBIDDEN,
        "This account belongs to a tenant that is not allowed here",
        "Start again and sign in with an account of the organization that this application serves.";
    AccountNotInTenant = "account_not_in_tenant", FORBIDDEN,
        "This account is not in the organization's Microsoft Entra tenant",
        "Sign in with an account of that tenant, or ask its administrator to invite this one as a guest.";
    PersonalAccount = "personal_account", FORBIDDEN,
        "Personal Microsoft accounts cannot be connected",
        "Start again and sign in with a work or school account.";
    OrganizationAccessDenied = "organization_access_denied", FORBIDDEN,
        "This account has no access to the Azure DevOps organization",
        "Sign in with another account, or ask an administrator of the organization to add this one.";
    OrganizationNotBackedByEntra = "organization_not_backed_by_entra", FORBIDDEN,
        "The Azure DevOps organization is not connected to Microsoft Entra ID",
        "Ask the organization's owner to connect it to a Microsoft Entra tenant in its settings; if it is, the operator names that tenant in the integration.";
    PolicyBlocked = "policy_blocked", FORBIDDEN,
        "A policy of your organization blocks this access",
        "Ask your administrator which Conditional Access or Azure DevOps policy applies, giving the time and the request id.";
    InteractionRequired = "interaction_required", FORBIDDEN,
        "Microsoft Entra ID asks for one more step",
        "Start again and complete every step that Microsoft asks for.";
    CodeRejected = "code_rejected", BAD_REQUEST,
        "Microsoft Entra ID did not accept this sign-in's code",
        "Go back to the application and start again.";
    IdTokenInvalid = "id_token_invalid", BAD_GATEWAY,
        "The identity that came back could not be verified",
        "Start again; if it happens again, give the operator the request id.";
    IssuerMismatch = "issuer_mismatch", BAD_REQUEST,
        "The answer came from another identity provider than the one asked",
        "Go back to the application and start again; do not reuse an old address.";
    EntraUnavailable = "entra_unavailable", SERVICE_UNAVAILABLE retry 2,
        "Microsoft Entra ID cannot be reached",
        "Try again after the time in the Retry-After header.";
    EntraThrottled = "entra_throttled", SERVICE_UNAVAILABLE retry 2,
        "Microsoft Entra ID asks us to slow down",
        "Try again after the time in the Retry-After header.";
    CredentialRejected = "credential_rejected", BAD_GATEWAY,
        "Microsoft Entra ID does not accept the integration's client credential",
        "Ask the operator to renew the client credential of the integration.";
    TenantRefused = "tenant_refused", BAD_GATEWAY,
        "The user's Microsoft Entra tenant does not let the application in, or is not found",
        "Ask an administrator of that tenant to approve or enable the application there; the users of other tenants are not affected.";
    EntraMisconfigured = "entra_misconfigured", BAD_GATEWAY,
        "The app registration in Microsoft Entra ID is not set up as needed",
        "Ask the operator to run the integration's verify route and to follow its findings.";

    // confirming
    ConfirmationInvalid = "confirmation_invalid", BAD_REQUEST,
        "The confirmation is not valid",
        "Send the confirmation exactly as it came with the browser, once; or let the user start again.";
    ConfirmationExpired = "confirmation_expired", GONE,
        "The confirmation came too late",
        "Let the user start again, and confirm within 10 minutes.";
    ConfirmationUserMismatch = "confirmation_user_mismatch", FORBIDDEN,
        "Another user finished than the one who started",
        "The tokens were erased; let the signed-in user start again from the application.";
    DifferentAccount = "different_account", CONFLICT,
        "This connection belongs to another Microsoft account",
        "Sign in with the account that was connected before, or delete the connection first.";

    // connections
    ConnectionNotFound = "connection_not_found", NOT_FOUND,
        "There is no such connection",
        "Check the connection's id, or let the user connect.";
    ConnectionPending = "connection_pending", CONFLICT,
        "The connection is not confirmed yet",
        "Confirm it with the one-time confirmation that came back with the user.";
    ConnectionPaused = "connection_paused", CONFLICT,
        "The operator has paused this connection",
        "Ask the operator when it goes on; its tokens stay as they are.";
    ConnectionReauthorizationRequired = "connection_reauthorization_required", UNAUTHORIZED,
        "The user has to sign in again",
        "Create a new connect session for the user and send the browser to its address.";
    PassNotFound = "pass_not_found", NOT_FOUND,
        "This connection has no such pass",
        "Check the pass's id; the passes of a connection are under /connections/{connection}/passes.";
    RefreshInProgress = "refresh_in_progress", SERVICE_UNAVAILABLE retry 2,
        "The connection's token is being renewed",
        "Try again after the time in the Retry-After header.";
    RefreshRefused = "refresh_refused", SERVICE_UNAVAILABLE retry 2,
        "Microsoft Entra ID refused to renew the token, which may pass",
        "Try again after the time in the Retry-After header; a second refusal asks the user to sign in again.";
    TokenHandoutDisabled = "token_handout_disabled", FORBIDDEN,
        "This integration does not hand out tokens",
        "Call Azure DevOps through the proxy, or ask the operator to allow token hand-out for the integration.";

    // the proxy
    UnknownHost = "unknown_host", BAD_REQUEST,
        "This is not a host of Azure DevOps",
        "Use the address of the Azure DevOps API without `https://` after the connection's id.";
    AmbiguousPath = "ambiguous_path", BAD_REQUEST,
        "The address could be understood in more than one way",
        "Remove dot segments, control characters, slashes that are encoded twice, and encoded or doubled slashes before the organization from the address.";
    DevopsUnavailable = "devops_unavailable", BAD_GATEWAY,
        "Azure DevOps cannot be reached",
        "Try again; if it lasts, look at https://status.dev.azure.com.";
    DevopsTimeout = "devops_timeout", GATEWAY_TIMEOUT,
        "Azure DevOps did not answer in time",
        "Ask for less at once, for example with paging, or try again.";
    InsufficientScope = "insufficient_scope", FORBIDDEN,
        "The connection lacks a scope for this call",
        "Ask the operator to add the scope that the detail names, then let the user connect again.";
    ResponseTooLarge = "response_too_large", BAD_GATEWAY,
        "The answer is too large to pass through",
        "Ask for less at once, for example with paging or a byte range, or use the proxy that streams.";

    CallNotAllowed = "call_not_allowed", FORBIDDEN,
        "The integration does not let this call through",
        "Ask the operator which methods and paths the integration's allowed_calls name, and which closed areas it opens.";
    McpDisabled = "mcp_disabled", FORBIDDEN,
        "The integration has no MCP endpoint",
        "Ask the operator to set mcp.access of the integration to read or write.";
    WriteNotGranted = "write_not_granted", FORBIDDEN,
        "The user has let this client only read",
        "Let the user sign in again, and ask for the scope `read write`.";
    ConnectionAmbiguous = "connection_ambiguous", CONFLICT,
        "More than one of your connections reaches this address",
        "Name one integration in the header x-ado-connect-integration, or a connection in place of `me`.";
    RateLimited = "rate_limited", TOO_MANY_REQUESTS retry 2,
        "Too many calls for the limit that the operator has set",
        "Try again after the time in the Retry-After header.";
    ConcurrencyLimited = "concurrency_limited", TOO_MANY_REQUESTS retry 2,
        "Too many calls at the same time with this API key, of this connection or under this integration",
        "Try again when one of the calls under way has ended.";
    RenewedRecently = "renewed_recently", TOO_MANY_REQUESTS retry 60,
        "A renewal of this connection was asked for less than a minute ago",
        "Try again after the time in the Retry-After header; calls renew the token themselves when they need it.";
    DevopsThrottled = "devops_throttled", TOO_MANY_REQUESTS retry 2,
        "Azure DevOps has asked to be called later for this user",
        "Try again after the time in the Retry-After header.";

    // API keys
    ApiKeyNotFound = "api_key_not_found", NOT_FOUND,
        "There is no such API key",
        "Check the key's id; the operator sees all of them under /api-keys.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_distinct_lower_snake_case_words() {
        let distinct: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(distinct.len(), Code::ALL.len());
        for code in distinct {
            assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code}");
        }
    }

    #[test]
    fn a_problem_that_passes_by_itself_has_a_retry_after() {
        for code in Code::ALL {
            let passes = code.status() == StatusCode::SERVICE_UNAVAILABLE
                || code.status() == StatusCode::TOO_MANY_REQUESTS;
            // A link that is used up stays used up.
            let passes = passes && *code != Code::SessionUsedUp;
            assert_eq!(code.retry_after().is_some(), passes, "{code:?}");
        }
    }

    #[test]
    fn every_code_is_an_error_with_a_title_and_one_sentence_of_advice() {
        for code in Code::ALL {
            let (title, advice) = (code.title(), code.advice());
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
            assert!(!title.ends_with('.'), "{code:?}: a title is not a sentence");
            assert!(advice.ends_with('.') && !advice.contains(". "), "{code:?}: {advice}");
        }
    }
}
