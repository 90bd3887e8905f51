//! A slot moves from one primary to another while its scenes are watched and settled.

use scenecast_bus::Watch;
use scenecast_scene::{SceneId, Transition};
use scenecast_testing::{RedisCluster, SlotMove};

use crate::fixtures::{
    TestBus, apply, assert_no_notice, callback, next_event_kind, opening, pod, redis_name, scan, scene,
};

/// The phases of a slot move: before it, begun, the keys are moved, and then each of the three primaries learns the new
/// owner.
const PHASES: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_and_new_pages_get_their_events_in_every_phase_of_a_slot_move() {
    let cluster = RedisCluster::start_with(3, 1).await;
    let (gateway, _) = pod(&cluster.url());
    let (callback, _) = callback(&cluster.url());
    let mut scenes = scenes_of_one_slot();
    let plan = cluster.plan_move(&redis_name(scenes.next().unwrap())).await;
    let mut waiting = vec![];
    for scene in scenes.by_ref().take(PHASES) {
        waiting.push(open_page(&gateway, &callback, scene).await);
    }
    let mut served = vec![];
    for phase in 0..PHASES {
        match phase {
            0 => {}
            1 => cluster.begin_move(plan).await,
            2 => cluster.move_keys(plan).await,
            3 => cluster.end_move_at(plan.to, plan).await,
            4 => cluster.end_move_at(plan.from, plan).await,
            _ => {
                // The primaries are 0, 1 and 2; this is the third one.
                let third = 3 - plan.from - plan.to;
                cluster.end_move_at(third, plan).await;
            }
        }
        let new = open_page(&gateway, &callback, scenes.next().unwrap()).await;
        for (scene, mut watch) in [waiting.remove(0), new] {
            apply(&callback, scene, "scan", &scan("ann")).await;
            assert_eq!(next_event_kind(&mut watch).await, "scanned", "in phase {phase}");
            assert_no_notice(&mut watch);
            served.push((scene, watch));
        }
    }
    for (scene, mut watch) in served {
        apply(&callback, scene, "give up", &Transition::Cancel).await;
        assert_eq!(next_event_kind(&mut watch).await, "cancelled");
        assert_no_notice(&mut watch);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_misses_an_event_when_a_slot_moves_away_and_back_at_once() {
    let cluster = RedisCluster::start_with(3, 0).await;
    let (gateway, _) = pod(&cluster.url());
    let (callback, _) = callback(&cluster.url());
    let (scene, mut watch) = open_page(&gateway, &callback, scene(1)).await;
    let away = cluster.plan_move(&redis_name(scene)).await;
    let back = SlotMove { from: away.to, to: away.from, ..away };
    for plan in [away, back] {
        cluster.begin_move(plan).await;
        cluster.move_keys(plan).await;
        cluster.end_move(plan).await;
    }
    apply(&callback, scene, "scan", &scan("ann")).await;
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_misses_an_event_when_an_owner_is_told_again_that_it_owns_the_slot() {
    let cluster = RedisCluster::start_with(3, 0).await;
    let (gateway, _) = pod(&cluster.url());
    let (callback, _) = callback(&cluster.url());
    let (scene, mut watch) = open_page(&gateway, &callback, scene(1)).await;
    let plan = cluster.plan_move(&redis_name(scene)).await;
    // Redis ends all subscriptions in the slot. Nothing else changes.
    cluster.end_move_at(plan.from, SlotMove { to: plan.from, ..plan }).await;
    apply(&callback, scene, "scan", &scan("ann")).await;
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
}

/// Opens the scene and watches it.
async fn open_page(gateway: &TestBus, callback: &TestBus, scene: SceneId) -> (SceneId, Watch) {
    callback.open(scene, &opening()).await.unwrap();
    (scene, gateway.watch(scene, 0).await.unwrap().0)
}

/// Scenes that all have the same slot.
fn scenes_of_one_slot() -> impl Iterator<Item = SceneId> {
    let slot_of = |n| RedisCluster::slot_of(&redis_name(scene(n)));
    (0..).filter(move |n| slot_of(*n) == slot_of(0)).map(scene)
}
