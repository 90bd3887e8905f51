//! The Redis deployments that a cluster can use.

use scenecast_testing::{RedisCluster, RedisSentinels, RedisServer};

/// A running Redis: one server, or several.
pub trait ClusterRedis: Sized {
    /// Starts it. Returns when it answers.
    fn start() -> impl Future<Output = Self>;

    /// The URL by which this user of `deploy/redis/users.acl` connects.
    fn url_for(&self, user: &str, password: &str) -> String;
}

/// Forwards to the methods of the same names, which each fixture has.
macro_rules! cluster_redis {
    ($($fixture:ty)*) => {$(
        impl ClusterRedis for $fixture {
            async fn start() -> Self {
                Self::start().await
            }

            fn url_for(&self, user: &str, password: &str) -> String {
                self.url_for(user, password)
            }
        }
    )*};
}
cluster_redis! { RedisServer RedisSentinels RedisCluster }
