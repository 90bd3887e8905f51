//! Both halves of the bus inside one process: for standalone, where gateway and callback share it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};
use scenecast_scene::{Cause, NewScene, Scene, SceneId, SceneSnapshot, Settled, Step, TOMBSTONE_MS, time::unix_now};

use crate::{
    mailbox::Mailbox,
    watch::registry::{Watch, WatcherRegistry},
};

/// Scenes in a map. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct MemoryScenes {
    scenes: Arc<Mutex<SceneMap>>,
    registry: WatcherRegistry,
}

#[derive(Debug, Default)]
struct SceneMap {
    by_id: HashMap<SceneId, Scene>,
    /// When each scene can be forgotten, soonest first. A scene whose life was prolonged since then stays.
    by_end: BTreeSet<(u64, SceneId)>,
}

impl Default for MemoryScenes {
    fn default() -> Self {
        // Watchers are told directly, so there is nothing to subscribe to.
        Self { scenes: Arc::default(), registry: WatcherRegistry::new(|_| {}) }
    }
}

impl MemoryScenes {
    /// The scenes, after those that can be forgotten were removed.
    fn scenes(&self) -> MutexGuard<'_, SceneMap> {
        let mut scenes = self.scenes.lock();
        scenes.forget(now_us() / 1000);
        scenes
    }

    pub(crate) fn open(&self, scene: SceneId, opening: &NewScene) -> bool {
        self.scenes().open(scene, opening, now_us() / 1000)
    }

    pub(crate) fn watch(&self, scene: SceneId, after: u64) -> (Watch, Option<Mailbox>) {
        // Locked across both steps, so that no settle comes between the watch and the read.
        let scenes = self.scenes();
        let (watch, _confirmed) = self.registry.watch(scene, after);
        self.registry.confirm_subscription(scene, self.registry.now());
        let mailbox = scenes.mailbox(scene);
        watch.complete_catch_up(self.registry.now(), mailbox.as_ref());
        (watch, mailbox)
    }

    pub(crate) fn settle(&self, id: SceneId, cause: &Cause, step: &Step) -> Settled {
        let mut scenes = self.scenes();
        let Some(scene) = scenes.by_id.get_mut(&id) else { return Settled::Unknown };
        let settled = scene.settle(cause, step, now_us());
        if let Settled::Applied(snapshot) = &settled
            && step.event_of(snapshot.state).is_some()
            && let Some(event) = scene.events().last()
        {
            self.registry.deliver(id, &Arc::new(event.clone()));
        }
        settled
    }

    pub(crate) fn read(&self, scene: SceneId) -> Option<Mailbox> {
        self.scenes().mailbox(scene)
    }

    pub(crate) fn snapshot(&self, scene: SceneId) -> Option<SceneSnapshot> {
        self.scenes().by_id.get(&scene).map(|scene| scene.snapshot(now_us() / 1000))
    }

    pub(crate) fn watched_scenes(&self) -> usize {
        self.registry.watched_scenes()
    }
}

impl SceneMap {
    fn open(&mut self, scene: SceneId, opening: &NewScene, now: u64) -> bool {
        if self.by_id.contains_key(&scene) {
            return false;
        }
        let opened = Scene::open(opening, now);
        self.by_end.insert((opened.expires_ms() + TOMBSTONE_MS, scene));
        self.by_id.insert(scene, opened);
        true
    }

    fn mailbox(&self, scene: SceneId) -> Option<Mailbox> {
        let now = now_us() / 1000;
        self.by_id.get(&scene).map(|scene| Mailbox {
            state: scene.state(now),
            remaining: scene.remaining(now),
            events: scene.events().iter().cloned().map(Arc::new).collect(),
        })
    }

    fn forget(&mut self, now: u64) {
        while let Some(&(end, id)) = self.by_end.first()
            && end <= now
        {
            self.by_end.pop_first();
            match self.by_id.get(&id).map(|scene| scene.expires_ms() + TOMBSTONE_MS) {
                Some(later) if later > now => {
                    self.by_end.insert((later, id));
                }
                _ => {
                    self.by_id.remove(&id);
                }
            }
        }
    }
}

fn now_us() -> u64 {
    u64::try_from(unix_now().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use scenecast_scene::{Acceptance, AccountName, DeliveryId, Grant, PageInfo, Person, Profile, Transition};

    #[test]
    fn a_scene_is_forgotten_when_its_tombstone_ends_and_not_before() {
        let [brief, logged_in] = ["AAAAAAAAAAAAAAAAAAAAAA", "AQAAAAAAAAAAAAAAAAAAAA"].map(|id| id.parse().unwrap());
        let t0 = 1_800_000_000_000;
        let life = Duration::from_secs(120);
        let account: AccountName = "demo".parse().unwrap();
        let opening =
            NewScene { account: account.clone(), binding: None, page: PageInfo::default(), life, traceparent: None };
        let mut scenes = SceneMap::default();
        assert!(scenes.open(brief, &opening, t0));
        assert!(scenes.open(logged_in, &opening, t0));
        let person = Person {
            account: account.clone(),
            openid: "ann".parse().unwrap(),
            unionid: None,
            profile: Profile::default(),
        };
        let grant = Grant::issue(logged_in);
        let login =
            Transition::LogIn { account, login: Acceptance { person, grant, life, typed: false, registered: false } };
        let cause = Cause { delivery: DeliveryId::of(&["1"]), received_at: t0, traceparent: None };
        let later = t0 + 60_000;
        scenes.by_id.get_mut(&logged_in).unwrap().settle(&cause, &login.step(), later * 1000);

        let end = t0 + 120_000 + TOMBSTONE_MS;
        scenes.forget(end - 1);
        assert_eq!(scenes.by_id.len(), 2);
        scenes.forget(end);
        assert!(!scenes.by_id.contains_key(&brief));
        scenes.forget(end + 59_999);
        assert!(scenes.by_id.contains_key(&logged_in), "its grant's life began later");
        scenes.forget(end + 60_000);
        assert_eq!((scenes.by_id.len(), scenes.by_end.len()), (0, 0));
    }
}
