//! Which mailboxes are read as a precaution, so that a loss that nobody noticed ends some time.
//!
//! A sweep goes once around all slots, in equal steps, so that its own reads are spread. What was read lately is left out.
//! Scenes that Redis doesn't have come more often: their gateway may have been refused to open them again. Scenes that were
//! opened a moment ago, and not read since, come at once.
//!
//! See docs/decisions/103-what-may-be-lost-is-noticed-rather-than-searched.md.

use scenecast_scene::SceneId;

use crate::watch::registry::{ReadOutcome, WatcherRegistry};

/// In how many steps the sweep goes around: two minutes, at a step each three seconds.
const STEPS: u32 = 40;
/// A mailbox is left alone for so many steps after it was read: half a minute.
const READ_LATELY: u32 = 10;

/// Takes the next step. Returns the scenes whose mailboxes are read now.
pub(crate) fn next_step(registry: &WatcherRegistry) -> Vec<SceneId> {
    let step = registry.begin_inspection();
    registry.scenes_due(|slot, last_read| {
        let was_read_lately = step.wrapping_sub(last_read.inspection) < READ_LATELY;
        let has_its_turn = u32::from(slot.number()) % STEPS == step % STEPS;
        match last_read.outcome {
            ReadOutcome::Presumed => true,
            ReadOutcome::Missing => !was_read_lately,
            ReadOutcome::Found => !was_read_lately && has_its_turn,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, time::Duration};

    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use scenecast_scene::SceneState;

    use super::*;
    use crate::{mailbox::Mailbox, watch::registry::Watch};

    fn scene(number: u128) -> SceneId {
        URL_SAFE_NO_PAD.encode(number.to_be_bytes()).parse().unwrap()
    }

    fn numbers(registry: &WatcherRegistry, steps: u32) -> Vec<usize> {
        (0..steps).map(|_| next_step(registry).len()).collect()
    }

    #[test]
    fn each_scene_has_its_turn_once_in_a_sweep_and_never_many_at_a_time() {
        let registry = WatcherRegistry::new(|_| {});
        let watches: Vec<Watch> = (0..4000).map(|number| registry.watch(scene(number), 0).0).collect();
        numbers(&registry, READ_LATELY);
        let mut swept = HashSet::new();
        for _ in 0..STEPS {
            let scenes = next_step(&registry);
            assert!(scenes.len() < 200, "{} of {} in one step", scenes.len(), watches.len());
            assert!(scenes.into_iter().all(|scene| swept.insert(scene)), "it had its turn");
        }
        assert_eq!(swept.len(), watches.len());
    }

    #[test]
    fn a_scene_that_was_read_lately_is_left_alone() {
        let registry = WatcherRegistry::new(|_| {});
        let watches: Vec<Watch> = (0..1000).map(|number| registry.watch(scene(number), 0).0).collect();
        assert_eq!(numbers(&registry, READ_LATELY - 1), [0; READ_LATELY as usize - 1], "all are new");
        let [read, others @ ..] = &next_step(&registry)[..] else { panic!("none of {} has its turn", watches.len()) };
        numbers(&registry, STEPS - READ_LATELY + 1);
        registry.confirm_subscription(*read, registry.now());
        let mailbox = Mailbox { state: SceneState::Open, remaining: Duration::from_secs(60), events: vec![] };
        registry.complete_catch_up(*read, registry.now(), Some(&mailbox));
        numbers(&registry, READ_LATELY - 2);
        assert_eq!(next_step(&registry), others);
    }

    #[test]
    fn a_scene_that_redis_does_not_have_is_read_each_half_minute() {
        let registry = WatcherRegistry::new(|_| {});
        let (watch, _) = registry.watch(scene(1), 0);
        registry.confirm_subscription(scene(1), registry.now());
        watch.complete_catch_up(registry.now(), None);
        for _ in 0..3 {
            assert_eq!(numbers(&registry, READ_LATELY - 1), [0; READ_LATELY as usize - 1]);
            assert_eq!(next_step(&registry), [scene(1)]);
            registry.complete_catch_up(scene(1), registry.now(), None);
        }
    }

    #[test]
    fn a_scene_that_was_not_read_when_it_was_opened_is_read_in_the_next_step() {
        let registry = WatcherRegistry::new(|_| {});
        let (watch, _) = registry.watch(scene(1), 0);
        registry.confirm_subscription(scene(1), registry.now());
        watch.presume_unchanged(registry.now());
        assert_eq!(next_step(&registry), [scene(1)]);
        registry.complete_catch_up(scene(1), registry.now(), None);
        assert_eq!(numbers(&registry, READ_LATELY - 1), [0; READ_LATELY as usize - 1], "it has been read now");
    }
}
