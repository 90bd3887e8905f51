//! A login between callback and gateway: the step that settles it, and its event, out and in.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use scenecast_scene::{DeliveryId, Event, Grant, SceneId, testing::log_in};

fn login(criterion: &mut Criterion) {
    let scene: SceneId = "AAAAAAAAAAAAAAAAAAAAAA".parse().expect("a scene's id");
    let transition = log_in(&Grant::issue(scene), "Ann");
    let event = Event {
        seq: 1_800_000_000_000_000,
        delivery: DeliveryId::of(&["demo", "oAnn", "1800000000", "SCAN"]),
        received_at: 1_800_000_000_000,
        traceparent: None,
        what: transition.step().tells.expect("a login is told"),
    };
    let line = format!("{} {}", event.seq, event.body());

    criterion.bench_function("settle plan", |bench| bench.iter(|| black_box(&transition).step()));
    criterion.bench_function("event out", |bench| bench.iter(|| black_box(&event).body()));
    criterion
        .bench_function("event in", |bench| bench.iter(|| Event::parse(black_box(&line)).expect("it is an event")));
}

criterion_group!(benches, login);
criterion_main!(benches);
