//! `infra/template.yaml`. Intrinsic functions appear as their arguments: `!Ref Name` as `Name`, `!GetAtt Name.Arn` as
//! `Name.Arn`, `!Sub text` as the text.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::StartError;

/// The template that this program was built with.
pub const TEMPLATE: &str = include_str!("../../template.yaml");

/// A template.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Template {
    /// The parameters of a deployment.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// Properties of all functions.
    #[serde(default)]
    pub globals: Value,
    /// By logical id.
    pub resources: BTreeMap<String, Resource>,
    /// The outputs of a deployment.
    #[serde(default)]
    pub outputs: BTreeMap<String, Value>,
}

/// One resource.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Resource {
    /// `AWS::DynamoDB::Table`.
    pub r#type: String,
    /// The condition under which it exists, if there is one.
    #[serde(default)]
    pub condition: Option<String>,
    /// The resources that are made before it, beside those that it refers to: a logical id or a list of them.
    #[serde(default)]
    pub depends_on: Value,
    /// `Retain` if it stays when the stack is deleted; deleted if absent.
    #[serde(default)]
    pub deletion_policy: Option<String>,
    /// Its properties.
    #[serde(default)]
    pub properties: Value,
}

/// A function that the template deploys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFunction<'a> {
    /// `streaming-proxy`.
    pub name: String,
    /// The Cargo package that it is built from: `proxy`.
    pub package: &'a str,
    /// The longest time that an invocation may take.
    pub timeout: Duration,
}

impl Template {
    /// Reads the template that this program was built with.
    ///
    /// # Errors
    /// [`StartError::Template`] when it is malformed.
    pub fn read() -> Result<Self, StartError> {
        TEMPLATE.parse()
    }

    /// The functions, in the order of their names.
    pub fn functions(&self) -> impl Iterator<Item = TemplateFunction<'_>> {
        self.of_type("AWS::Serverless::Function").map(|(id, resource)| {
            let code = resource.properties["CodeUri"].as_str().unwrap_or_default();
            TemplateFunction {
                name: function_name(id),
                package: code.rsplit('/').next().unwrap_or_default(),
                // Three seconds are Lambda's default.
                timeout: Duration::from_secs(resource.properties["Timeout"].as_u64().unwrap_or(3)),
            }
        })
    }

    /// The Cargo packages that the functions are built from.
    pub fn packages(&self) -> BTreeSet<&str> {
        self.functions().map(|function| function.package).collect()
    }

    /// The resources of a type, with their logical ids.
    pub fn of_type<'a>(&'a self, r#type: &'a str) -> impl Iterator<Item = (&'a str, &'a Resource)> {
        let resources = self.resources.iter().map(|(id, resource)| (id.as_str(), resource));
        resources.filter(move |(_, resource)| resource.r#type == r#type)
    }
}

impl std::str::FromStr for Template {
    type Err = StartError;

    fn from_str(text: &str) -> Result<Self, StartError> {
        serde_saphyr::from_str(text).map_err(|e| StartError::Template(e.to_string()))
    }
}

/// The function's name of a logical id: `StreamingProxyFunction` is `streaming-proxy`.
pub fn function_name(id: &str) -> String {
    name_of(id, "Function")
}

/// The name of a logical id without the suffix of its type, in lower case with hyphens.
pub(crate) fn name_of(id: &str, suffix: &str) -> String {
    let id = id.strip_suffix(suffix).unwrap_or(id);
    let mut name = String::new();
    for character in id.chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}
