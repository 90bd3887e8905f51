//! Measures how far the clock of each primary is from this pod's.
//!
//! Scenes and grants end by the clock of the primary that has them. A failover to a server whose clock is minutes ahead
//! ends them all at once, and one that is behind lets them live longer. Nothing here corrects that: it is only seen,
//! from the first moment on.
//!
//! See docs/decisions/037-scenes-end-by-the-primarys-clock.md.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fred::{clients::Client, types::config::Server};
use prometheus::GaugeVec;
use tokio::time::sleep;

use crate::{
    command::RedisCommand,
    inspection::{each_connection::PrimaryConnection, series::PrimarySeries},
    reply::Reply,
};

/// How often each clock is read.
const PERIOD: Duration = Duration::from_secs(10);
/// An answer that took longer says too little of the moment when it was given.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(1);
/// A smaller difference does no harm: a scene lives for two minutes.
const LIMIT_SECONDS: f64 = 5.0;

/// Measures until it is cancelled.
pub(crate) async fn measure(connection: PrimaryConnection, skews: GaugeVec) {
    let PrimaryConnection { node, client, .. } = connection;
    let series = PrimarySeries::new(skews, vec![node.to_string()]);
    let mut told = 0.0;
    loop {
        if let Some(skew) = read_skew(&client).await {
            series.value().set(skew);
            if is_news(told, skew) {
                told = skew;
                log(&node, skew);
            }
        }
        sleep(PERIOD).await;
    }
}

/// By how many seconds Redis's clock is ahead of ours; negative if it is behind. `None` if it can't be told now.
async fn read_skew(client: &Client) -> Option<f64> {
    let asked_at = SystemTime::now();
    let answer = RedisCommand::time().send(client).await.ok()?;
    let round_trip = asked_at.elapsed().ok().filter(|round_trip| *round_trip < MAX_ROUND_TRIP)?;
    let ours = (asked_at + round_trip / 2).duration_since(UNIX_EPOCH).ok()?;
    Some(parse_time(&answer)?.as_secs_f64() - ours.as_secs_f64())
}

/// Reads the answer to `TIME`: seconds since 1970, and microseconds.
pub(crate) fn parse_time(answer: &Reply) -> Option<Duration> {
    let (seconds, micros): (u64, u32) = answer.clone().convert().ok()?;
    Some(Duration::new(seconds, micros.checked_mul(1000)?))
}

/// Whether the log should say this skew, after it has said `told`: it goes over the limit, back, or far from what was
/// told.
fn is_news(told: f64, skew: f64) -> bool {
    let is_off = |skew: f64| skew.abs() > LIMIT_SECONDS;
    is_off(told) != is_off(skew) || is_off(skew - told)
}

fn log(node: &Server, skew: f64) {
    let skew_seconds = (skew * 1000.0).round() / 1000.0;
    if skew.abs() > LIMIT_SECONDS {
        tracing::warn!(
            %node, skew_seconds,
            "the clock of this Redis and that of this pod differ. Scenes and grants end by Redis's clock: too early where \
             it is ahead, too late where it is behind. Synchronize both with NTP; see docs/redis.md"
        );
    } else {
        tracing::info!(%node, skew_seconds, "the clocks of this Redis and of this pod agree again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_says_when_a_clock_goes_off_jumps_or_is_right_again() {
        for (told, skew, is_new) in [
            (0.0, 0.3, false),
            (0.0, -4.9, false),
            (0.0, 600.0, true),
            (0.0, -600.0, true),
            (600.0, 601.0, false),
            (600.0, 1200.0, true),
            (600.0, 0.1, true),
            (5.1, 4.9, true),
        ] {
            assert_eq!(is_news(told, skew), is_new, "{told} {skew}");
        }
    }

    #[test]
    fn what_is_no_time_is_not_taken_for_one() {
        let array = |items: &[&str]| Reply::Array(items.iter().map(|item| Reply::from(*item)).collect());
        assert_eq!(parse_time(&array(&["1800000000", "250000"])), Some(Duration::new(1_800_000_000, 250_000_000)));
        for other in [Reply::Null, array(&[]), array(&["x", "1"]), array(&["1", "-1"]), array(&["1", "4294967295"])] {
            assert_eq!(parse_time(&other), None, "{other:?}");
        }
    }
}
