//! The portal without scripts. (Tests that need a real browser are in `tests/browser`.)

mod api_keys;
mod audit;
mod connections;
mod integrations;
mod kept;
mod sessions;

use aws_sdk_dynamodb::types::AttributeValue;
use end_to_end::portal::Operator;
use end_to_end::{Caller, World};
use local::names;
use serde_json::Value;

/// Signs an operator in with the stack's own key.
async fn operator(world: &World) -> Operator<'_> {
    Operator::sign_in(world, world.stack.operator_key()).await
}

/// Sets an attribute of every operator's session, as the passing of time would.
async fn set_sessions(world: &World, name: &str, value: AttributeValue) {
    for row in world.items(names::SESSIONS).await {
        let pk = row["pk"].as_s().unwrap();
        if pk.starts_with("portal#") {
            world.set(names::SESSIONS, pk, name, value.clone()).await;
        }
    }
}

/// Returns an integration as the API shows it.
async fn stored(world: &World, id: &str) -> Value {
    world.get(&Caller::Operator, &format!("/integrations/{id}")).await.expect(200).json()
}
