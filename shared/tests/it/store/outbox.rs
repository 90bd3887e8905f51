//! Letters to the sites: none is lost, whichever pod dies, and none fills Redis.

use std::{collections::HashSet, time::Duration};

use scenecast_shared::{
    scene::DeliveryId,
    store::{Letter, LetterKind, Outbox, Pauses, Posted, Room, Sweep, Taken},
};
use serde_json::json;
use tokio::time::sleep;

use super::{Pods, at_once, other, over_every_backend};
use crate::fixtures::{account, until};

/// Whatever is out is due.
pub(super) const AT_ONCE: Pauses = Pauses { first: Duration::ZERO, longest: Duration::ZERO };
/// Nothing is.
const NOT_YET: Pauses = Pauses { first: Duration::from_secs(3600), longest: Duration::from_secs(3600) };

over_every_backend! {
    a_letter_is_given_to_one_pod_and_is_gone_when_it_is_done
    of_many_letters_each_is_given_to_one_of_two_pods
    the_letter_of_a_pod_that_died_is_given_to_another
    a_letter_that_fails_waits_twice_as_long_each_time
    of_two_pods_that_find_a_letter_due_one_gets_it
    a_letter_that_is_put_twice_is_delivered_twice_with_one_id
    a_letter_that_is_given_up_is_dead
    beyond_the_room_letters_are_dead_and_of_those_the_oldest_go
    a_sweep_passes_by_all_that_are_out
    accounts_have_nothing_to_do_with_each_other
}

pub(super) fn letter(n: usize) -> Letter {
    Letter {
        account: account(),
        kind: LetterKind::Followed,
        delivery: DeliveryId::of(&[&n.to_string()]),
        created: 1_800_000_000_000,
        body: json!({ "name": "]]> 你好 \u{0} \"😀\"" }),
    }
}

pub(super) async fn put(outbox: &Outbox, letters: std::ops::Range<usize>) {
    for n in letters {
        assert_eq!(outbox.put(&letter(n)).await, Ok(Posted::Waits));
    }
}

/// New letters.
pub(super) async fn new(outbox: &Outbox, at_most: usize) -> Vec<Taken> {
    outbox.take_new(&account(), at_most).await.unwrap()
}

/// Those that are due in the first step of a sweep.
pub(super) async fn due(outbox: &Outbox, pauses: Pauses) -> Vec<Taken> {
    outbox.take_due(&account(), 1_000, pauses, &mut Sweep::default()).await.unwrap()
}

pub(super) fn letters(taken: &[Taken]) -> Vec<Letter> {
    taken.iter().map(|taken| taken.letter.clone()).collect()
}

fn outboxes(pods: &Pods) -> (Outbox, Outbox) {
    (Outbox::new(pods.here.clone(), Room::default()), Outbox::new(pods.there.clone(), Room::default()))
}

async fn a_letter_is_given_to_one_pod_and_is_gone_when_it_is_done(pods: Pods) {
    let (here, there) = outboxes(&pods);
    assert_eq!(new(&here, 10).await, []);
    put(&here, 0..2).await;
    assert_eq!(here.waiting(&account()).await, Ok(2));
    let first = new(&there, 1).await;
    assert_eq!(letters(&first), [letter(0)], "the oldest first, as it was put");
    assert_eq!(letters(&new(&here, 10).await), [letter(1)]);
    assert_eq!(due(&here, NOT_YET).await, [], "both are on their way");
    there.done(&first[0]).await.unwrap();
    assert_eq!(letters(&due(&here, AT_ONCE).await), [letter(1)]);
    assert_eq!(here.waiting(&account()).await, Ok(1));
    there.done(&first[0]).await.unwrap();
}

async fn of_many_letters_each_is_given_to_one_of_two_pods(pods: Pods) {
    let (here, there) = outboxes(&pods);
    at_once(200, &here, &there, |outbox, n| async move { outbox.put(&letter(n)).await.unwrap() }).await;
    let taken = at_once(50, &here, &there, |outbox, _| async move { new(&outbox, 7).await }).await;
    let given: Vec<_> = taken.iter().flatten().map(|taken| taken.letter.id()).collect();
    assert_eq!(given.len(), 200);
    assert_eq!(given.iter().collect::<HashSet<_>>().len(), 200);
}

async fn the_letter_of_a_pod_that_died_is_given_to_another(pods: Pods) {
    let (here, there) = outboxes(&pods);
    put(&here, 0..1).await;
    let pauses = Pauses { first: Duration::from_secs(1), longest: Duration::from_secs(1) };
    drop((new(&there, 1).await, there));
    assert_eq!(new(&here, 1).await, []);
    assert_eq!(due(&here, pauses).await, []);
    until("its pause is over", async || letters(&due(&here, pauses).await) == [letter(0)]).await;
}

async fn a_letter_that_fails_waits_twice_as_long_each_time(pods: Pods) {
    let (here, there) = outboxes(&pods);
    put(&here, 0..1).await;
    new(&here, 1).await;
    // It is due each time: by now it has failed four times, and its next pause is eight times the first.
    for outbox in [&there, &here, &there] {
        assert_eq!(due(outbox, AT_ONCE).await.len(), 1);
    }
    let first = Duration::from_millis(500);
    sleep(first * 5 / 2).await;
    assert_eq!(due(&here, Pauses { first, longest: Duration::MAX }).await, []);
    assert_eq!(due(&here, Pauses { first, longest: first * 2 }).await.len(), 1, "no pause is longer than the longest");
}

async fn of_two_pods_that_find_a_letter_due_one_gets_it(pods: Pods) {
    let (here, there) = outboxes(&pods);
    put(&here, 0..1).await;
    new(&here, 1).await;
    let first = Duration::from_millis(1_500);
    sleep(first * 5 / 4).await;
    let taken =
        at_once(
            20,
            &here,
            &there,
            |outbox, _| async move { due(&outbox, Pauses { first, longest: first }).await.len() },
        )
        .await;
    assert_eq!(taken.iter().sum::<usize>(), 1);
}

async fn a_letter_that_is_put_twice_is_delivered_twice_with_one_id(pods: Pods) {
    let (here, there) = outboxes(&pods);
    put(&here, 0..1).await;
    put(&there, 0..1).await;
    let ids: HashSet<_> = new(&here, 10).await.iter().map(|taken| taken.letter.id()).collect();
    assert_eq!(ids, HashSet::from([letter(0).id()]));
    let login = Letter { kind: LetterKind::LoggedIn, ..letter(0) };
    assert_ne!(login.id(), letter(0).id(), "one delivery may be a follow and a login");
    assert_ne!(letter(1).id(), letter(0).id());
}

async fn a_letter_that_is_given_up_is_dead(pods: Pods) {
    let (here, there) = outboxes(&pods);
    put(&here, 0..2).await;
    here.bury(&new(&here, 1).await[0]).await.unwrap();
    assert_eq!((there.waiting(&account()).await, there.dead(&account()).await), (Ok(1), Ok(1)));
    assert_eq!(due(&there, AT_ONCE).await, []);
    if let Some(dead) = pods.cli(&["XRANGE", "outbox-dead:demo", "-", "+"]).await {
        assert!(dead.contains(&letter(0).delivery.to_string()), "whoever runs this can read it: {dead}");
    }
}

async fn beyond_the_room_letters_are_dead_and_of_those_the_oldest_go(pods: Pods) {
    let here = Outbox::new(pods.here, Room { waiting: 3, dead: 200 });
    put(&here, 0..3).await;
    for n in 0..1_000 {
        assert_eq!(here.put(&letter(n)).await, Ok(Posted::Dead));
    }
    assert_eq!(here.waiting(&account()).await, Ok(3));
    let dead = here.dead(&account()).await.unwrap();
    // Redis lets go of a hundred at a time.
    assert!((200..=300).contains(&dead), "{dead}");
    here.done(&new(&here, 1).await[0]).await.unwrap();
    put(&here, 3..4).await;
}

async fn a_sweep_passes_by_all_that_are_out(pods: Pods) {
    let (here, there) = outboxes(&pods);
    at_once(1_200, &here, &there, |outbox, n| async move { outbox.put(&letter(n)).await.unwrap() }).await;
    assert_eq!(new(&here, 2_000).await.len(), 1_200);
    let mut sweep = Sweep::default();
    let mut step = async |at_most, pauses| here.take_due(&account(), at_most, pauses, &mut sweep).await.unwrap();
    let mut swept = HashSet::new();
    for _ in 0..6 {
        swept.extend(step(200, AT_ONCE).await.iter().map(|taken| taken.letter.id()));
    }
    assert_eq!(swept.len(), 1_200, "each step goes on where the last one ended");
    assert_eq!(step(1, AT_ONCE).await, []);
    for _ in 0..2 {
        assert_eq!(step(1_000, NOT_YET).await, []);
    }
    assert_eq!(step(1_000, AT_ONCE).await.len(), 200, "those that aren't due are passed by, 500 at a time");
    assert_eq!(step(1_000, AT_ONCE).await.len(), 500, "and then it begins anew");
}

async fn accounts_have_nothing_to_do_with_each_other(pods: Pods) {
    let (here, _) = outboxes(&pods);
    put(&here, 0..1).await;
    assert_eq!(here.take_new(&other(), 10).await, Ok(vec![]));
    assert_eq!((here.waiting(&other()).await, here.dead(&other()).await), (Ok(0), Ok(0)));
    let others = Letter { account: other(), ..letter(0) };
    here.put(&others).await.unwrap();
    assert_eq!(letters(&here.take_new(&other(), 10).await.unwrap()), [others]);
    assert_eq!(letters(&new(&here, 10).await), [letter(0)]);
}
