//! The portal without scripts. (What needs a real browser is in `tests/browser`.)

mod api_keys;
mod connections;
mod integrations;
mod kept;
mod sessions;

use end_to_end::portal::Operator;
use end_to_end::{Caller, World};
use serde_json::Value;

/// An operator who is signed in with the stack's own key.
async fn operator(world: &World) -> Operator<'_> {
    Operator::sign_in(world, world.stack.operator_key()).await
}

/// An integration as the API shows it.
async fn stored(world: &World, id: &str) -> Value {
    world.get(&Caller::Operator, &format!("/integrations/{id}")).await.expect(200).json()
}
