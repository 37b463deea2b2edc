//! The tables, as `infra/template.yaml` describes them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TimeToLiveSpecification,
};

use crate::StartError;
use crate::names;

/// Creates the tables with the keys, indexes and times to live of the template.
///
/// # Errors
/// [`StartError`] when DynamoDB refuses one.
pub async fn make(dynamodb: &Client) -> Result<(), StartError> {
    make_table(dynamodb, names::INTEGRATIONS, None, &[]).await?;
    make_table(dynamodb, names::SESSIONS, Some("expires_at"), &[]).await?;
    make_table(dynamodb, names::TOKENS, Some("expires_at"), &[]).await?;
    let indexes = [
        Index {
            name: "by_user",
            hash: ("integration", ScalarAttributeType::S),
            range: ("user", ScalarAttributeType::S),
            includes: &[],
        },
        Index {
            name: "by_due",
            hash: ("due_shard", ScalarAttributeType::N),
            range: ("due_at", ScalarAttributeType::N),
            includes: &["integration", "tenant_id"],
        },
    ];
    make_table(dynamodb, names::CONNECTIONS, None, &indexes).await
}

async fn make_table(
    dynamodb: &Client,
    name: &str,
    ttl: Option<&str>,
    indexes: &[Index],
) -> Result<(), StartError> {
    let failed = |e| StartError::Aws { operation: "CreateTable", message: format!("{e}") };
    let mut table = dynamodb
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(definition(("pk", ScalarAttributeType::S)).map_err(failed)?)
        .key_schema(key("pk", KeyType::Hash).map_err(failed)?);
    for index in indexes {
        let projection = match index.includes {
            [] => Projection::builder().projection_type(ProjectionType::KeysOnly),
            names => names.iter().fold(
                Projection::builder().projection_type(ProjectionType::Include),
                |projection, name| projection.non_key_attributes(*name),
            ),
        };
        table = table
            .global_secondary_indexes(
                GlobalSecondaryIndex::builder()
                    .index_name(index.name)
                    .key_schema(key(index.hash.0, KeyType::Hash).map_err(failed)?)
                    .key_schema(key(index.range.0, KeyType::Range).map_err(failed)?)
                    .projection(projection.build())
                    .build()
                    .map_err(failed)?,
            )
            .attribute_definitions(definition(index.hash.clone()).map_err(failed)?)
            .attribute_definitions(definition(index.range.clone()).map_err(failed)?);
    }
    table.send().await.map_err(|e| StartError::aws("CreateTable", &e))?;
    let Some(ttl) = ttl else { return Ok(()) };
    let specification = TimeToLiveSpecification::builder()
        .attribute_name(ttl)
        .enabled(true)
        .build()
        .map_err(failed)?;
    dynamodb
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(specification)
        .send()
        .await
        .map(drop)
        .map_err(|e| StartError::aws("UpdateTimeToLive", &e))
}

type Attribute = (&'static str, ScalarAttributeType);

/// A global secondary index of the keys and some attributes.
struct Index {
    name: &'static str,
    hash: Attribute,
    range: Attribute,
    includes: &'static [&'static str],
}

fn definition(
    (name, kind): Attribute,
) -> Result<AttributeDefinition, aws_sdk_dynamodb::error::BuildError> {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, aws_sdk_dynamodb::error::BuildError> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build()
}
