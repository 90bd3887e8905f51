//! The outbox: no event is lost, whichever pod dies, and events don't fill Redis.

use std::{collections::HashSet, time::Duration};

use scenecast_callback::stores::{
    ClaimedEvent, Outbox, OutboxCapacity, PutOutcome, RetryBackoff, SweepCursor, WebhookEvent, WebhookEventKind,
};
use scenecast_scene::DeliveryId;
use scenecast_testing::until;
use serde_json::json;
use tokio::time::sleep;

use super::{Pods, account, at_once, other, over_every_backend};

/// Every claimed event is due.
pub(super) const AT_ONCE: RetryBackoff = RetryBackoff { first: Duration::ZERO, longest: Duration::ZERO };
/// No event is due.
const NOT_YET: RetryBackoff = RetryBackoff { first: Duration::from_secs(3600), longest: Duration::from_secs(3600) };

over_every_backend! {
    an_event_is_claimed_by_one_pod_and_gone_when_it_is_removed
    each_of_many_events_is_claimed_by_one_of_two_pods
    the_event_of_a_pod_that_died_is_claimed_by_another_pod
    an_event_that_fails_waits_twice_as_long_each_time
    one_of_two_pods_that_find_an_event_due_claims_it
    an_event_that_is_put_twice_is_delivered_twice_with_one_id
    an_event_that_is_given_up_is_a_dead_letter
    beyond_the_capacity_events_are_dead_letters_and_the_oldest_of_those_go
    a_sweep_passes_all_claimed_events
    each_account_has_its_own_outbox
}

pub(super) fn event(n: usize) -> WebhookEvent {
    WebhookEvent {
        account: account(),
        kind: WebhookEventKind::Followed,
        delivery: DeliveryId::of(&[&n.to_string()]),
        created: 1_800_000_000_000,
        body: json!({ "name": "]]> 你好 \u{0} \"😀\"" }),
    }
}

pub(super) async fn put(outbox: &Outbox, events: std::ops::Range<usize>) {
    for n in events {
        assert_eq!(outbox.put(&event(n)).await, Ok(PutOutcome::Waiting));
    }
}

pub(super) async fn new(outbox: &Outbox, at_most: usize) -> Vec<ClaimedEvent> {
    outbox.claim_new(&account(), at_most).await.unwrap()
}

/// The events that are due in the first step of a sweep.
pub(super) async fn due(outbox: &Outbox, pauses: RetryBackoff) -> Vec<ClaimedEvent> {
    outbox.claim_due(&account(), 1_000, pauses, &mut SweepCursor::default()).await.unwrap()
}

pub(super) fn events(claimed: &[ClaimedEvent]) -> Vec<WebhookEvent> {
    claimed.iter().filter_map(|claimed| claimed.event.clone()).collect()
}

fn outboxes(pods: &Pods) -> (Outbox, Outbox) {
    (
        Outbox::new(pods.here.clone(), OutboxCapacity::default()),
        Outbox::new(pods.there.clone(), OutboxCapacity::default()),
    )
}

async fn an_event_is_claimed_by_one_pod_and_gone_when_it_is_removed(pods: Pods) {
    let (here, there) = outboxes(&pods);
    assert_eq!(new(&here, 10).await, []);
    put(&here, 0..2).await;
    assert_eq!(here.waiting(&account()).await, Ok(2));
    let first = new(&there, 1).await;
    assert_eq!(events(&first), [event(0)], "the oldest first, as it was put");
    assert_eq!(events(&new(&here, 10).await), [event(1)]);
    assert_eq!(due(&here, NOT_YET).await, [], "both are claimed");
    there.remove(&first[0]).await.unwrap();
    assert_eq!(events(&due(&here, AT_ONCE).await), [event(1)]);
    assert_eq!(here.waiting(&account()).await, Ok(1));
    there.remove(&first[0]).await.unwrap();
}

async fn each_of_many_events_is_claimed_by_one_of_two_pods(pods: Pods) {
    let (here, there) = outboxes(&pods);
    at_once(200, &here, &there, |outbox, n| async move { outbox.put(&event(n)).await.unwrap() }).await;
    let claimed = at_once(50, &here, &there, |outbox, _| async move { new(&outbox, 7).await }).await;
    let given: Vec<_> = claimed.iter().flatten().map(ClaimedEvent::id).collect();
    assert_eq!(given.len(), 200);
    assert_eq!(given.iter().collect::<HashSet<_>>().len(), 200);
}

async fn the_event_of_a_pod_that_died_is_claimed_by_another_pod(pods: Pods) {
    let (here, there) = outboxes(&pods);
    put(&here, 0..1).await;
    let pauses = RetryBackoff { first: Duration::from_secs(1), longest: Duration::from_secs(1) };
    drop((new(&there, 1).await, there));
    assert_eq!(new(&here, 1).await, []);
    assert_eq!(due(&here, pauses).await, []);
    until("its pause is over", async || events(&due(&here, pauses).await) == [event(0)]).await;
}

async fn an_event_that_fails_waits_twice_as_long_each_time(pods: Pods) {
    let (here, there) = outboxes(&pods);
    put(&here, 0..1).await;
    new(&here, 1).await;
    // It is due each time. By now it has failed four times, and its next pause is eight times the first pause.
    for outbox in [&there, &here, &there] {
        assert_eq!(due(outbox, AT_ONCE).await.len(), 1);
    }
    let first = Duration::from_millis(500);
    sleep(first * 5 / 2).await;
    assert_eq!(due(&here, RetryBackoff { first, longest: Duration::MAX }).await, []);
    assert_eq!(
        due(&here, RetryBackoff { first, longest: first * 2 }).await.len(),
        1,
        "no pause is longer than the longest"
    );
}

async fn one_of_two_pods_that_find_an_event_due_claims_it(pods: Pods) {
    let (here, there) = outboxes(&pods);
    put(&here, 0..1).await;
    new(&here, 1).await;
    let first = Duration::from_millis(1_500);
    sleep(first * 5 / 4).await;
    let taken = at_once(20, &here, &there, |outbox, _| async move {
        due(&outbox, RetryBackoff { first, longest: first }).await.len()
    })
    .await;
    assert_eq!(taken.iter().sum::<usize>(), 1);
}

async fn an_event_that_is_put_twice_is_delivered_twice_with_one_id(pods: Pods) {
    let (here, there) = outboxes(&pods);
    put(&here, 0..1).await;
    put(&there, 0..1).await;
    let ids: HashSet<_> = new(&here, 10).await.iter().map(ClaimedEvent::id).collect();
    assert_eq!(ids, HashSet::from([event(0).id()]));
    let login = WebhookEvent { kind: WebhookEventKind::LoggedIn, ..event(0) };
    assert_ne!(login.id(), event(0).id(), "one delivery may be a follow and a login");
    assert_ne!(event(1).id(), event(0).id());
}

async fn an_event_that_is_given_up_is_a_dead_letter(pods: Pods) {
    let (here, there) = outboxes(&pods);
    put(&here, 0..2).await;
    here.bury(&new(&here, 1).await[0]).await.unwrap();
    assert_eq!((there.waiting(&account()).await, there.dead(&account()).await), (Ok(1), Ok(1)));
    assert_eq!(due(&there, AT_ONCE).await, []);
    if let Some(dead) = pods.cli(&["XRANGE", "outbox-dead:demo", "-", "+"]).await {
        assert!(dead.contains(&event(0).delivery.to_string()), "an operator can read it: {dead}");
    }
}

async fn beyond_the_capacity_events_are_dead_letters_and_the_oldest_of_those_go(pods: Pods) {
    let here = Outbox::new(pods.here, OutboxCapacity { waiting: 3, dead: 200 });
    put(&here, 0..3).await;
    for n in 0..1_000 {
        assert_eq!(here.put(&event(n)).await, Ok(PutOutcome::Dead));
    }
    assert_eq!(here.waiting(&account()).await, Ok(3));
    let dead = here.dead(&account()).await.unwrap();
    // Redis drops a hundred entries at a time.
    assert!((200..=300).contains(&dead), "{dead}");
    here.remove(&new(&here, 1).await[0]).await.unwrap();
    put(&here, 3..4).await;
}

async fn a_sweep_passes_all_claimed_events(pods: Pods) {
    let (here, there) = outboxes(&pods);
    at_once(1_200, &here, &there, |outbox, n| async move { outbox.put(&event(n)).await.unwrap() }).await;
    assert_eq!(new(&here, 2_000).await.len(), 1_200);
    let mut sweep = SweepCursor::default();
    let mut step = async |at_most, pauses| here.claim_due(&account(), at_most, pauses, &mut sweep).await.unwrap();
    let mut swept = HashSet::new();
    for _ in 0..6 {
        swept.extend(step(200, AT_ONCE).await.iter().map(ClaimedEvent::id));
    }
    assert_eq!(swept.len(), 1_200, "each step goes on where the last one ended");
    assert_eq!(step(1, AT_ONCE).await, []);
    for _ in 0..2 {
        assert_eq!(step(1_000, NOT_YET).await, []);
    }
    assert_eq!(step(1_000, AT_ONCE).await.len(), 200, "a step passes 500 events that aren't due");
    assert_eq!(step(1_000, AT_ONCE).await.len(), 500, "and then it begins anew");
}

async fn each_account_has_its_own_outbox(pods: Pods) {
    let (here, _) = outboxes(&pods);
    put(&here, 0..1).await;
    assert_eq!(here.claim_new(&other(), 10).await, Ok(vec![]));
    assert_eq!((here.waiting(&other()).await, here.dead(&other()).await), (Ok(0), Ok(0)));
    let others = WebhookEvent { account: other(), ..event(0) };
    here.put(&others).await.unwrap();
    assert_eq!(events(&here.claim_new(&other(), 10).await.unwrap()), [others]);
    assert_eq!(events(&new(&here, 10).await), [event(0)]);
}
