//! Creates the tables and the key of a run.

use local::names;
use vault::aws::Clients;

use crate::cloud::Cloud;
use crate::faults::Faults;
use crate::wire::{Sabotage, Wire};

/// Creates the tables and the key.
///
/// # Errors
/// The error of the embedded services.
pub async fn set(cloud: &Cloud) -> Result<(), String> {
    let wire = Wire::new(cloud.clone(), Faults::none(), Sabotage::None, None);
    let aws = Clients::new(&wire.sdk_config());
    let template = local::template::Template::read().map_err(|e| e.to_string())?;
    local::tables::make(cloud.database(), &template).map_err(|e| e.to_string())?;
    let made = aws.kms().create_key().send().await.map_err(|e| format!("{e:?}"))?;
    let id = made.key_metadata.map(|key| key.key_id).unwrap_or_default();
    let alias = aws.kms().create_alias().alias_name(names::KEY).target_key_id(id);
    alias.send().await.map(drop).map_err(|e| format!("{e:?}"))
}
