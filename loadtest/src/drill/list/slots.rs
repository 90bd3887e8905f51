//! The slots of a Redis Cluster move from node to node.

use scenecast_shared::testing::RedisCluster;

use crate::drill::{Drill, Shape, Stage, perform};

pub(super) const MOVES: Drill = Drill {
    name: "slot-moves",
    proves: "Slots move from one primary to another and back, with the scenes in them: pages hear what happens \
             wherever their scene is.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisCluster>| {
            let slots = if stage.load.short { 100 } else { 4000 };
            stage.cluster.redis.reshard(0, 1, slots).await;
            stage.cluster.redis.reshard(1, 0, slots).await;
        }))
    },
};

pub(super) const NODE_ADDED: Drill = Drill {
    name: "node-added",
    proves: "A Redis Cluster gets another primary, and that gets slots of the others.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisCluster>| {
            add_node(stage).await;
        }))
    },
};

pub(super) const NODE_REMOVED: Drill = Drill {
    name: "node-removed",
    proves: "A primary's slots are moved away, and it leaves the Redis Cluster.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisCluster>| {
            let (node, slots) = add_node(stage).await;
            stage.cluster.redis.reshard(node, 0, slots).await;
            stage.cluster.redis.remove_last().await;
            stage.goes_on(5, 2).await;
        }))
    },
};

/// A primary with slots of another; answers its number, and how many.
async fn add_node(stage: &mut Stage<RedisCluster>) -> (usize, usize) {
    let slots = if stage.load.short { 100 } else { 4000 };
    let node = stage.cluster.redis.add_primary().await;
    stage.cluster.let_pods_in().await;
    stage.cluster.redis.reshard(0, node, slots).await;
    stage.goes_on(5, 1).await;
    (node, slots)
}
