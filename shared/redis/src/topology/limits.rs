//! How long questions about the topology may take.

use std::time::Duration;

/// How long a server may take to answer.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// How long the other servers are waited for once enough have answered. A slower answer waits for the next refresh.
pub(super) const STRAGGLER_LIMIT: Duration = Duration::from_millis(100);
