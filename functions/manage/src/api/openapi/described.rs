//! Descriptions of operations: answers, body, query and headers, which the table of routes does not hold.

use edge::routes::Operation;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};
use vault::audit::Entry;
use vault::connections::Status as ConnectionStatus;
use vault::ids::{ApiKeyId, ConnectionId, IntegrationId, UserId};

use crate::api::audit;
use crate::api::connections::LARGEST_PAGE;
use crate::api::wire;

pub(super) type Schema = fn(&mut SchemaGenerator) -> Value;

/// Status, meaning and schema of an answer that is not a problem.
pub(super) type Answer = (&'static str, &'static str, Option<Schema>);

/// The parts of an operation's description that the table of routes lacks.
#[derive(Default)]
pub(super) struct Described {
    pub(super) answers: Vec<Answer>,
    /// The schema of the request's body.
    pub(super) body: Option<Schema>,
    /// Name, necessity and schema of each query parameter; `true` for a required one.
    pub(super) query: &'static [(&'static str, bool, Schema)],
    /// Name and meaning of each request header that the operation reads itself.
    pub(super) headers: &'static [(&'static str, &'static str)],
}

impl Described {
    fn and(mut self, status: &'static str, meaning: &'static str) -> Self {
        self.answers.push((status, meaning, None));
        self
    }
}

/// An operation with one answer, whose body is JSON.
fn json_answer(status: &'static str, meaning: &'static str, schema: Schema) -> Described {
    Described { answers: vec![(status, meaning, Some(schema))], ..Described::default() }
}

/// An operation with one answer whose body is not JSON, or that has none.
fn other_answer(status: &'static str, meaning: &'static str) -> Described {
    Described::default().and(status, meaning)
}

/// Returns the description of an operation.
pub(super) fn describe(operation: Operation) -> Described {
    match operation {
        Operation::PutIntegration => Described {
            answers: vec![
                ("200", "Replaced", Some(schema::<wire::IntegrationView>)),
                ("201", "Created", Some(schema::<wire::IntegrationView>)),
            ],
            body: Some(schema::<wire::PutIntegration>),
            ..Described::default()
        },
        Operation::ListIntegrations => {
            json_answer("200", "All of them", schema::<wire::List<wire::IntegrationView>>)
        }
        Operation::PutClientCredential => Described {
            body: Some(schema::<wire::ClientCredential>),
            ..json_answer("200", "The integration", schema::<wire::IntegrationView>)
        },
        Operation::GetIntegration | Operation::PauseIntegration | Operation::ResumeIntegration => {
            json_answer("200", "The integration", schema::<wire::IntegrationView>)
        }
        Operation::VerifyIntegration => {
            json_answer("200", "The findings", schema::<wire::Verification>)
        }
        Operation::CreateConnectSession => Described {
            body: Some(schema::<wire::CreateConnectSession>),
            ..json_answer("201", "The link", schema::<wire::ConnectSessionView>)
        },
        Operation::ListConnections => Described {
            query: &[
                ("integration", false, schema::<IntegrationId>),
                ("user", false, schema::<UserId>),
                ("status", false, schema::<ConnectionStatus>),
                ("cursor", false, text),
                ("limit", false, page_size::<LARGEST_PAGE>),
            ],
            ..json_answer("200", "One page", schema::<wire::List<wire::ConnectionView>>)
        },
        Operation::ConfirmConnection => Described {
            body: Some(schema::<wire::ConfirmConnection>),
            ..json_answer("200", "The connection", schema::<wire::ConnectionView>)
        },
        Operation::GetConnection
        | Operation::RefreshConnection
        | Operation::PauseConnection
        | Operation::ResumeConnection => {
            json_answer("200", "The connection", schema::<wire::ConnectionView>)
        }
        Operation::HandOutToken => json_answer("200", "The access token", token_schema),
        Operation::CreateApiKey => Described {
            body: Some(schema::<wire::CreateApiKey>),
            ..json_answer("201", "The key, shown this once", schema::<wire::NewApiKeyView>)
        },
        Operation::ListApiKeys => {
            json_answer("200", "All of them", schema::<wire::List<wire::ApiKeyView>>)
        }
        Operation::ListPasses => {
            json_answer("200", "All of them", schema::<wire::List<wire::PassView>>)
        }
        Operation::DeleteIntegration
        | Operation::DeleteConnection
        | Operation::DeletePass
        | Operation::DeleteApiKey => other_answer("204", "Deleted"),
        Operation::Authorize
        | Operation::IntegrationCallback
        | Operation::ProtectedResource
        | Operation::AuthorizationServer
        | Operation::AskConsent
        | Operation::GiveConsent
        | Operation::RegisterClient
        | Operation::TurnPass
        | Operation::RevokePass => of_sign_in(operation),
        Operation::Proxy => Described {
            headers: &[
                ("x-ado-connect-dry", "`1`: describe the call and the limits, and call nothing"),
                (
                    "x-ado-connect-integration",
                    "with `me`: the integration whose connection is meant",
                ),
            ],
            ..other_answer("default", "The answer of Azure DevOps, as it came")
        },
        Operation::Mcp => mcp_endpoint(),
        Operation::ReadAudit => audit_trail(),
        Operation::GetService | Operation::PauseService | Operation::ResumeService => {
            json_answer("200", "The service", schema::<wire::ServiceView>)
        }
        Operation::Health => json_answer("200", "Alive", any_object),
        Operation::OpenApi => json_answer("200", "This document", any_object),
        Operation::PortalAddress => other_answer("303", "On to the first page"),
        Operation::Portal | Operation::PortalPage => {
            other_answer("200", "A page").and("401", "The sign-in page")
        }
        Operation::PortalAction => {
            other_answer("200", "A page with the result, or with what is wrong")
                .and("303", "Done; on to a page that says so")
                .and("401", "The sign-in page")
        }
    }
}

/// The routes of sign-ins, and of the authorization server for MCP clients.
fn of_sign_in(operation: Operation) -> Described {
    match operation {
        Operation::Authorize => Described {
            query: &[("session", true, text)],
            ..other_answer("302", "On to Microsoft Entra ID")
        },
        Operation::IntegrationCallback => Described {
            query: &[
                ("state", true, text),
                ("code", false, text),
                ("error", false, text),
                ("iss", false, text),
            ],
            ..other_answer("200", "A page that says so, where the session has no return_to")
                .and("303", "Back to the application")
        },
        Operation::AskConsent => Described {
            query: CONSENT_QUERY,
            ..other_answer("200", "A page that names the client and what it may do")
        },
        Operation::GiveConsent => {
            Described { query: CONSENT_QUERY, ..other_answer("303", "On to Microsoft Entra ID") }
        }
        Operation::RegisterClient => {
            json_answer("201", "The client", any_object).and("400", "An error of RFC 7591")
        }
        Operation::TurnPass => {
            json_answer("200", "The tokens", any_object).and("400", "An error of RFC 6749")
        }
        Operation::RevokePass => other_answer("200", "Ended, or there was no such token"),
        // The metadata of both kinds.
        _ => json_answer("200", "The metadata", any_object),
    }
}

/// The parameters of an authorization request of an MCP client (RFC 6749, RFC 7636, RFC 8707).
const CONSENT_QUERY: &[(&str, bool, Schema)] = &[
    ("client_id", true, text),
    ("redirect_uri", true, text),
    ("response_type", false, text),
    ("code_challenge", false, text),
    ("code_challenge_method", false, text),
    ("scope", false, text),
    ("state", false, text),
    ("resource", false, text),
];

/// The MCP endpoint.
fn mcp_endpoint() -> Described {
    Described {
        answers: vec![
            ("200", "The answer to one message (JSON-RPC 2.0)", Some(json_rpc_answer)),
            ("202", "A notification was taken", None),
            ("400", "An error of the protocol", Some(json_rpc_answer)),
            ("404", "No such method of the protocol", Some(json_rpc_answer)),
        ],
        headers: &[
            ("mcp-protocol-version", "the version of the Model Context Protocol"),
            ("x-mcp-toolsets", "only the tools of these sets"),
            ("x-mcp-tools", "only these tools"),
            ("x-mcp-exclude-tools", "none of these tools"),
            ("x-mcp-readonly", "`true`: only tools that read"),
        ],
        body: Some(json_rpc_message),
        ..Described::default()
    }
}

/// A request or a notification of JSON-RPC 2.0.
fn json_rpc_message(_: &mut SchemaGenerator) -> Value {
    json!({"type": "object", "required": ["jsonrpc", "method"], "properties": {
        "jsonrpc": {"const": "2.0"}, "id": {"type": ["string", "integer"]}, "method": {"type": "string"},
        "params": {"type": "object"},
    }})
}

/// A result or an error of JSON-RPC 2.0.
fn json_rpc_answer(_: &mut SchemaGenerator) -> Value {
    json!({"type": "object", "required": ["jsonrpc", "id"], "properties": {
        "jsonrpc": {"const": "2.0"}, "id": {"type": ["string", "integer", "null"]},
        "result": {"type": "object"}, "error": {"type": "object", "required": ["code", "message"]},
    }})
}

/// The page of `GET /audit`.
fn audit_trail() -> Described {
    Described {
        query: &[
            ("since", false, time),
            ("until", false, time),
            ("connection", false, schema::<ConnectionId>),
            ("key", false, schema::<ApiKeyId>),
            ("cursor", false, text),
            ("limit", false, page_size::<{ audit::LARGEST_PAGE }>),
        ],
        ..json_answer(
            "200",
            "One page: an AuditEntry a line; the header Link leads to the next page",
            schema::<Entry>,
        )
    }
}

pub(super) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

pub(super) fn text(_: &mut SchemaGenerator) -> Value {
    json!({"type": "string"})
}

fn page_size<const MOST: u16>(_: &mut SchemaGenerator) -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": MOST})
}

fn time(_: &mut SchemaGenerator) -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn any_object(_: &mut SchemaGenerator) -> Value {
    json!({"type": "object"})
}

fn token_schema(_: &mut SchemaGenerator) -> Value {
    json!({"type": "object", "required": ["access_token", "token_type", "expires_at"], "properties": {
        "access_token": {"type": "string"}, "token_type": {"const": "Bearer"}, "expires_at": {"type": "string", "format": "date-time"},
    }})
}
