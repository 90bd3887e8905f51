//! Notices that somebody empties a primary. Redis keeps connections and subscriptions then, and tells nobody.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    inspection::{each_connection::PrimaryConnection, server_run::ServerRun},
    subscriptions::event::{EventHandler, PubSubEvent},
    topology::refresher::Topology,
};

/// How often each primary is asked. Phones are told nothing final meanwhile.
const PERIOD: Duration = Duration::from_secs(1);

/// Asks until it is cancelled. What was lost before the connection, the event that it is new tells.
///
/// See docs/decisions/036-a-scene-is-unknown-only-where-nothing-was-just-lost.md.
pub(super) async fn watch_for_emptying(connection: PrimaryConnection, topology: Topology, on_event: EventHandler) {
    let PrimaryConnection { node, client, .. } = connection;
    let mut known = None;
    loop {
        if let Some(ServerRun { emptied, .. }) = ServerRun::ask(&client).await
            && known.replace(emptied).is_some_and(|known| known < emptied)
        {
            tracing::error!(
                %node,
                "somebody has emptied Redis (FLUSHALL, FLUSHDB or SWAPDB): logins and scenes that were there are lost; \
                 having the scenes of open pages opened again"
            );
            on_event(PubSubEvent::Emptied(topology.table().slots_of(&node)));
        }
        sleep(PERIOD).await;
    }
}
