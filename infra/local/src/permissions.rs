//! What each function may do, by the roles of `infra/template.yaml`: the embedded services answer nothing else, as
//! AWS would.
//!
//! Source: "Policy evaluation logic", IAM user guide. There are no `Deny` statements and no `Not…` elements.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::StartError;
use crate::aws::names;
use crate::aws_request::{Needed, secret_arn, table_arn};
use crate::template::Template;

/// Whom a function becomes that signs in to Entra with a token of AWS.
pub const FEDERATION: &str = "federation";

/// Statements, by function.
#[derive(Debug, Clone)]
pub struct Permissions(BTreeMap<String, Vec<Statement>>);

/// What is allowed, in the template's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// `dynamodb:GetItem`.
    pub actions: Vec<String>,
    /// `TokensTable.Arn`.
    pub resources: Vec<String>,
    /// Operator, key, and the values of which one must fit.
    pub condition: Vec<(String, String, Vec<String>)>,
    /// The condition of the template under which the statement exists.
    pub exists_if: Option<String>,
}

impl Permissions {
    /// Reads the roles of a template.
    ///
    /// # Errors
    /// [`StartError::Template`] when a function has no role of its own, or a statement is not understood.
    pub fn of(template: &Template) -> Result<Self, StartError> {
        let mut permissions = BTreeMap::new();
        for (id, function) in template.of_type("AWS::Serverless::Function") {
            let wrong = |what: &str| StartError::Template(format!("{id}: {what}"));
            let role =
                function.properties["Role"].as_str().and_then(|role| role.strip_suffix(".Arn"));
            let role = role.ok_or_else(|| wrong("it has no role of its own"))?;
            let statements = statements_of(template, role).map_err(|what| wrong(&what))?;
            permissions.insert(function_name(id), statements);
        }
        if template.resources.contains_key("FederationRole") {
            let statements =
                statements_of(template, "FederationRole").map_err(StartError::Template)?;
            permissions.insert(FEDERATION.to_owned(), statements);
        }
        Ok(Self(permissions))
    }

    /// Each function, and what it may do.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Statement])> {
        self.0.iter().map(|(function, statements)| (function.as_str(), statements.as_slice()))
    }

    /// Whether a function may do something.
    pub fn allow(&self, function: &str, needed: &Needed) -> bool {
        let statements = self.0.get(function).into_iter().flatten();
        statements.into_iter().any(|statement| statement.allows(needed))
    }
}

/// `ManageFunction` is the function `manage`, `StreamingProxyFunction` is `streaming-proxy`.
pub fn function_name(id: &str) -> String {
    let id = id.strip_suffix("Function").unwrap_or(id);
    let mut name = String::new();
    for character in id.chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

/// A role's own policies, and those that are attached to it.
fn statements_of(template: &Template, role: &str) -> Result<Vec<Statement>, String> {
    let resource = template.resources.get(role).ok_or("its role is not in the template")?;
    if resource.properties.get("ManagedPolicyArns").is_some() {
        return Err("managed policies allow more than is needed".to_owned());
    }
    let mut statements = Vec::new();
    for policy in resource.properties["Policies"].as_array().into_iter().flatten() {
        statements.extend(read_document(&policy["PolicyDocument"], None)?);
    }
    for (_, attached) in template.of_type("AWS::IAM::Policy") {
        if names(&attached.properties["Roles"], role) {
            let document = &attached.properties["PolicyDocument"];
            statements.extend(read_document(document, attached.condition.as_ref())?);
        }
    }
    Ok(statements)
}

fn read_document(document: &Value, exists_if: Option<&String>) -> Result<Vec<Statement>, String> {
    let statements = document["Statement"].as_array().ok_or("a policy without statements")?;
    statements.iter().map(|statement| read_statement(statement, exists_if.cloned())).collect()
}

fn read_statement(statement: &Value, exists_if: Option<String>) -> Result<Statement, String> {
    let fields = statement.as_object().ok_or("a statement that is none")?;
    if let Some(unknown) = fields
        .keys()
        .find(|key| !["Effect", "Action", "Resource", "Condition"].contains(&key.as_str()))
    {
        return Err(format!("a statement with {unknown}"));
    }
    if statement["Effect"] != "Allow" {
        return Err("a statement that does not allow".to_owned());
    }
    let mut condition = Vec::new();
    for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            condition.push((operator.clone(), key.clone(), texts(values)));
        }
    }
    Ok(Statement {
        actions: texts(&statement["Action"]),
        resources: texts(&statement["Resource"]),
        condition,
        exists_if,
    })
}

/// Whether a role is in a list, be it under a condition.
fn names(roles: &Value, role: &str) -> bool {
    match roles {
        Value::Array(roles) => roles.iter().any(|one| names(one, role)),
        one => one == role,
    }
}

/// One text or a list of them.
fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        Value::Null => Vec::new(),
        one => vec![text(one)],
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
                    "StringEquals" | "StringLike" => found.len() == 1 && found.iter().all(fitting),
                    "ForAllValues:StringEquals" | "ForAllValues:StringLike" => {
                        found.iter().all(fitting)
                    }
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

/// A resource of the template, by the name that it has on this machine.
fn local_arn(resource: &str) -> String {
    let known = [
        ("IntegrationsTable.Arn", table_arn(names::INTEGRATIONS)),
        ("SessionsTable.Arn", table_arn(names::SESSIONS)),
        ("ConnectionsTable.Arn", table_arn(names::CONNECTIONS)),
        ("TokensTable.Arn", table_arn(names::TOKENS)),
        ("RefreshQueue.Arn", names::QUEUE_ARN.to_owned()),
        ("RefreshDeadLetters.Arn", names::DEAD_LETTERS_ARN.to_owned()),
        ("TokensKey.Arn", "arn:aws:kms:us-east-1:000000000000:key/tokens".to_owned()),
        ("EventBus.Arn", format!("arn:aws:events:us-east-1:000000000000:event-bus/{}", names::BUS)),
        ("FederationRole.Arn", crate::sts::ROLE_ARN.to_owned()),
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

/// IAM's patterns: `*` for anything, `?` for one character.
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
