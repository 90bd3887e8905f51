//! Counts what Redis refuses because our user lacks a right, and says so in the log. It also says which commands nobody
//! knows there.

use fred::{error::Error, types::config::Server};
use prometheus::IntCounter;
use scenecast_metrics::Metrics;

use crate::{
    error::{is_forbidden, is_unknown_command, text_of},
    reply::Reply,
};

/// Clones are the same counter.
#[derive(Debug, Clone)]
pub(crate) struct RefusalCounter(IntCounter);

impl RefusalCounter {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let help = "Commands that Redis refused because its user of this pod lacks a right.";
        Self(metrics.counter("redis_forbidden_total", help))
    }

    /// Looks at answers of this server.
    pub(crate) fn observe(&self, node: &Server, answers: &[Result<Reply, Error>]) {
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            if is_forbidden(error) {
                self.0.inc();
                tracing::error!(
                    %node, %error,
                    "Redis forbids this pod's user a command, so a login fails or comes late; load \
                     deploy/redis/users.acl of this version at this server"
                );
            } else if is_unknown_command(error) {
                tracing::error!(
                    %node, error = text_of(error),
                    "Redis, or a proxy before it, doesn't know a command, so a login fails or comes late. Redis 7.0 or \
                     newer is needed, without rename-command, and without a proxy that knows fewer commands"
                );
            }
        }
    }
}
