//! The permissions of each function, from the roles of `infra/template.yaml`. The embedded services refuse all other
//! requests, as AWS would.
//!
//! Source: "Policy evaluation logic", IAM user guide. There are no `Deny` statements and no `Not…` elements.

mod reading;

use std::collections::BTreeMap;

use crate::StartError;
use crate::aws_request::Needed;
use crate::names::{self, secret_arn, table_arn};
use crate::template::{Template, function_name, name_of};

pub use reading::{Role, Statement};

/// The role that functions assume to sign in to Entra with a token of AWS.
pub const FEDERATION: &str = "federation";

/// The roles, by the name of their function, or by their own name, and the policy of the tokens' key.
#[derive(Debug, Clone)]
pub struct Permissions {
    roles: BTreeMap<String, Role>,
    key_policy: Vec<Statement>,
}

impl Permissions {
    /// Reads the roles of a template.
    ///
    /// # Errors
    /// [`StartError::Template`] when a function has no role of its own, a statement is not understood, or something
    /// else grants permissions.
    pub fn of(template: &Template) -> Result<Self, StartError> {
        let of_template = |what: String| StartError::Template(what);
        reading::nothing_else_grants(template).map_err(of_template)?;
        let mut names: BTreeMap<&str, String> =
            template.of_type("AWS::IAM::Role").map(|(id, _)| (id, name_of(id, "Role"))).collect();
        let mut functions = BTreeMap::new();
        for (id, function) in template.of_type("AWS::Serverless::Function") {
            let role =
                function.properties["Role"].as_str().and_then(|role| role.strip_suffix(".Arn"));
            let known = role.filter(|role| names.contains_key(role));
            let role = known.ok_or_else(|| of_template(format!("{id}: it has no role")))?;
            if let Some(other) = functions.insert(role, id) {
                return Err(of_template(format!("{id}: {other} has the same role")));
            }
            names.insert(role, function_name(id));
        }
        let mut roles = BTreeMap::new();
        for (id, name) in names {
            let role = reading::read_role(template, id);
            roles.insert(name, role.map_err(|what| of_template(format!("{id}: {what}")))?);
        }
        let key_policy = reading::read_key_policy(template)
            .map_err(|what| of_template(format!("TokensKey: {what}")))?;
        Ok(Self { roles, key_policy })
    }

    /// The roles with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Role)> {
        self.roles.iter().map(|(name, role)| (name.as_str(), role))
    }

    /// Whether a role allows an action; the use of a key needs its policy's consent, too.
    pub fn allow(&self, name: &str, needed: &Needed) -> bool {
        let Some(role) = self.roles.get(name) else { return false };
        let allowed = role.statements.iter().any(|statement| statement.allows(needed));
        let by_the_key = || {
            let needed = needed.clone().with(reading::PRINCIPAL_ARN, &format!("{}.Arn", role.id));
            self.key_policy.iter().any(|statement| statement.allows(&needed))
        };
        allowed && (!needed.action.starts_with("kms:") || by_the_key())
    }

    /// Whether a role may be assumed by another.
    pub fn trusts(&self, name: &str, other: &str) -> bool {
        let arn = self.roles.get(other).map(|role| format!("{}.Arn", role.id));
        let trusted = self.roles.get(name).map(|role| role.trusts.as_slice()).unwrap_or_default();
        arn.is_some_and(|arn| trusted.contains(&arn))
    }
}

impl Statement {
    fn allows(&self, needed: &Needed) -> bool {
        self.actions.iter().any(|action| fits(action, &needed.action))
            && self.resources.iter().any(|resource| fits(&local_arn(resource), &needed.resource))
            && self.condition.iter().all(|(operator, key, wanted)| {
                let found = needed.context.iter().find(|(name, _)| name == key);
                let found = found.map_or(&[][..], |(_, values)| values.as_slice());
                let fitting = |value: &String| wanted.iter().any(|wanted| fits(wanted, value));
                match operator.as_str() {
                    "StringEquals" | "StringLike" | "ArnEquals" => {
                        found.len() == 1 && found.iter().all(fitting)
                    }
                    // These operators hold if the request does not have the key.
                    "ForAllValues:StringEquals"
                    | "ForAllValues:StringLike"
                    | "StringEqualsIfExists" => found.iter().all(fitting),
                    "NumericLessThanEquals" => {
                        let number = |text: &String| text.parse::<u64>().ok();
                        let most = wanted.first().and_then(number);
                        found.first().and_then(number).is_some_and(|found| Some(found) <= most)
                    }
                    "Null" => wanted.iter().all(|wanted| (wanted == "true") == found.is_empty()),
                    _ => false,
                }
            })
    }
}

/// The ARN on this machine of a resource of the template.
fn local_arn(resource: &str) -> String {
    let known = [
        ("IntegrationsTable.Arn", table_arn(names::INTEGRATIONS)),
        ("SessionsTable.Arn", table_arn(names::SESSIONS)),
        ("ConnectionsTable.Arn", table_arn(names::CONNECTIONS)),
        ("TokensTable.Arn", table_arn(names::TOKENS)),
        ("AuditTable.Arn", table_arn(names::AUDIT)),
        ("PassesTable.Arn", table_arn(names::PASSES)),
        ("RefreshQueue.Arn", names::QUEUE_ARN.to_owned()),
        ("RefreshDeadLetters.Arn", names::DEAD_LETTERS_ARN.to_owned()),
        ("TokensKey.Arn", "arn:aws:kms:us-east-1:000000000000:key/tokens".to_owned()),
        ("EventBus.Arn", format!("arn:aws:events:us-east-1:000000000000:event-bus/{}", names::BUS)),
        ("FederationRole.Arn", names::FEDERATION_ROLE_ARN.to_owned()),
        ("OperatorKey", secret_arn(names::OPERATOR_KEY)),
        ("AWS::Partition", "aws".to_owned()),
        ("AWS::Region", "us-east-1".to_owned()),
        ("AWS::AccountId", "000000000000".to_owned()),
        ("AWS::StackName", names::SECRETS.trim_end_matches('/').to_owned()),
    ];
    if let Some((_, arn)) = known.iter().find(|(name, _)| *name == resource) {
        return arn.clone();
    }
    let substituted =
        |text: String, (name, arn): &(&str, String)| text.replace(&format!("${{{name}}}"), arn);
    known.iter().fold(resource.to_owned(), substituted)
}

/// Matches one of IAM's patterns: `*` is any text, `?` one character.
fn fits(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    if first == '*' {
        return fits(rest, text)
            || text.char_indices().any(|(at, c)| fits(rest, &text[at + c.len_utf8()..]));
    }
    let mut characters = text.chars();
    characters.next().is_some_and(|c| first == '?' || c == first) && fits(rest, characters.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn an_update_that_names_no_attribute_is_refused_where_attributes_are_limited() {
        let permissions = Permissions::of(&Template::read().unwrap()).unwrap();
        let update = Needed::new("dynamodb:UpdateItem", table_arn(names::INTEGRATIONS))
            .with("dynamodb:LeadingKeys", "integration#azure-devops");
        let naming_status = update.clone().with("dynamodb:Attributes", "status");
        for function in ["callback", "mcp", "proxy", "refresh", "rotate", "streaming-proxy"] {
            assert!(permissions.allow(function, &naming_status), "{function}");
            assert!(!permissions.allow(function, &update), "{function}");
        }
    }

    #[test]
    fn the_policy_of_the_key_alone_keeps_a_role_from_the_tokens() {
        let needed = Needed::new("kms:Decrypt", "arn:aws:kms:us-east-1:000000000000:key/tokens")
            .with("kms:EncryptionContext:ado-connect:purpose", "tokens")
            .with("kms:EncryptionContext:ado-connect:integration", "azure-devops");
        let who = |template: &Template| -> Vec<String> {
            let permissions = Permissions::of(template).unwrap();
            let roles = permissions.iter().filter(|(name, _)| permissions.allow(name, &needed));
            roles.map(|(name, _)| name.to_owned()).collect()
        };
        let mut template = Template::read().unwrap();
        assert_eq!(who(&template), ["mcp", "proxy", "refresh", "streaming-proxy"]);

        let key = template.resources.get_mut("TokensKey").unwrap();
        let statements = key.properties["KeyPolicy"]["Statement"].as_array_mut().unwrap();
        let open = statements.iter_mut().find(|one| one["Sid"] == "OpenTokens").unwrap();
        open["Condition"]["ArnEquals"]["aws:PrincipalArn"] = json!(["RefreshRole.Arn"]);
        assert_eq!(who(&template), ["refresh"]);
    }
}
