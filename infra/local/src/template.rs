//! `infra/template.yaml`. Intrinsic functions appear as their arguments: `!Ref Name` as `Name`, `!GetAtt Name.Arn` as
//! `Name.Arn`, `!Sub text` as the text.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
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
    /// Executions that are reserved for it, if any are: it has these and no others.
    pub reserved: Option<usize>,
}

impl Template {
    /// Reads the template that this program was built with.
    ///
    /// # Errors
    /// [`StartError::Template`] when it is malformed.
    pub fn read() -> Result<Self, StartError> {
        TEMPLATE.parse()
    }

    /// The template with these parameters of a deployment in place of their defaults.
    ///
    /// # Errors
    /// [`StartError::Template`] if it has no such parameter.
    pub fn deployed_with(mut self, parameters: &[(String, String)]) -> Result<Self, StartError> {
        for (name, value) in parameters {
            let unknown = || StartError::Template(format!("there is no parameter {name}"));
            self.parameters.get_mut(name).ok_or_else(unknown)?["Default"] = value.as_str().into();
        }
        Ok(self)
    }

    /// The number of a property, or of the parameter to which it refers. Returns `None` if there is none of this type.
    pub(crate) fn number<N: FromStr>(&self, property: &Value) -> Option<N> {
        let parameter = property.as_str().and_then(|name| self.parameters.get(name));
        match parameter.map_or(property, |parameter| &parameter["Default"]) {
            Value::String(text) => text.parse().ok(),
            number => number.to_string().parse().ok(),
        }
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
                reserved: self.reserved(&resource.properties),
            }
        })
    }

    /// The executions that are reserved for a function, if any are. The value -1 stands for none.
    fn reserved(&self, properties: &Value) -> Option<usize> {
        // `!If [a condition, the number, none]`, or `!If [a condition, the number, !If [floors, their number, none]]`.
        let [_, own, otherwise] = properties["ReservedConcurrentExecutions"].as_array()?.as_slice()
        else {
            return None;
        };
        let floors = self.parameters.get("ReservedFloors");
        let has_floors = floors.is_some_and(|parameter| parameter["Default"] == "true");
        self.number(own).or_else(|| self.number(&otherwise[1]).filter(|_| has_floors))
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

impl FromStr for Template {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reserved(parameters: &[(String, String)]) -> BTreeMap<String, Option<usize>> {
        let template = Template::read().unwrap().deployed_with(parameters).unwrap();
        template.functions().map(|function| (function.name, function.reserved)).collect()
    }

    #[test]
    fn executions_are_reserved_as_the_parameters_of_the_deployment_say() {
        assert!(reserved(&[]).values().all(Option::is_none));
        let parameter = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let reserved =
            reserved(&[parameter("ProxyConcurrency", "7"), parameter("ManageConcurrency", "0")]);
        assert_eq!((reserved["proxy"], reserved["manage"]), (Some(7), Some(0)));
        assert_eq!((reserved["refresh"], reserved["rotate"]), (None, None));
    }

    #[test]
    fn floors_leave_a_hundred_executions_of_the_account_and_yield_to_a_number_of_one_s_own() {
        let parameter = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let floors = [parameter("ReservedFloors", "true"), parameter("ManageConcurrency", "3")];
        let of_functions = reserved(&floors);
        assert_eq!((of_functions["manage"], of_functions["proxy"]), (Some(3), None));
        let of_functions = reserved(&floors[..1]);
        assert_eq!(of_functions.values().flatten().sum::<usize>(), 50);
        for function in ["authorize", "callback", "manage", "refresh"] {
            assert!(
                of_functions[function].is_some_and(|executions| executions >= 10),
                "{function}"
            );
        }
    }

    #[test]
    fn an_unknown_parameter_is_an_error() {
        let unknown = [("ThrottelRate".to_owned(), "1".to_owned())];
        assert!(Template::read().unwrap().deployed_with(&unknown).is_err());
    }
}
