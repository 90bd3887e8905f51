//! Which scenes something has happened to lately. No I/O.

use std::collections::{HashSet, VecDeque};

use scenecast_scene::SceneId;

/// How many scenes are remembered. They take about 200 KB.
const CAPACITY: usize = 4096;

/// The scenes that were added last.
#[derive(Debug, Default)]
pub(crate) struct RecentScenes {
    scenes: HashSet<SceneId>,
    /// The same, oldest first.
    order: VecDeque<SceneId>,
}

impl RecentScenes {
    /// Adds a scene. Returns whether it wasn't there.
    pub(crate) fn add(&mut self, scene: SceneId) -> bool {
        if !self.scenes.insert(scene) {
            return false;
        }
        self.order.push_back(scene);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.scenes.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(number: usize) -> SceneId {
        format!("{number:021}A").parse().unwrap()
    }

    #[test]
    fn a_scene_is_new_once_and_the_oldest_are_forgotten() {
        let mut recent = RecentScenes::default();
        let scenes: Vec<SceneId> = (0..=CAPACITY).map(scene).collect();
        assert!(recent.add(scenes[0]) && !recent.add(scenes[0]));
        assert!(scenes[1..].iter().all(|scene| recent.add(*scene)));
        assert!(recent.add(scenes[0]), "forgotten");
        assert_eq!((recent.scenes.len(), recent.order.len()), (CAPACITY, CAPACITY));
    }
}
