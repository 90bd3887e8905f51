//! Which logins are traced. The scene decides, so every pod decides alike, and a login is traced as a whole or not at all.
//!
//! See docs/decisions/123-a-login-is-traced-as-a-whole.md.

use std::sync::atomic::{AtomicU64, Ordering};

use scenecast_scene::SceneId;

/// 2^63: the first 63 bits of each scene are below it.
const ALL: f64 = 9_223_372_036_854_775_808.0;

/// Scenes below it are traced: none, until somebody collects traces.
static THRESHOLD: AtomicU64 = AtomicU64::new(0);

/// From now on this process traces this share of the logins: 0 to 1. Spans go to OpenTelemetry's global provider.
pub fn set_share(share: f64) {
    THRESHOLD.store(threshold(share), Ordering::Relaxed);
}

pub(crate) fn is_traced(scene: SceneId) -> bool {
    is_below(scene, THRESHOLD.load(Ordering::Relaxed))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped to 0 to 2^63")]
fn threshold(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * ALL) as u64
}

fn is_below(scene: SceneId, threshold: u64) -> bool {
    scene.bits() >> 65 < u128::from(threshold)
}

#[cfg(test)]
mod tests {
    use scenecast_scene::DeliveryId;

    use super::*;

    fn traced_of(share: f64) -> usize {
        // Both ids are digests of 128 bits.
        let scene = |n: u32| DeliveryId::of(&[&n.to_string()]).to_string().parse().unwrap();
        (0..10_000).filter(|n| is_below(scene(*n), threshold(share))).count()
    }

    #[test]
    fn a_share_of_the_logins_is_traced() {
        assert_eq!((traced_of(0.0), traced_of(1.0)), (0, 10_000));
        assert_eq!((traced_of(-1.0), traced_of(7.0), traced_of(f64::NAN)), (0, 10_000, 0));
        let tenth = traced_of(0.1);
        assert!((900..1100).contains(&tenth), "{tenth}");
    }

    #[test]
    fn the_first_and_the_last_scene_are_traced_if_all_are() {
        for text in ["AAAAAAAAAAAAAAAAAAAAAA", "_____________________w"] {
            let scene = text.parse().unwrap();
            assert!(is_below(scene, threshold(1.0)) && !is_below(scene, threshold(0.0)), "{text}");
        }
    }
}
