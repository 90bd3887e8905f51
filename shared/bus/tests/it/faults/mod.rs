//! Faults of each layout, and logins that go on through them: none is lost, and none is another's.

mod buffers;
mod cluster;
mod cost;
mod crowd;
mod membership;
mod memory;
mod partition;
mod replica;
mod sentinel;
mod shards;
mod slots;
mod slow;

use std::ops::Range;

use futures_util::{FutureExt, StreamExt, stream};
use scenecast_bus::{Notice, Watch};
use scenecast_scene::{EventKind, Grant, SceneState, Settled, Transition};
use scenecast_testing::{RedisCluster, RedisSentinels, acl_rules};

use crate::fixtures::{Bus, callback, cause, each, event, log_in, opening, person, pod, scene, settle_again};

/// The users of a deployment; here they are their own passwords.
const GATEWAY: &str = "gateway";
const CALLBACK: &str = "callback";

/// Pages at one gateway, each with a scene, and people who log in on them by one callback.
struct Logins {
    pages: Vec<Watch>,
    callback: Bus,
}

impl Logins {
    /// So many pages, waiting.
    async fn at(url: &str, pages: u128) -> Self {
        Self::by(url, url, pages).await
    }

    /// The same in a Cluster, where each pod is a user with the rights of its kind.
    async fn in_cluster(cluster: &RedisCluster, pages: u128) -> Self {
        admit_to(cluster).await;
        Self::by(&cluster.url_for(GATEWAY, GATEWAY), &cluster.url_for(CALLBACK, CALLBACK), pages).await
    }

    /// The same where Sentinels watch.
    async fn under_sentinels(site: &RedisSentinels, pages: u128) -> Self {
        for user in [GATEWAY, CALLBACK] {
            site.add_user(user, user, acl_rules(user)).await;
        }
        Self::by(&site.url_for(GATEWAY, GATEWAY), &site.url_for(CALLBACK, CALLBACK), pages).await
    }

    /// The same, where gateway and callback reach Redis by addresses of their own.
    async fn by(gateway_url: &str, callback_url: &str, pages: u128) -> Self {
        let (gateway, _) = pod(gateway_url);
        let (callback, _) = callback(callback_url);
        let open_and_watch = async |n| {
            callback.open(scene(n), &opening()).await.unwrap();
            gateway.watch(scene(n), 0).await.unwrap().0
        };
        let pages = each(pages, open_and_watch).await;
        Self { pages, callback }
    }

    /// Everybody logs in on one of these pages; each scan is delivered again until it is answered.
    async fn log_in(&self, pages: Range<u128>) -> Vec<Settled> {
        let logins = pages.map(async |n| settle_again(&self.callback, scene(n), &delivery(n), login(n)).await);
        stream::iter(logins).buffered(256).collect().await
    }

    /// Every page has heard of its own login and of nothing else, and every scene is whose it was.
    async fn have_all_arrived(&mut self) {
        for (n, page) in (0..).zip(&mut self.pages) {
            let mut events = vec![event(page).await];
            // A failover may lose what nobody was told of; its redelivery is heard once more.
            while let Some(notice) = page.next().now_or_never() {
                match notice {
                    Notice::Event(event) => events.push(Clone::clone(&event)),
                    Notice::Interrupted | Notice::Resumed => {}
                    Notice::SceneLost => panic!("the scene of page {n} is lost"),
                }
            }
            for event in events {
                assert!(matches!(event.what, EventKind::Confirmed(_)), "page {n}: {event:?}");
                assert_eq!(event.delivery, cause(&delivery(n)).delivery, "page {n}");
            }
            let standing = self.callback.snapshot(scene(n)).await.unwrap().unwrap();
            assert_eq!(
                (standing.state, standing.who()),
                (SceneState::Confirmed, Some(person(&who(n)).openid)),
                "page {n}"
            );
        }
    }
}

/// Makes the pods' users on all nodes.
async fn admit_to(cluster: &RedisCluster) {
    for user in [GATEWAY, CALLBACK] {
        cluster.add_user(user, user, acl_rules(user)).await;
    }
}

fn who(n: u128) -> String {
    format!("person-{n}")
}

fn delivery(n: u128) -> String {
    format!("login-{n}")
}

fn login(n: u128) -> Transition {
    log_in(&Grant::issue(scene(n)), &who(n))
}
