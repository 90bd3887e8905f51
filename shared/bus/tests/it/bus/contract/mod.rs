//! The contract of the bus. Each test runs over every backend.

mod along;
mod guards;
mod life;
mod repeats;
mod watching;

use scenecast_scene::{Binding, GrantDigest, SceneSnapshot, Settled, Transition};

use crate::fixtures::{TestBus, account, cause, scene};

async fn settle(bus: &TestBus, delivery: &str, transition: &Transition) -> Settled {
    bus.settle(scene(1), &cause(delivery), transition).await.unwrap()
}

fn redeem(grant: GrantDigest) -> Transition {
    Transition::Redeem { grant, account: account(), binding: Some(Binding::of("session")) }
}

/// Whether both are the same, apart from the remaining life.
fn same_state(before: &SceneSnapshot, after: &SceneSnapshot) -> bool {
    (before.state, &before.fields) == (after.state, &after.fields)
}
