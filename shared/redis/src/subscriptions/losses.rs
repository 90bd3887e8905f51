//! Notices that a primary may have lost keys while the connections to it stay. Redis tells nobody.
//!
//! | what happens | how it is noticed |
//! |---|---|
//! | somebody empties it | it counts that |
//! | it is made a replica and promoted again between two heartbeats | it writes another history |
//! | it starts again behind a proxy that keeps our connection | it is another run |

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    history::ReplicationHistory,
    inspection::{each_connection::PrimaryConnection, server_run::ServerRun},
    subscriptions::event::{EventHandler, PubSubEvent},
    topology::refresher::Topology,
};

/// How often each primary is asked. Phones are told nothing final meanwhile.
const PERIOD: Duration = Duration::from_secs(1);

/// What a primary tells of what it has.
struct PrimaryData {
    run: ServerRun,
    history: ReplicationHistory,
}

/// Asks until it is cancelled. What was lost before the connection, the event that it is new tells.
///
/// See docs/decisions/036-a-scene-is-unknown-only-where-nothing-was-just-lost.md and
/// docs/decisions/103-what-may-be-lost-is-noticed-rather-than-searched.md.
pub(super) async fn watch_for_losses(connection: PrimaryConnection, topology: Topology, on_event: EventHandler) {
    let PrimaryConnection { node, client, .. } = connection;
    let mut known: Option<PrimaryData> = None;
    loop {
        let (run, history) = tokio::join!(ServerRun::ask(&client), ReplicationHistory::ask(&client));
        if let Some(run) = run {
            let data = PrimaryData { run, history };
            let before = known.as_ref();
            if before.is_some_and(|before| data.run.emptied > before.run.emptied) {
                tracing::error!(
                    %node,
                    "somebody has emptied Redis (FLUSHALL, FLUSHDB or SWAPDB): logins and scenes that were there are lost; \
                     having the scenes of open pages opened again"
                );
                on_event(PubSubEvent::Emptied(topology.table().slots_of(&node)));
            } else if before.is_some_and(|before| data.may_be_other_than(before)) {
                tracing::warn!(
                    %node,
                    "Redis says that its data has another history than a second ago: it may have been a replica meanwhile, \
                     or have got its first replica; reading again what open pages wait for"
                );
                on_event(PubSubEvent::Replaced(topology.table().slots_of(&node)));
            }
            known = Some(data);
        }
        sleep(PERIOD).await;
    }
}

impl PrimaryData {
    /// Whether the server may have other data than it had before.
    fn may_be_other_than(&self, before: &Self) -> bool {
        self.run.id != before.run.id || self.history.is_other_than(&before.history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(run: Option<&str>, history: &str) -> PrimaryData {
        let run = ServerRun { id: run.map(str::to_owned), emptied: 0, told_at: 0 };
        PrimaryData { run, history: ReplicationHistory::read(&history.into()) }
    }

    #[test]
    fn another_run_or_history_may_have_other_data() {
        let before = data(Some("a"), "master_replid:1");
        for (after, is_other) in [
            (data(Some("a"), "master_replid:1"), false),
            (data(Some("b"), "master_replid:1"), true),
            (data(Some("a"), "master_replid:2"), true),
            // It told nothing this time.
            (data(Some("a"), ""), false),
        ] {
            assert_eq!(after.may_be_other_than(&before), is_other);
        }
        assert!(!data(None, "").may_be_other_than(&data(None, "")), "it never tells");
    }
}
