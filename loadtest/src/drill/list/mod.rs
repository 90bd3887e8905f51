//! Every drill.

mod pods;
mod redis;

use super::Drill;

/// All of them, in the order in which `all` runs them.
pub static DRILLS: [Drill; 9] = [
    pods::ROLLING_RESTART,
    pods::SEVERAL_AT_ONCE,
    pods::GATEWAY_KILLED,
    pods::GATEWAY_FROZEN,
    pods::CALLBACK_KILLED,
    redis::RESTART,
    redis::EMPTIED,
    redis::GONE,
    redis::SLOW,
];
