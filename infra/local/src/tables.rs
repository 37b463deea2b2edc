//! The tables of `infra/template.yaml`.

use dynoxide::Database;
use serde_json::json;

use crate::StartError;
use crate::template::{Template, kebab};

/// The properties of a table that `CreateTable` takes as CloudFormation does.
const PROPERTIES: [&str; 4] =
    ["AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema"];

/// Creates the tables with the keys, indexes and times to live of the template.
///
/// # Errors
/// [`StartError`] when the template is malformed or DynamoDB refuses a table.
pub fn make(database: &Database) -> Result<(), StartError> {
    for (id, table) in Template::read()?.of_type("AWS::DynamoDB::Table") {
        let malformed = |e: serde_json::Error| StartError::Template(format!("{id}: {e}"));
        let refused = |e: dynoxide::DynoxideError| StartError::Aws {
            operation: "CreateTable",
            message: e.to_string(),
        };
        let name = format!("ado-connect-{}", kebab(id.strip_suffix("Table").unwrap_or(id)));
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
