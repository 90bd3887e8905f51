//! How often the previous value of a secret is still used, so that an operator knows when it can go.
//!
//! Only secrets that others use are counted: WeChat and sites change to a new value when they like. The secrets of the pods
//! themselves are out of use when all pods have started anew.
//!
//! See docs/decisions/129-uses-of-previous-secrets-are-counted.md.

use prometheus::IntCounterVec;
use scenecast_scene::Rotating;

/// Counts by `setting`. Clones share the metric.
#[derive(Debug, Clone)]
pub(crate) struct PreviousSecretUses(IntCounterVec);

impl PreviousSecretUses {
    pub(crate) fn new(uses: IntCounterVec) -> Self {
        Self(uses)
    }

    /// Counts one use of this secret, if it is the previous value of the setting.
    pub(crate) fn count<T>(&self, secrets: &Rotating<T>, used: &T, setting: impl FnOnce() -> String) {
        if secrets.is_previous(used) {
            self.0.with_label_values(&[&setting()]).inc();
        }
    }
}
