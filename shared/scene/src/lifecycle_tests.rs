//! The lifecycle of one scene, on plain data.

use super::*;
use crate::{
    event::EventKind,
    id::SceneId,
    numbers::NumberChallenge,
    secret::{Binding, Grant},
    testing::{GRANT_LIFE, acceptance, account, confirm, log_in, person, scan},
    transition::Transition,
};

const LIFE: Duration = Duration::from_secs(120);
const T0: u64 = 1_800_000_000_000;

fn open() -> Scene {
    let page = PageInfo { host: Some("shop.example.com".to_owned()), ..PageInfo::default() };
    Scene::open(
        &NewScene { account: account(), binding: Some(Binding::of("session")), page, life: LIFE, traceparent: None },
        T0,
    )
}

fn openid(name: &str) -> OpenId {
    person(name).openid
}

fn grant() -> Grant {
    Grant::issue("AAAAAAAAAAAAAAAAAAAAAA".parse::<SceneId>().unwrap())
}

fn cause(name: &str) -> Cause {
    Cause { delivery: DeliveryId::of(&[name]), received_at: T0, traceparent: None }
}

fn settle(scene: &mut Scene, delivery: &str, transition: &Transition, after_ms: u64) -> Settled {
    scene.settle(&cause(delivery), &transition.step(), (T0 + after_ms) * 1000)
}

#[track_caller]
fn applied(settled: &Settled) {
    assert!(matches!(settled, Settled::Applied(_)), "{settled:?}");
}

#[track_caller]
fn refused_by(settled: &Settled, refusal: SettleRefusal) {
    assert!(matches!(settled, Settled::Refused(by, _) if *by == refusal), "{settled:?}");
}

#[test]
fn a_scene_is_scanned_then_confirmed_then_redeemed() {
    let mut scene = open();
    let grant = grant();
    applied(&settle(&mut scene, "scan", &scan("ann"), 1));
    let login = acceptance(&grant, "ann");
    let confirm = Transition::Confirm { account: account(), login, picked: None };
    applied(&settle(&mut scene, "yes", &confirm, 2));
    let redeem =
        Transition::Redeem { grant: grant.digest(), account: account(), binding: Some(Binding::of("session")) };
    let Settled::Applied(snapshot) = settle(&mut scene, "backend", &redeem, 3) else { panic!() };
    assert_eq!(snapshot.state, SceneState::Redeemed);
    assert_eq!(snapshot.person(), Some(person("ann")));
    let events: Vec<_> = scene.events().iter().map(|event| &event.what).collect();
    assert!(matches!(events[..], [EventKind::Scanned(_), EventKind::Confirmed(_)]), "{events:?}");
}

#[test]
fn without_confirmation_a_scan_is_a_login() {
    let mut scene = open();
    applied(&settle(&mut scene, "scan", &log_in(&grant(), "ann"), 1));
    assert_eq!(scene.state(T0 + 1), SceneState::Confirmed);
}

#[test]
fn the_second_person_is_refused() {
    let mut scene = open();
    applied(&settle(&mut scene, "1", &log_in(&grant(), "ann"), 1));
    refused_by(&settle(&mut scene, "2", &log_in(&grant(), "bob"), 2), SettleRefusal::State(SceneState::Confirmed));
    assert_eq!(scene.snapshot(T0).who(), Some(openid("ann")));
}

#[test]
fn only_the_person_who_scanned_can_confirm_or_decline() {
    let mut scene = open();
    applied(&settle(&mut scene, "1", &scan("ann"), 1));
    refused_by(&settle(&mut scene, "2", &confirm(&grant(), "bob"), 2), SettleRefusal::Guard(SceneField::Who));
    refused_by(
        &settle(&mut scene, "3", &Transition::Decline { account: account(), who: openid("bob") }, 3),
        SettleRefusal::Guard(SceneField::Who),
    );
    applied(&settle(&mut scene, "4", &Transition::Decline { account: account(), who: openid("ann") }, 4));
    refused_by(&settle(&mut scene, "5", &confirm(&grant(), "ann"), 5), SettleRefusal::State(SceneState::Declined));
}

#[test]
fn only_the_number_on_the_page_confirms() {
    let numbers = NumberChallenge::random();
    let mut scene = open();
    let scan = Transition::Scan { account: account(), person: person("ann"), numbers: Some(numbers.clone()) };
    applied(&settle(&mut scene, "1", &scan, 1));
    assert_eq!(scene.snapshot(T0).choices(), Some(numbers.choices));
    assert!(matches!(&scene.events()[0].what, EventKind::Scanned(scan) if scan.number == Some(numbers.right)));
    refused_by(&settle(&mut scene, "2", &pick(None, "ann"), 2), SettleRefusal::Guard(SceneField::Number));
    applied(&settle(&mut scene, "3", &pick(Some(numbers.right), "ann"), 3));
    assert_eq!(scene.state(T0 + 3), SceneState::Confirmed);
}

fn pick(picked: Option<Number>, who: &str) -> Transition {
    Transition::Confirm { account: account(), login: acceptance(&grant(), who), picked }
}

#[test]
fn another_number_declines_the_login_at_once_and_sets_nothing() {
    let numbers = NumberChallenge::random();
    let wrong = numbers.choices.into_iter().find(|choice| *choice != numbers.right);
    let mut scene = open();
    let scan = Transition::Scan { account: account(), person: person("ann"), numbers: Some(numbers.clone()) };
    applied(&settle(&mut scene, "1", &scan, 1));
    let ends = scene.expires_ms();
    refused_by(&settle(&mut scene, "2", &pick(wrong, "bob"), 2), SettleRefusal::Guard(SceneField::Who));
    for expected in ["applied", "repeated"] {
        let (Settled::Applied(after) | Settled::Repeated(after)) = settle(&mut scene, "3", &pick(wrong, "ann"), 3)
        else {
            panic!("not {expected}")
        };
        assert_eq!((after.state, after.fields.contains_key(&SceneField::Grant)), (SceneState::Declined, false));
    }
    assert_eq!(scene.expires_ms(), ends);
    assert!(matches!(scene.events()[..], [_, Event { what: EventKind::Declined, .. }]), "{:?}", scene.events());
    let right = pick(Some(numbers.right), "ann");
    refused_by(&settle(&mut scene, "4", &right, 4), SettleRefusal::State(SceneState::Declined));
}

#[test]
fn where_no_number_is_shown_a_picked_one_is_refused() {
    let mut scene = open();
    applied(&settle(&mut scene, "1", &scan("ann"), 1));
    let picked = NumberChallenge::random().right;
    refused_by(&settle(&mut scene, "2", &pick(Some(picked), "ann"), 2), SettleRefusal::Guard(SceneField::Number));
    assert_eq!(scene.state(T0 + 2), SceneState::Scanned);
}

#[test]
fn a_repeated_delivery_changes_nothing_and_has_the_same_outcome() {
    let mut scene = open();
    let first = settle(&mut scene, "1", &log_in(&grant(), "ann"), 1);
    let again = settle(&mut scene, "1", &log_in(&grant(), "ann"), 1);
    let (Settled::Applied(first), Settled::Repeated(again)) = (first, again) else { panic!() };
    assert_eq!(first, again);
    assert_eq!(scene.events().len(), 1);
}

#[test]
fn a_scanned_scene_expires_with_its_life() {
    let mut scene = open();
    applied(&settle(&mut scene, "1", &scan("ann"), 1));
    assert_eq!(scene.state(T0 + 119_999), SceneState::Scanned);
    assert_eq!(scene.state(T0 + 120_000), SceneState::Expired);
    refused_by(&settle(&mut scene, "2", &confirm(&grant(), "ann"), 120_000), SettleRefusal::State(SceneState::Expired));
}

#[test]
fn the_life_of_a_grant_begins_at_the_confirmation() {
    let mut scene = open();
    applied(&settle(&mut scene, "1", &log_in(&grant(), "ann"), 119_000));
    assert_eq!(scene.remaining(T0 + 119_000), GRANT_LIFE);
    assert_eq!(scene.state(T0 + 178_999), SceneState::Confirmed);
    assert_eq!(scene.state(T0 + 179_000), SceneState::Expired);
}

#[test]
fn a_grant_is_redeemed_only_for_its_account_and_browser() {
    let mut scene = open();
    let grant = grant();
    let login = Transition::LogIn { account: account(), login: acceptance(&grant, "ann") };
    applied(&settle(&mut scene, "1", &login, 1));
    let bound = Some(Binding::of("session"));
    let redeem = |account: &str, digest, binding| Transition::Redeem {
        grant: digest,
        account: account.parse().unwrap(),
        binding,
    };
    let other = redeem("other", grant.digest(), bound);
    refused_by(&settle(&mut scene, "2", &other, 2), SettleRefusal::Guard(SceneField::Account));
    for binding in [None, Some(Binding::of("another session"))] {
        let unbound = redeem("demo", grant.digest(), binding);
        refused_by(&settle(&mut scene, "3", &unbound, 3), SettleRefusal::Guard(SceneField::Binding));
    }
    let made_up = redeem("demo", Grant::issue(grant.scene()).digest(), bound);
    refused_by(&settle(&mut scene, "4", &made_up, 4), SettleRefusal::Guard(SceneField::Grant));
    applied(&settle(&mut scene, "5", &redeem("demo", grant.digest(), bound), 5));
}

#[test]
fn a_message_to_another_account_does_not_touch_the_scene() {
    let other: AccountName = "other".parse().unwrap();
    let login = acceptance(&grant(), "ann");
    let mut scene = open();
    let scan = Transition::Scan { account: other.clone(), person: person("ann"), numbers: None };
    refused_by(&settle(&mut scene, "1", &scan, 1), SettleRefusal::Guard(SceneField::Account));
    let log_in = Transition::LogIn { account: other.clone(), login: login.clone() };
    refused_by(&settle(&mut scene, "2", &log_in, 2), SettleRefusal::Guard(SceneField::Account));
    applied(&settle(&mut scene, "3", &self::scan("ann"), 3));
    let confirm = Transition::Confirm { account: other.clone(), login, picked: None };
    refused_by(&settle(&mut scene, "4", &confirm, 4), SettleRefusal::Guard(SceneField::Account));
    let decline = Transition::Decline { account: other, who: openid("ann") };
    refused_by(&settle(&mut scene, "5", &decline, 5), SettleRefusal::Guard(SceneField::Account));
}

#[test]
fn a_page_can_cancel_before_but_not_after_the_login() {
    for (start, refused) in [(scan("ann"), false), (log_in(&grant(), "ann"), true)] {
        let mut scene = open();
        applied(&settle(&mut scene, "1", &start, 1));
        let settled = settle(&mut scene, "2", &Transition::Cancel, 2);
        assert_eq!(matches!(settled, Settled::Refused(..)), refused, "{settled:?}");
    }
}

#[test]
fn seq_never_runs_backwards() {
    let mut scene = open();
    applied(&settle(&mut scene, "1", &scan("ann"), 1000));
    applied(&settle(&mut scene, "2", &confirm(&grant(), "ann"), 0));
    let [first, second] = scene.events() else { panic!() };
    assert_eq!(second.seq, first.seq + 1);
}

#[test]
fn an_event_reads_back_from_its_line() {
    let mut scene = open();
    applied(&settle(&mut scene, "1", &log_in(&grant(), "ann"), 1));
    let event = &scene.events()[0];
    let line = format!("{} {}", event.seq, event.body());
    assert_eq!(Event::parse(&line).as_ref(), Some(event));
    assert!(!line.contains("openid"));
    for broken in ["", "1", "x {}", "1 {}", "1 nonsense"] {
        assert_eq!(Event::parse(broken), None, "{broken:?}");
    }
}
