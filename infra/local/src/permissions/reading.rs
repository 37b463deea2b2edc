//! The roles of the template.

use serde_json::Value;

use crate::template::Template;

/// The key of a condition on the role that calls.
pub(super) const PRINCIPAL_ARN: &str = "aws:PrincipalArn";
/// The principal that stands for everybody in the account whose own policies allow as much.
const ACCOUNT: &str = "arn:${AWS::Partition}:iam::${AWS::AccountId}:root";

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its logical id.
    pub id: String,
    /// Who may assume it: `lambda.amazonaws.com`, `ProxyRole.Arn`.
    pub trusts: Vec<String>,
    /// Its permissions.
    pub statements: Vec<Statement>,
}

/// One statement of a policy, in the template's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// `dynamodb:GetItem`.
    pub actions: Vec<String>,
    /// `TokensTable.Arn`.
    pub resources: Vec<String>,
    /// Operator, key, and the values of which one must match.
    pub condition: Vec<(String, String, Vec<String>)>,
    /// The condition of the template under which the statement exists.
    pub exists_if: Option<String>,
}

/// Fails if anything but roles and the policies attached to them grants permissions.
pub(super) fn nothing_else_grants(template: &Template) -> Result<(), String> {
    for (id, resource) in &template.resources {
        let r#type = resource.r#type.as_str();
        match r#type {
            "AWS::IAM::Role" => {}
            "AWS::IAM::Policy" => {
                for member in ["Users", "Groups"] {
                    if resource.properties.get(member).is_some() {
                        return Err(format!("{id}: a policy for {member}"));
                    }
                }
            }
            _ if r#type.starts_with("AWS::IAM::") => {
                return Err(format!("{id}: {type} grants permissions that are not read"));
            }
            "AWS::Serverless::Function" => {
                for member in ["Policies", "Events", "FunctionUrlConfig", "Connectors"] {
                    if resource.properties.get(member).is_some() {
                        return Err(format!("{id}: {member} would let SAM grant more"));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A role with its own policies, and those that are attached to it.
pub(super) fn read_role(template: &Template, id: &str) -> Result<Role, String> {
    let resource = template.resources.get(id).ok_or("it is not in the template")?;
    if resource.properties.get("ManagedPolicyArns").is_some() {
        return Err("managed policies allow more than is needed".to_owned());
    }
    let mut statements = Vec::new();
    for policy in resource.properties["Policies"].as_array().into_iter().flatten() {
        statements.extend(read_document(&policy["PolicyDocument"], None)?);
    }
    for (_, attached) in template.of_type("AWS::IAM::Policy") {
        if names(&attached.properties["Roles"], id) {
            let document = &attached.properties["PolicyDocument"];
            statements.extend(read_document(document, attached.condition.as_ref())?);
        }
    }
    let trusts = read_trust(&resource.properties["AssumeRolePolicyDocument"])?;
    Ok(Role { id: id.to_owned(), trusts, statements })
}

fn read_trust(document: &Value) -> Result<Vec<String>, String> {
    let mut trusted = Vec::new();
    for statement in document["Statement"].as_array().ok_or("nobody may assume it")? {
        if statement["Effect"] != "Allow" || statement["Action"] != "sts:AssumeRole" {
            return Err("a trust that is not understood".to_owned());
        }
        let principals = statement["Principal"].as_object().ok_or("it trusts anybody")?;
        let named = &statement["Condition"]["ArnEquals"][PRINCIPAL_ARN];
        if statement["Principal"]["AWS"] == ACCOUNT && !named.is_null() {
            trusted.extend(leaves(named));
        } else {
            trusted.extend(principals.values().flat_map(leaves));
        }
    }
    Ok(trusted)
}

/// The statements of the policy of the tokens' key, whose principal is the account.
pub(super) fn read_key_policy(template: &Template) -> Result<Vec<Statement>, String> {
    let key = template.resources.get("TokensKey").ok_or("there is no TokensKey")?;
    let statements = key.properties["KeyPolicy"]["Statement"].as_array();
    let statements = statements.ok_or("a policy without statements")?.iter().map(|statement| {
        if statement["Principal"]["AWS"] != ACCOUNT {
            return Err("a principal other than the account".to_owned());
        }
        let mut statement = statement.clone();
        if let Some(fields) = statement.as_object_mut() {
            fields.retain(|name, _| name != "Sid" && name != "Principal");
        }
        read_statement(&statement, None)
    });
    statements.collect()
}

/// The texts in a list, also those under a condition: `!If [Condition, text, AWS::NoValue]`.
fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) if values.len() == 3 && values[2] == "AWS::NoValue" => {
            leaves(&values[1])
        }
        Value::Array(values) => values.iter().flat_map(leaves).collect(),
        one => texts(one),
    }
}

fn read_document(document: &Value, exists_if: Option<&String>) -> Result<Vec<Statement>, String> {
    let statements = document["Statement"].as_array().ok_or("a policy without statements")?;
    statements.iter().map(|statement| read_statement(statement, exists_if.cloned())).collect()
}

fn read_statement(statement: &Value, exists_if: Option<String>) -> Result<Statement, String> {
    let fields = statement.as_object().ok_or("a statement that is not an object")?;
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
            condition.push((operator.clone(), key.clone(), leaves(values)));
        }
    }
    Ok(Statement {
        actions: texts(&statement["Action"]),
        resources: texts(&statement["Resource"]),
        condition,
        exists_if,
    })
}

/// Whether a role is in a list, also under a condition.
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
