//! All pages of a full gateway come back at once.

use scenecast_scene::{Person, Profile, Transition};
use scenecast_testing::{RecordingProxy, RedisServer};

use crate::fixtures::{account, apply, callback, each, heard, hears_nothing, hold, person, pod, scene};

/// As many as one pod is made for.
const CROWD: u128 = 19_000;
/// Of what a person's picture may be long, so that a mailbox has two kilobytes.
const AVATAR: usize = 1_800;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nineteen_thousand_full_mailboxes_are_caught_up_within_the_buffers_that_redis_has_by_default() {
    let server = RedisServer::start().await;
    let wire = RecordingProxy::to(&server).await;
    let ((here, _), (there, _)) = (pod(&wire.url()), callback(&server.url()));
    let mut watches = hold(CROWD, &here).await;
    wire.close();
    let avatar = "x".repeat(AVATAR);
    let person = Person { profile: Profile { name: "Ann".to_owned(), avatar }, ..person("ann") };
    let scan = Transition::Scan { account: account(), person, numbers: None };
    each(CROWD, |n| apply(&there, scene(n), "scan", &scan)).await;
    wire.mend();
    // Backwards, so that those that are told first stall longest.
    let mut connections = None;
    for watch in watches.iter_mut().rev() {
        assert_eq!(heard(watch).await, "scanned");
        hears_nothing(watch);
        connections.get_or_insert_with(|| wire.connections());
    }
    assert_eq!(connections, Some(wire.connections()), "Redis cut what it could not write to");
}
