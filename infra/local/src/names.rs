//! The names of everything in the embedded AWS account.

use vault::aws::TableNames;

/// The account's region.
pub(crate) const REGION: &str = "us-east-1";
/// Region and account id, as ARNs contain them.
pub(crate) const SCOPE: &str = "us-east-1:000000000000";

/// The table of integrations and API keys.
pub const INTEGRATIONS: &str = "ado-connect-integrations";
/// The table of sessions.
pub const SESSIONS: &str = "ado-connect-sessions";
/// The table of connections.
pub const CONNECTIONS: &str = "ado-connect-connections";
/// The table of tokens.
pub const TOKENS: &str = "ado-connect-tokens";
/// The table of the audit trail.
pub const AUDIT: &str = "ado-connect-audit";
/// The table of the passes of MCP clients.
pub const PASSES: &str = "ado-connect-passes";
/// The KMS key's alias.
pub const KEY: &str = "alias/ado-connect";
/// The prefix of secrets' names.
pub const SECRETS: &str = "ado-connect/";
/// The secret that is the operator key.
pub const OPERATOR_KEY: &str = "ado-connect/operator-key";
/// The refresh queue.
pub const QUEUE: &str = "ado-connect-refresh.fifo";
/// The refresh queue's ARN.
pub const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:ado-connect-refresh.fifo";
/// The ARN of the refresh queue's dead-letter queue.
pub const DEAD_LETTERS_ARN: &str =
    "arn:aws:sqs:us-east-1:000000000000:ado-connect-refresh-dead-letters.fifo";
/// The event bus.
pub const BUS: &str = "ado-connect";
/// The ARN of the role that functions assume to sign in to Entra with a token of AWS.
pub const FEDERATION_ROLE_ARN: &str = "arn:aws:iam::000000000000:role/ado-connect-federation";

/// The tables, as the functions' stores take them.
pub fn tables() -> TableNames {
    TableNames {
        integrations: INTEGRATIONS.to_owned(),
        sessions: SESSIONS.to_owned(),
        connections: CONNECTIONS.to_owned(),
        tokens: TOKENS.to_owned(),
        audit: AUDIT.to_owned(),
        passes: PASSES.to_owned(),
    }
}

/// The ARN of a table.
pub(crate) fn table_arn(name: &str) -> String {
    format!("arn:aws:dynamodb:{SCOPE}:table/{name}")
}

/// The ARN of a secret, with six characters at its end as Secrets Manager appends them.
pub(crate) fn secret_arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:{SCOPE}:secret:{name}-a1B2c3")
}
