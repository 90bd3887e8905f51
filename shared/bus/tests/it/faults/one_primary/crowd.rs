//! A full gateway loses its connection, and reads all mailboxes again.

use scenecast_scene::{Person, Profile, Transition};
use scenecast_testing::{RecordingProxy, RedisServer};

use crate::fixtures::{
    account, apply, assert_no_notice, callback, for_each_scene, next_event_kind, open_and_watch, person, pod, scene,
};

/// The number of pages that one pod is made for.
const PAGES: u128 = 19_000;
/// With an avatar URL of this length, a mailbox has about two kilobytes.
const AVATAR_LENGTH: usize = 1_800;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nineteen_thousand_full_mailboxes_are_read_again_within_the_default_buffers_of_redis() {
    let server = RedisServer::start().await;
    let proxy = RecordingProxy::start(&server).await;
    let (gateway, _) = pod(&proxy.url());
    let (callback, _) = callback(&server.url());
    let mut watches = open_and_watch(PAGES, &gateway).await;
    proxy.refuse_connections();
    let avatar = "x".repeat(AVATAR_LENGTH);
    let person = Person { profile: Profile { name: "Ann".to_owned(), avatar }, ..person("ann") };
    let scan = Transition::Scan { account: account(), person, numbers: None };
    for_each_scene(PAGES, |n| apply(&callback, scene(n), "scan", &scan)).await;
    proxy.accept_again();
    // In reverse order, so that the watchers that get their events first are read last.
    let mut connections = None;
    for watch in watches.iter_mut().rev() {
        assert_eq!(next_event_kind(watch).await, "scanned");
        assert_no_notice(watch);
        connections.get_or_insert_with(|| proxy.connections());
    }
    assert_eq!(connections, Some(proxy.connections()), "Redis cut the connection because its output buffer was full");
}
