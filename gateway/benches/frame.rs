//! What a gateway computes for a page whose login is confirmed: the frame.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use scenecast_gateway::bench::event_frame;
use scenecast_scene::{DeliveryId, Event, Grant, SceneId, testing::log_in};

fn frame(criterion: &mut Criterion) {
    let scene: SceneId = "AAAAAAAAAAAAAAAAAAAAAA".parse().expect("a scene's id");
    let event = Event {
        seq: 1_800_000_000_000_000,
        delivery: DeliveryId::of(&["demo", "oAnn", "1800000000", "SCAN"]),
        received_at: 1_800_000_000_000,
        traceparent: None,
        what: log_in(&Grant::issue(scene), "Ann").step().tells.expect("a login is told"),
    };
    criterion.bench_function("frame", |bench| bench.iter(|| event_frame(black_box(&event))));
}

criterion_group!(benches, frame);
criterion_main!(benches);
