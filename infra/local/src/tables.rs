//! The tables of `infra/template.yaml`.

use dynoxide::Database;
use serde_json::json;

use crate::StartError;
use crate::template::{Template, name_of};

/// The properties of a table that `CreateTable` takes as CloudFormation does.
const PROPERTIES: [&str; 4] =
    ["AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema"];

/// Creates the tables with the keys, indexes and times to live of the template.
///
/// # Errors
/// [`StartError`] when a table of the template is malformed or DynamoDB refuses it.
pub fn make(database: &Database, template: &Template) -> Result<(), StartError> {
    for (id, table) in template.of_type("AWS::DynamoDB::Table") {
        let malformed = |e: serde_json::Error| StartError::Template(format!("{id}: {e}"));
        let refused = |e: dynoxide::DynoxideError| StartError::Aws {
            operation: "CreateTable",
            message: e.to_string(),
        };
        let name = format!("ado-connect-{}", name_of(id, "Table"));
        let mut request = json!({"TableName": name});
        for property in PROPERTIES {
            request[property] = table.properties[property].clone();
        }
        let request = serde_json::from_value(request).map_err(malformed)?;
        database.create_table(request).map_err(refused)?;
        if let Some(specification) = table.properties.get("TimeToLiveSpecification") {
            let request = json!({"TableName": name, "TimeToLiveSpecification": specification});
            let request = serde_json::from_value(request).map_err(malformed)?;
            database.update_time_to_live(request).map_err(refused)?;
        }
    }
    Ok(())
}
