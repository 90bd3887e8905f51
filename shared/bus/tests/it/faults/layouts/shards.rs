//! Primaries that share the keys, without a Cluster: one of them is away.

use std::collections::BTreeSet;

use scenecast_bus::BusError;
use scenecast_testing::RedisShards;

use crate::{
    faults::{Logins, delivery, login},
    fixtures::{cause, next_event_kind, redis_name, scene},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_away_does_not_delay_the_pages_of_the_others() {
    const PAGES: u128 = 90;
    let mut shards = RedisShards::start(3).await;
    let mut logins = Logins::start(&shards.url(), PAGES).await;
    let stored = shards.servers()[0].cli(&["KEYS", "wx:*"]).await.unwrap();
    let stored: BTreeSet<&str> = stored.lines().collect();
    let (away, others): (Vec<_>, Vec<_>) = (0..PAGES).partition(|n| stored.contains(redis_name(scene(*n)).as_str()));
    assert!(!away.is_empty() && away.len() < others.len(), "{} of {PAGES}", away.len());
    shards.server_mut(0).stop().await;
    for n in others {
        logins.log_in(n..n + 1).await;
        assert_eq!(next_event_kind(&mut logins.pages[usize::try_from(n).unwrap()]).await, "confirmed");
    }
    let settled = logins.callback.settle(scene(away[0]), &cause(&delivery(away[0])), &login(away[0])).await;
    assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    shards.server_mut(0).restart().await;
    for n in away {
        logins.log_in(n..n + 1).await;
        assert_eq!(next_event_kind(&mut logins.pages[usize::try_from(n).unwrap()]).await, "confirmed");
    }
}
