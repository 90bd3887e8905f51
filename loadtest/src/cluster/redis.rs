//! What carries a cluster's scenes.

use scenecast_shared::testing::{RedisCluster, RedisSentinels, RedisServer};

/// A running Redis, however many servers that is.
pub trait Redis: Sized {
    /// Starts one that answers.
    fn start() -> impl Future<Output = Self>;

    /// Makes a user with these rules of `ACL SETUSER`.
    fn add_user(&self, user: &str, password: &str, rules: &str) -> impl Future<Output = ()>;

    /// Its address, as this user.
    fn url_for(&self, user: &str, password: &str) -> String;
}

/// Each of them has these by itself.
macro_rules! redis {
    ($($fixture:ty)*) => {$(
        impl Redis for $fixture {
            async fn start() -> Self {
                Self::start().await
            }

            async fn add_user(&self, user: &str, password: &str, rules: &str) {
                self.add_user(user, password, rules).await;
            }

            fn url_for(&self, user: &str, password: &str) -> String {
                self.url_for(user, password)
            }
        }
    )*};
}
redis! { RedisServer RedisSentinels RedisCluster }
