//! The slots of a Redis Cluster move from node to node.

use scenecast_testing::RedisCluster;

use crate::drills::{
    drill::{Drill, run_drill},
    environment::{ClusterShape, DrillEnvironment},
};

pub(super) const MOVES: Drill = Drill {
    name: "slot-moves",
    proves: "Slots move from one primary to another and back, with the scenes in them: pages learn of their \
             login wherever their scene is.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisCluster>| {
            let slots = if environment.load.short { 100 } else { 4000 };
            environment.cluster.redis.reshard(0, 1, slots).await;
            environment.cluster.redis.reshard(1, 0, slots).await;
        }))
    },
};

pub(super) const NODE_ADDED: Drill = Drill {
    name: "node-added",
    proves: "A primary is added to a Redis Cluster, and gets slots of another primary.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisCluster>| {
            add_node(environment).await;
        }))
    },
};

pub(super) const NODE_REMOVED: Drill = Drill {
    name: "node-removed",
    proves: "A primary's slots are moved away, and it is removed from the Redis Cluster.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisCluster>| {
            let (node, slots) = add_node(environment).await;
            environment.cluster.redis.reshard(node, 0, slots).await;
            environment.cluster.redis.remove_last().await;
            environment.load.run_for(5, 2).await;
        }))
    },
};

/// Adds a primary, and moves slots to it. Answers its number, and how many slots it got.
async fn add_node(environment: &mut DrillEnvironment<RedisCluster>) -> (usize, usize) {
    let slots = if environment.load.short { 100 } else { 4000 };
    let node = environment.cluster.redis.add_primary().await;
    environment.cluster.redis.reshard(0, node, slots).await;
    environment.load.run_for(5, 1).await;
    (node, slots)
}
