//! Operators force replicas of a Cluster into their primary's place, one right after the other.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, stream};
use scenecast_bus::BusError;
use scenecast_scene::{SceneSnapshot, SceneState, Settled};
use scenecast_testing::{CALLBACK_PASSWORD, RedisCluster};

use crate::{
    faults::{delivery, login, person_name},
    fixtures::{TestBus, callback, cause, opening, person, redis_name, scene, until},
};

/// How many follow after the first.
const FLIPS: usize = 4;
/// How many logins are accepted between two of them.
const BETWEEN: usize = 16;

/// A new primary has no replica for a moment. What it accepted alone would be undone by the next flip.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_login_is_lost_while_primaries_are_forced_to_change() {
    let cluster = RedisCluster::start().await;
    let (callback, _) = callback(&cluster.url_for("callback", CALLBACK_PASSWORD));
    let replica = cluster.replica_of(0).await;
    // How many logins were accepted that began after each flip.
    let accepted: [AtomicUsize; FLIPS + 1] = std::array::from_fn(|_| AtomicUsize::new(0));
    let flip = AtomicUsize::new(0);
    let flips = async {
        cluster.force_failover_to(replica, "FORCE").await;
        for node in [0, replica].repeat(FLIPS / 2) {
            let accepted = &accepted[flip.fetch_add(1, Ordering::Relaxed) + 1];
            until("logins are accepted again", async || accepted.load(Ordering::Relaxed) >= BETWEEN).await;
            cluster.force_failover_to(node, "TAKEOVER").await;
        }
    };
    let people = stream::iter(pages_of_the_first_shard()).take_until(Box::pin(flips));
    let logins = people.map(async |n| {
        let began_after = flip.load(Ordering::Relaxed);
        log_in_at_last(&callback, n).await;
        accepted[began_after].fetch_add(1, Ordering::Relaxed);
        n
    });
    let pages: Vec<u128> = logins.buffer_unordered(2 * BETWEEN).collect().await;
    // Until then, one that was replaced may still answer with what it had.
    cluster.until_ok().await;
    for n in pages {
        let snapshot = snapshot_at_last(&callback, n).await;
        let snapshot = snapshot.unwrap_or_else(|| panic!("the login on page {n} is lost"));
        assert_eq!(snapshot.state, SceneState::Confirmed, "page {n}");
        assert_eq!(snapshot.who(), Some(person(&person_name(n)).openid), "page {n}");
    }
}

/// Pages whose scenes are at the primary that is node 0 at the start.
fn pages_of_the_first_shard() -> impl Iterator<Item = u128> {
    const LAST_SLOT: u16 = 16_384 / 3 - 1;
    (0..).filter(|n| RedisCluster::slot_of(&redis_name(scene(*n))) <= LAST_SLOT)
}

/// Opens a scene and logs in on it, as often as it takes. A scene that nobody has logged in on may be lost.
async fn log_in_at_last(callback: &TestBus, n: u128) {
    loop {
        // An error says that it is undecided, and then so is what follows.
        let _ = callback.open(scene(n), &opening()).await;
        let settled = callback.settle(scene(n), &cause(&delivery(n)), &login(n)).await;
        if matches!(settled, Ok(Settled::Applied(_) | Settled::Repeated(_))) {
            return;
        }
    }
}

async fn snapshot_at_last(callback: &TestBus, n: u128) -> Option<SceneSnapshot> {
    loop {
        match callback.snapshot(scene(n)).await {
            Err(BusError::Undecided(_) | BusError::TimedOut) => {}
            snapshot => return snapshot.expect("nobody else writes scenes"),
        }
    }
}
