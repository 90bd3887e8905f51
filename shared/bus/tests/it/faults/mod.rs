//! Logins go on through faults of each layout of Redis. No accepted login is lost, and each page gets only its own.

mod layouts;
mod one_primary;

use std::{cell::RefCell, ops::Range};

use futures_util::{FutureExt, StreamExt, stream};
use scenecast_bus::{Notice, Watch};
use scenecast_scene::{EventKind, Grant, SceneState, Settled, Transition};
use scenecast_testing::{CALLBACK_PASSWORD, GATEWAY_PASSWORD, RedisCluster, RedisSentinels};

use crate::fixtures::{
    TestBus, callback, cause, for_each_scene, log_in, next_event, opening, person, pod, scene, settle_until_answered,
};

/// Pages at one gateway, each with a scene of its own, and a callback through which people log in on them.
struct Logins {
    pages: Vec<Watch>,
    callback: TestBus,
}

impl Logins {
    /// Opens and watches this many scenes. Everybody may do everything in Redis.
    async fn start(url: &str, pages: u128) -> Self {
        Self::start_with_urls(url, url, pages).await
    }

    /// [`Logins::start`] in a Cluster. Each pod has the ACL of its kind.
    async fn in_cluster(cluster: &RedisCluster, pages: u128) -> Self {
        Self::start_as_pods(|user, password| cluster.url_for(user, password), pages).await
    }

    /// [`Logins::start`]. Each pod is its own user, and `url_for` gives the URL of a user with this password.
    async fn start_as_pods(url_for: impl Fn(&str, &str) -> String, pages: u128) -> Self {
        let gateway = url_for("gateway", GATEWAY_PASSWORD);
        let callback = url_for("callback", CALLBACK_PASSWORD);
        Self::start_with_urls(&gateway, &callback, pages).await
    }

    /// [`Logins::start`] with Sentinels. Each pod has the ACL of its kind.
    async fn under_sentinels(sentinels: &RedisSentinels, pages: u128) -> Self {
        Self::start_as_pods(|user, password| sentinels.url_for(user, password), pages).await
    }

    /// [`Logins::start`], where the gateway and the callback have different addresses of Redis.
    async fn start_with_urls(gateway_url: &str, callback_url: &str, pages: u128) -> Self {
        let (gateway, _) = pod(gateway_url);
        let (callback, _) = callback(callback_url);
        let open_and_watch = async |n| {
            callback.open(scene(n), &opening()).await.unwrap();
            gateway.watch(scene(n), 0).await.unwrap().0
        };
        let pages = for_each_scene(pages, open_and_watch).await;
        Self { pages, callback }
    }

    /// One person logs in on each of these pages. Each delivery is repeated until it is answered.
    async fn log_in(&self, pages: Range<u128>) -> Vec<Settled> {
        let logins = pages.map(async |n| settle_until_answered(&self.callback, scene(n), &delivery(n), login(n)).await);
        stream::iter(logins).buffered(256).collect().await
    }

    /// People try to log in on these pages, again and again, until `over` is done. Returns the pages whose login was
    /// accepted.
    async fn try_to_log_in(&self, pages: Range<u128>, over: impl Future<Output = ()>) -> Vec<u128> {
        let accepted = RefCell::new(vec![]);
        let logins = for_each_scene(pages.end - pages.start, async |n| {
            let page = pages.start + n;
            settle_until_answered_at_last(&self.callback, page).await;
            accepted.borrow_mut().push(page);
        });
        let logins = async {
            logins.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = logins => {}
            () = over => {}
        }
        accepted.into_inner()
    }

    /// Checks that every page got its own login and nothing else, and that every scene belongs to the right person.
    async fn assert_all_logged_in(&mut self) {
        for (n, page) in (0..).zip(&mut self.pages) {
            let mut events = vec![next_event(page).await];
            // A failover may lose a login that wasn't accepted. Its redelivery causes the same event once more.
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
            let snapshot = self.callback.snapshot(scene(n)).await.unwrap().unwrap();
            assert_eq!(snapshot.state, SceneState::Confirmed, "page {n}");
            assert_eq!(snapshot.who(), Some(person(&person_name(n)).openid), "page {n}");
        }
    }
}

/// Settles this page's login until it is answered, however long that takes.
async fn settle_until_answered_at_last(callback: &TestBus, page: u128) {
    while callback.settle(scene(page), &cause(&delivery(page)), &login(page)).await.is_err() {}
}

fn person_name(n: u128) -> String {
    format!("person-{n}")
}

fn delivery(n: u128) -> String {
    format!("login-{n}")
}

fn login(n: u128) -> Transition {
    log_in(&Grant::issue(scene(n)), &person_name(n))
}
