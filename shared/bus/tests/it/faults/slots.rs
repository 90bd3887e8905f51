//! A slot is moved from one primary to another under live subscriptions and settles.

use scenecast_bus::Watch;
use scenecast_scene::{SceneId, Transition};
use scenecast_testing::{RedisCluster, SlotMove};

use crate::fixtures::{Bus, apply, callback, heard, hears_nothing, name, opening, pod, scan, scene};

/// The phases of a move, and the moment before it.
const PHASES: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_every_phase_of_a_move_old_pages_and_new_ones_hear_what_is_settled() {
    // Primaries 0, 1 and 2.
    let cluster = RedisCluster::start_with(3, 1).await;
    let ((gateway, _), (callback, _)) = (pod(&cluster.url()), callback(&cluster.url()));
    let mut scenes = of_one_slot();
    let plan = cluster.plan_move(&name(scenes.next().unwrap())).await;
    let mut waiting = vec![];
    for scene in scenes.by_ref().take(PHASES) {
        waiting.push(page(&gateway, &callback, scene).await);
    }
    let mut served = vec![];
    for phase in 0..PHASES {
        match phase {
            0 => {}
            1 => cluster.begin_move(plan).await,
            2 => cluster.move_keys(plan).await,
            3 => cluster.end_move_at(plan.to, plan).await,
            4 => cluster.end_move_at(plan.from, plan).await,
            _ => cluster.end_move_at(3 - plan.from - plan.to, plan).await,
        }
        let new = page(&gateway, &callback, scenes.next().unwrap()).await;
        for (scene, mut watch) in [waiting.remove(0), new] {
            apply(&callback, scene, "scan", &scan("ann")).await;
            assert_eq!(heard(&mut watch).await, "scanned", "in phase {phase}");
            hears_nothing(&mut watch);
            served.push((scene, watch));
        }
    }
    for (scene, mut watch) in served {
        apply(&callback, scene, "give up", &Transition::Cancel).await;
        assert_eq!(heard(&mut watch).await, "cancelled");
        hears_nothing(&mut watch);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_away_and_back_at_once_loses_no_page() {
    let cluster = RedisCluster::start_with(3, 0).await;
    let ((gateway, _), (callback, _)) = (pod(&cluster.url()), callback(&cluster.url()));
    let (scene, mut watch) = page(&gateway, &callback, scene(1)).await;
    let away = cluster.plan_move(&name(scene)).await;
    let back = SlotMove { from: away.to, to: away.from, ..away };
    for plan in [away, back] {
        cluster.begin_move(plan).await;
        cluster.move_keys(plan).await;
        cluster.end_move(plan).await;
    }
    apply(&callback, scene, "scan", &scan("ann")).await;
    assert_eq!(heard(&mut watch).await, "scanned");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_is_told_again_that_a_slot_is_its_own_loses_no_page() {
    let cluster = RedisCluster::start_with(3, 0).await;
    let ((gateway, _), (callback, _)) = (pod(&cluster.url()), callback(&cluster.url()));
    let (scene, mut watch) = page(&gateway, &callback, scene(1)).await;
    let plan = cluster.plan_move(&name(scene)).await;
    // Redis ends the slot's subscriptions, and nothing else changes.
    cluster.end_move_at(plan.from, SlotMove { to: plan.from, ..plan }).await;
    apply(&callback, scene, "scan", &scan("ann")).await;
    assert_eq!(heard(&mut watch).await, "scanned");
}

/// A scene, and its page, which watches it.
async fn page(gateway: &Bus, callback: &Bus, scene: SceneId) -> (SceneId, Watch) {
    callback.open(scene, &opening()).await.unwrap();
    (scene, gateway.watch(scene, 0).await.unwrap().0)
}

/// Scenes that all fall into one slot.
fn of_one_slot() -> impl Iterator<Item = SceneId> {
    let slot_of = |n| RedisCluster::slot_of(&name(scene(n)));
    (0..).filter(move |n| slot_of(*n) == slot_of(0)).map(scene)
}
