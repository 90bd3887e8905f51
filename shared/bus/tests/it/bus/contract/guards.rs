//! Who may change a scene, and with what.

use scenecast_scene::{
    Binding, EventKind, Grant, GrantDigest, Number, NumberChallenge, SceneField, SceneState, SettleRefusal, Settled,
    Transition,
};

use super::{redeem, same_state, settle};
use crate::{
    bus::TestPods,
    fixtures::{
        acceptance, account, apply, assert_no_notice, confirm, log_in, next_event, next_event_kind, opening, person,
        scan, scene,
    },
};

scenecast_testing::over_each_backend! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    TestPods:
    the_second_person_who_scans_is_refused
    only_the_number_that_the_page_shows_confirms_the_login
    another_number_declines_the_login_in_one_step_and_there_is_no_second_pick
    a_number_where_the_page_shows_none_is_refused
    a_grant_is_redeemed_once_and_only_by_its_own_site_and_browser
}

async fn the_second_person_who_scans_is_refused(pods: TestPods) {
    let bus = pods.bus;
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "1", &scan("ann")).await;
    let Settled::Refused(refusal, snapshot) = settle(&bus, "2", &scan("bob")).await else {
        panic!("bob's scan was applied")
    };
    assert_eq!((refusal, snapshot.who()), (SettleRefusal::State(SceneState::Scanned), Some(person("ann").openid)));
    let bobs = confirm(&Grant::issue(scene(1)), "bob");
    assert!(matches!(settle(&bus, "3", &bobs).await, Settled::Refused(SettleRefusal::Guard(SceneField::Who), _)));
}

async fn only_the_number_that_the_page_shows_confirms_the_login(pods: TestPods) {
    let bus = pods.bus;
    let numbers = NumberChallenge::random();
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    let scan = Transition::Scan { account: account(), person: person("ann"), numbers: Some(numbers.clone()) };
    let Settled::Applied(snapshot) = settle(&bus, "1", &scan).await else { panic!("refused") };
    assert_eq!(snapshot.choices(), Some(numbers.choices));
    let EventKind::Scanned(event) = next_event(&mut watch).await.what else { panic!("not scanned") };
    assert_eq!(event.number, Some(numbers.right));
    let settled = settle(&bus, "2", &pick(None, "ann")).await;
    assert!(matches!(settled, Settled::Refused(SettleRefusal::Guard(SceneField::Number), _)), "{settled:?}");
    let Settled::Applied(snapshot) = settle(&bus, "3", &pick(Some(numbers.right), "ann")).await else {
        panic!("refused")
    };
    assert_eq!(snapshot.state, SceneState::Confirmed);
}

/// The answer of a person who picked this number.
fn pick(picked: Option<Number>, who: &str) -> Transition {
    Transition::Confirm { account: account(), login: acceptance(&Grant::issue(scene(1)), who), picked }
}

async fn another_number_declines_the_login_in_one_step_and_there_is_no_second_pick(pods: TestPods) {
    let bus = pods.bus;
    let numbers = NumberChallenge::random();
    let wrong = numbers.choices.into_iter().find(|choice| *choice != numbers.right);
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    let scan = Transition::Scan { account: account(), person: person("ann"), numbers: Some(numbers.clone()) };
    apply(&bus, scene(1), "1", &scan).await;
    let strangers = settle(&bus, "2", &pick(wrong, "bob")).await;
    assert!(matches!(strangers, Settled::Refused(SettleRefusal::Guard(SceneField::Who), _)), "{strangers:?}");
    let Settled::Applied(declined) = settle(&bus, "3", &pick(wrong, "ann")).await else { panic!("not declined") };
    assert_eq!(declined.state, SceneState::Declined);
    assert!(!declined.fields.contains_key(&SceneField::Grant));
    let again = settle(&bus, "3", &pick(wrong, "ann")).await;
    assert!(matches!(&again, Settled::Repeated(again) if same_state(again, &declined)), "{again:?}");
    let second = settle(&bus, "4", &pick(Some(numbers.right), "ann")).await;
    assert!(matches!(second, Settled::Refused(SettleRefusal::State(SceneState::Declined), _)), "{second:?}");
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
    assert_eq!(next_event_kind(&mut watch).await, "declined");
    assert_no_notice(&mut watch);
}

async fn a_number_where_the_page_shows_none_is_refused(pods: TestPods) {
    let bus = pods.bus;
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "1", &scan("ann")).await;
    let picked = settle(&bus, "2", &pick(Some(NumberChallenge::random().right), "ann")).await;
    let Settled::Refused(SettleRefusal::Guard(SceneField::Number), snapshot) = picked else { panic!("{picked:?}") };
    assert_eq!(snapshot.state, SceneState::Scanned);
}

async fn a_grant_is_redeemed_once_and_only_by_its_own_site_and_browser(pods: TestPods) {
    let bus = pods.bus;
    let grant = Grant::issue(scene(1));
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "1", &log_in(&grant, "ann")).await;
    let redemption = |account: &str, grant: GrantDigest, state: Option<&str>| Transition::Redeem {
        grant,
        account: account.parse().unwrap(),
        binding: state.map(Binding::of),
    };
    for (wrong, field) in [
        (redemption("other", grant.digest(), Some("session")), SceneField::Account),
        (redemption("demo", Grant::issue(scene(1)).digest(), Some("session")), SceneField::Grant),
        (redemption("demo", grant.digest(), Some("another session")), SceneField::Binding),
        (redemption("demo", grant.digest(), None), SceneField::Binding),
    ] {
        let settled = settle(&bus, "wrong", &wrong).await;
        assert!(matches!(settled, Settled::Refused(SettleRefusal::Guard(by), _) if by == field), "{settled:?}");
    }
    let right = redeem(grant.digest());
    let Settled::Applied(snapshot) = settle(&bus, "backend", &right).await else { panic!("not redeemed") };
    assert_eq!((snapshot.state, snapshot.person()), (SceneState::Redeemed, Some(person("ann"))));
    assert!(matches!(settle(&bus, "backend", &right).await, Settled::Repeated(again) if same_state(&again, &snapshot)));
    let twice = settle(&bus, "another backend", &right).await;
    assert!(matches!(twice, Settled::Refused(SettleRefusal::State(SceneState::Redeemed), _)), "{twice:?}");
}
