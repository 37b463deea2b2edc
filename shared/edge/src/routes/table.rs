//! The rows, and the operations that they name.
//!
//! A row is `Operation = METHOD "path", CALLERS, Audience, Function, "summary", [problems; GROUPS OF PROBLEMS]`.
//! `Json` behind the path is the body that the route reads.

use http::Method;

use super::{Audience, Function, RequestBody, Route};
use crate::problem::Code;
use crate::role::Role;

macro_rules! routes {
    ($($operation:ident = $method:ident $path:literal $($body:ident)?, $callers:ident, $audience:ident, $function:ident,
        $summary:literal, [$($problem:ident),* $(; $($group:ident),+)?];)+) => {
        /// The operations of the service. In `openapi.json` they are the `operationId`s.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(clippy::doc_markdown, reason = "a summary is plain text in `openapi.json`")]
        pub enum Operation {
            $(#[doc = $summary] $operation,)+
        }

        /// Every route, in the order of the documentation.
        pub static ROUTES: &[Route] = &[$(Route {
            operation: Operation::$operation,
            method: routes!(@method $method),
            path: $path,
            callers: $callers,
            audience: Audience::$audience,
            function: Function::$function,
            summary: $summary,
            body: routes!(@body $($body)?),
            specific_problems: &[&[$(Code::$problem),*], $($($group),+)?],
        },)+];
    };
    (@method ANY) => { None };
    (@method $method:ident) => { Some(Method::$method) };
    (@body) => { RequestBody::None };
    (@body $body:ident) => { RequestBody::$body };
}

const OPERATOR: &[Role] = &[Role::Operator];
const APPLICATION: &[Role] = &[Role::Application];
const APPLICATION_OR_USER: &[Role] = &[Role::Application, Role::User];
const ANYONE: &[Role] = &[];

routes! {
    PutIntegration = PUT "/integrations/{integration}" Json, OPERATOR, Api, Manage,
        "Create or replace an integration", [];
    ListIntegrations = GET "/integrations", OPERATOR, Api, Manage, "List the integrations", [DuplicateParameter];
    GetIntegration = GET "/integrations/{integration}", OPERATOR, Api, Manage,
        "Read an integration, with the redirect URI to register in Microsoft Entra ID", [IntegrationNotFound];
    DeleteIntegration = DELETE "/integrations/{integration}", OPERATOR, Api, Manage,
        "Delete an integration and its client credential", [IntegrationNotFound];
    PutClientCredential = PUT "/integrations/{integration}/client-credential" Json, OPERATOR, Api, Manage,
        "Replace an integration's client credential and nothing else of it", [IntegrationNotFound];
    VerifyIntegration = POST "/integrations/{integration}/verify", OPERATOR, Api, Manage,
        "Check an integration's set-up: one finding per check, each with the fix", [IntegrationNotFound];
    PauseIntegration = POST "/integrations/{integration}/pause", OPERATOR, Api, Manage,
        "Stop an integration: nothing is connected, called or renewed under it until it is resumed",
        [IntegrationNotFound];
    ResumeIntegration = POST "/integrations/{integration}/resume", OPERATOR, Api, Manage,
        "Let a paused integration go on", [IntegrationNotFound];
    CreateConnectSession = POST "/connect-sessions" Json, APPLICATION_OR_USER, Api, Manage,
        "Create the link with which one user's browser starts connecting",
        [
            IntegrationNotFound, IntegrationNotReady, ServicePaused, ReturnToNotAllowed,
            OrganizationNotAllowed, ScopeNotAllowed, UserMismatch, CallerNotAllowed
        ];
    Authorize = GET "/authorize", ANYONE, Browser, Authorize,
        "Start an authorization request and go on to Microsoft Entra ID",
        [
            TooEarly, DuplicateParameter, SessionUnknown, SessionExpired, SessionUsedUp, IntegrationNotReady,
            ServicePaused, OrganizationNotBackedByEntra, EntraUnavailable, TenantRefused,
            EntraMisconfigured
        ];
    IntegrationCallback = GET "/integration-callback", ANYONE, Browser, Callback,
        "Complete an authorization request and go back to the application", [; CALLBACK];
    ProtectedResource = GET "/.well-known/oauth-protected-resource/{resource+}", ANYONE, Api, Authorize,
        "The metadata of an MCP endpoint (RFC 9728)", [];
    AuthorizationServer = GET "/.well-known/oauth-authorization-server/{issuer+}", ANYONE, Api, Authorize,
        "The metadata of an integration's authorization server (RFC 8414)", [];
    AskConsent = GET "/oauth/{integration}/authorize", ANYONE, Browser, Authorize,
        "Ask a user whether an MCP client may work with the user's account", [TooEarly; CONSENT];
    GiveConsent = POST "/oauth/{integration}/authorize", ANYONE, Browser, Authorize,
        "Let an MCP client in, and go on to Microsoft Entra ID",
        [
            FormRefused, OrganizationNotBackedByEntra, EntraUnavailable, TenantRefused,
            EntraMisconfigured; CONSENT
        ];
    RegisterClient = POST "/oauth/{integration}/register", ANYONE, Api, Authorize,
        "Register an MCP client (RFC 7591); nothing is stored", [];
    TurnPass = POST "/oauth/{integration}/token", ANYONE, Api, Authorize,
        "Exchange an MCP client's code or refresh token for the next tokens (RFC 6749)",
        [RequestTooLarge, IntegrationNotReady, ServicePaused];
    RevokePass = POST "/oauth/{integration}/revoke", ANYONE, Api, Authorize,
        "End an MCP client's access (RFC 7009)", [RequestTooLarge];
    ConfirmConnection = POST "/connections/{connection}/confirm" Json, APPLICATION_OR_USER, Api, Manage,
        "Confirm that the user who finished in the browser is the user it started for",
        [
            ConnectionNotFound, ConfirmationInvalid, ConfirmationExpired, ConfirmationUserMismatch,
            UserMismatch, CallerNotAllowed, DifferentAccount
        ];
    ListConnections = GET "/connections", APPLICATION_OR_USER, Api, Manage,
        "List connections; a user sees only its own", [DuplicateParameter, IntegrationNotFound, UserMismatch];
    GetConnection = GET "/connections/{connection}", APPLICATION_OR_USER, Api, Manage,
        "Read a connection: status, account, scopes, expiry, last use", [ConnectionNotFound];
    DeleteConnection = DELETE "/connections/{connection}", APPLICATION_OR_USER, Api, Manage,
        "Delete a connection and forget its tokens at once", [ConnectionNotFound];
    ListPasses = GET "/connections/{connection}/passes", APPLICATION_OR_USER, Api, Manage,
        "List the MCP clients that work with a connection", [ConnectionNotFound];
    DeletePass = DELETE "/connections/{connection}/passes/{pass}", APPLICATION_OR_USER, Api, Manage,
        "End the access of an MCP client at once", [ConnectionNotFound, PassNotFound];
    RefreshConnection = POST "/connections/{connection}/refresh", APPLICATION, Api, Proxy,
        "Renew a connection's tokens now; at most once a minute", [RenewedRecently; TOKEN];
    HandOutToken = POST "/connections/{connection}/token", APPLICATION, Api, Proxy,
        "Hand out the access token, where the integration allows it", [TokenHandoutDisabled; TOKEN];
    Proxy = ANY "/proxy/{connection}/{host}/{path+}", APPLICATION_OR_USER, Api, Proxy,
        "Call Azure DevOps with the user's token", [; CALL, TOKEN];
    Mcp = ANY "/mcp/{connection}/{narrowing+}", APPLICATION_OR_USER, Api, Mcp,
        "The MCP endpoint of a connection, or of the calling user's own connection under an integration",
        [
            McpDisabled, WriteNotGranted, ConnectionNotFound, ConnectionReauthorizationRequired, ServicePaused
        ];
    PauseConnection = POST "/connections/{connection}/pause", OPERATOR, Api, Manage,
        "Stop one connection: nothing is called with it and no token handed out until it is resumed; renewals go on",
        [ConnectionNotFound];
    ResumeConnection = POST "/connections/{connection}/resume", OPERATOR, Api, Manage,
        "Let a paused connection go on", [ConnectionNotFound];
    CreateApiKey = POST "/api-keys" Json, OPERATOR, Api, Manage,
        "Create an API key; the key is shown this once", [IntegrationNotFound];
    ListApiKeys = GET "/api-keys", OPERATOR, Api, Manage,
        "List the API keys, without the keys themselves", [];
    DeleteApiKey = DELETE "/api-keys/{key}", OPERATOR, Api, Manage,
        "Delete an API key; it stops working at once", [ApiKeyNotFound];
    ReadAudit = GET "/audit", OPERATOR, Api, Manage,
        "Export the audit trail: who did what, on what, from where; one JSON object a line, oldest first",
        [DuplicateParameter];
    GetService = GET "/service", OPERATOR, Api, Manage, "Whether the service is running or paused", [];
    PauseService = POST "/service/pause", OPERATOR, Api, Manage,
        "The kill switch: within five seconds nobody is connected, and no token is used or renewed", [];
    ResumeService = POST "/service/resume", OPERATOR, Api, Manage, "Let a paused service go on", [];
    Health = GET "/health", ANYONE, Api, Manage, "Whether the service is alive, and its version", [];
    OpenApi = GET "/openapi.json", ANYONE, Api, Manage, "This contract as an OpenAPI 3.1 document", [];
    Portal = GET "/", ANYONE, Browser, Manage,
        "The portal's first page, for an operator who is signed in there; else the sign-in page",
        [DuplicateParameter, NotFound];
    PortalAddress = GET "/portal", ANYONE, Browser, Manage,
        "The portal, as people type its address", [NotFound];
    PortalPage = GET "/portal/{page+}", ANYONE, Browser, Manage,
        "A page of the portal, for an operator who is signed in there; else the sign-in page", [; PORTAL];
    PortalAction = POST "/portal/{page+}", ANYONE, Browser, Manage,
        "A form of the portal, sent by an operator who is signed in there", [; PORTAL, FORM];
}

/// Problems of every page of the portal.
const PORTAL: &[Code] =
    &[Code::DuplicateParameter, Code::IntegrationNotFound, Code::ConnectionNotFound];

/// Problems of a form of the portal, beside those of its page.
const FORM: &[Code] = &[
    Code::ApiKeyNotFound,
    Code::WrongKeysLimited,
    Code::FormRefused,
    Code::UnsupportedMediaType,
    Code::RequestTooLarge,
];

/// Problems of the page on which a user lets an MCP client in.
const CONSENT: &[Code] = &[
    Code::DuplicateParameter,
    Code::RequestTooLarge,
    Code::ClientUnknown,
    Code::RedirectUriNotAllowed,
    Code::IntegrationNotReady,
    Code::ServicePaused,
];

/// Problems of a sign-in on its way back.
const CALLBACK: &[Code] = &[
    Code::TooEarly,
    Code::DuplicateParameter,
    Code::SessionUnknown,
    Code::StateUnknown,
    Code::StateExpired,
    Code::BrowserMismatch,
    Code::IntegrationNotReady,
    Code::ReturnToNotAllowed,
    Code::ServicePaused,
    Code::SignInCancelled,
    Code::ConsentRequired,
    Code::AdminApprovalRequired,
    Code::WrongTenant,
    Code::AccountNotInTenant,
    Code::PersonalAccount,
    Code::OrganizationAccessDenied,
    Code::OrganizationNotBackedByEntra,
    Code::PolicyBlocked,
    Code::InteractionRequired,
    Code::CodeRejected,
    Code::IdTokenInvalid,
    Code::IssuerMismatch,
    Code::EntraUnavailable,
    Code::EntraThrottled,
    Code::CredentialRejected,
    Code::TenantRefused,
    Code::EntraMisconfigured,
    Code::DifferentAccount,
    Code::DevopsUnavailable,
    Code::DevopsTimeout,
];

/// Problems of getting a connection's token.
const TOKEN: &[Code] = &[
    Code::ConnectionNotFound,
    Code::ConnectionPending,
    Code::ConnectionPaused,
    Code::ConnectionReauthorizationRequired,
    Code::IntegrationNotReady,
    Code::WrongTenant,
    Code::OrganizationNotAllowed,
    Code::ServicePaused,
    Code::RefreshInProgress,
    Code::RefreshRefused,
    Code::EntraUnavailable,
    Code::EntraThrottled,
    Code::CredentialRejected,
    Code::TenantRefused,
    Code::EntraMisconfigured,
];

/// Problems of one call of Azure DevOps, beside those of its token.
const CALL: &[Code] = &[
    Code::UnknownHost,
    Code::AmbiguousPath,
    Code::RequestTooLarge,
    Code::DevopsUnavailable,
    Code::DevopsTimeout,
    Code::ResponseTooLarge,
    Code::CallNotAllowed,
    Code::InsufficientScope,
    Code::ConnectionAmbiguous,
    Code::RateLimited,
    Code::ConcurrencyLimited,
    Code::DevopsThrottled,
];
