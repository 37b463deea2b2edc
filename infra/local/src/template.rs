//! `infra/template.yaml`, as far as its resources are told. Intrinsic functions appear as what they are given:
//! `!Ref Name` as `Name`, `!GetAtt Name.Arn` as `Name.Arn`, `!Sub text` as the text.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::StartError;
use crate::permissions::function_name;

/// The template that this was built with.
pub const TEMPLATE: &str = include_str!("../../template.yaml");

/// A template.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Template {
    /// What people set when they deploy.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// What holds for all functions.
    #[serde(default)]
    pub globals: Value,
    /// By logical id.
    pub resources: BTreeMap<String, Resource>,
    /// What a deployment tells.
    #[serde(default)]
    pub outputs: BTreeMap<String, Value>,
}

/// One resource.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Resource {
    /// `AWS::DynamoDB::Table`.
    pub r#type: String,
    /// The condition under which it exists, if it does not always.
    #[serde(default)]
    pub condition: Option<String>,
    /// What happens to it when the stack is deleted; deleted, too, unless said.
    #[serde(default)]
    pub deletion_policy: Option<String>,
    /// Its properties.
    #[serde(default)]
    pub properties: Value,
}

impl Template {
    /// Reads the template that this was built with.
    ///
    /// # Errors
    /// [`StartError::Template`] when it is not what it should be.
    pub fn read() -> Result<Self, StartError> {
        TEMPLATE.parse()
    }

    /// How long a function may take, by its name.
    pub fn timeout(&self, function: &str) -> Duration {
        let mut functions = self.of_type("AWS::Serverless::Function");
        let named = functions.find(|(id, _)| function_name(id) == function);
        let seconds = named.and_then(|(_, function)| function.properties["Timeout"].as_u64());
        // Lambda's own, where none is set.
        Duration::from_secs(seconds.unwrap_or(3))
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
