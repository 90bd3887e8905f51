//! The codes to be typed that pages of this gateway show. Where Redis lost one with its scene, a callback can store it
//! anew. A page that has come here from another gateway has none. No I/O and no clock.
//!
//! See docs/decisions/088-a-lost-code-is-stored-anew-by-the-gateway-that-showed-it.md.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use scenecast_scene::SceneId;

/// How many codes are remembered. They take about 10 MB.
const CAPACITY: usize = 65_536;

/// Codes by scene, each until its scene ends.
#[derive(Debug, Default)]
pub(super) struct RememberedCodes {
    codes: HashMap<SceneId, String>,
    /// The same scenes and when they end, oldest first.
    order: VecDeque<(SceneId, Instant)>,
}

impl RememberedCodes {
    /// The page of this scene shows this code, until then. The oldest codes are forgotten if there are too many.
    pub(super) fn add(&mut self, scene: SceneId, code: String, ends: Instant, now: Instant) {
        while self.order.front().is_some_and(|(_, ends)| *ends <= now) || self.order.len() >= CAPACITY {
            if let Some((scene, _)) = self.order.pop_front() {
                self.codes.remove(&scene);
            }
        }
        if self.codes.insert(scene, code).is_none() {
            self.order.push_back((scene, ends));
        }
    }

    /// The code that the page of this scene shows, if it shows one that is known here.
    pub(super) fn of(&self, scene: SceneId) -> Option<String> {
        self.codes.get(&scene).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn scene(number: usize) -> SceneId {
        format!("{number:021}A").parse().unwrap()
    }

    #[test]
    fn a_code_is_known_until_its_scene_ends() {
        let (mut known, now, life) = (RememberedCodes::default(), Instant::now(), Duration::from_secs(120));
        known.add(scene(1), "12345678".to_owned(), now + life, now);
        assert_eq!((known.of(scene(1)).as_deref(), known.of(scene(2))), (Some("12345678"), None));
        known.add(scene(1), "87654321".to_owned(), now + life, now);
        assert_eq!(known.of(scene(1)).as_deref(), Some("87654321"), "it got another one");
        known.add(scene(2), "12345678".to_owned(), now + 2 * life, now + life);
        assert_eq!((known.of(scene(1)), known.of(scene(2)).as_deref()), (None, Some("12345678")));
        assert_eq!((known.codes.len(), known.order.len()), (1, 1));
    }

    #[test]
    fn only_so_many_codes_are_remembered() {
        let (mut known, now) = (RememberedCodes::default(), Instant::now());
        let ends = now + Duration::from_secs(120);
        (0..=CAPACITY).for_each(|number| known.add(scene(number), "12345678".to_owned(), ends, now));
        assert_eq!((known.codes.len(), known.order.len()), (CAPACITY, CAPACITY));
        assert!(known.of(scene(0)).is_none() && known.of(scene(CAPACITY)).is_some());
    }
}
