//! One page's socket, on plain data.

use std::time::SystemTime;

use scenecast_shared::scene::{Cause, DeliveryId, Grant, KeyRing, Login, Profile, Rotating, Scan};

use super::*;

const LIFE: Duration = Duration::from_secs(120);

fn claims() -> Claims {
    KeyRing::new(Rotating::fixed("s")).issue(&"demo".parse().unwrap(), None, LIFE, SystemTime::now()).1
}

fn begun(state: State, more: bool) -> Begun {
    Begun {
        claims: claims(),
        state,
        remaining: LIFE,
        frame: "the first frame".to_owned(),
        more,
        stored: if more { 7 } else { 0 },
    }
}

fn text(text: &str) -> Incoming {
    Incoming::Text(text.to_owned())
}

/// A session whose page has opened a scene.
fn held(now: Instant) -> Session {
    let mut session = Session::new(now);
    assert!(matches!(session.received(text(r#"{"open":{"account":"demo"}}"#), now)[..], [Action::Begin(_)]));
    let actions = session.begun(Ok(begun(State::Open, false)), now);
    assert!(matches!(&actions[..], [Action::Send(frame)] if frame == "the first frame"), "{actions:?}");
    session
}

fn event(what: Happening) -> Notice {
    let cause = Cause { delivery: DeliveryId::of(&["d"]), received_at: 0, traceparent: None };
    Notice::Event(Arc::new(Event {
        seq: 7,
        delivery: cause.delivery,
        received_at: cause.received_at,
        traceparent: cause.traceparent,
        what,
    }))
}

fn profile() -> Profile {
    Profile { name: "Ann".to_owned(), avatar: "data:,".to_owned() }
}

fn confirmed() -> Notice {
    let grant = Grant::issue(claims().scene);
    event(Happening::Confirmed(Login { profile: profile(), grant, typed: false, registered: false }))
}

fn mailbox(state: State, remaining: Duration) -> Mailbox {
    Mailbox { state, remaining, events: vec![] }
}

fn no_answer() -> Result<Option<Mailbox>, BusError> {
    Err(BusError::Undecided("away".to_owned()))
}

#[track_caller]
fn closes(actions: &[Action], code: u16) {
    assert!(matches!(actions.last(), Some(Action::Close(with, _)) if *with == code), "{actions:?}");
}

#[test]
fn a_page_that_says_nothing_is_closed_after_five_seconds() {
    let now = Instant::now();
    let mut session = Session::new(now);
    assert_eq!(session.deadline(), now + FIRST_FRAME);
    closes(&session.due(now + FIRST_FRAME), close::POLICY);
}

#[test]
fn a_first_frame_that_is_neither_open_nor_resume_is_refused() {
    for frame in [
        "",
        "hello",
        "null",
        "{}",
        "[]",
        r#"{"open":{}}"#,
        r#"{"open":{"account":"../x"}}"#,
        r#"{"open":{"account":"demo","scene":"x"}}"#,
        r#"{"open":{"account":"demo","state":""}}"#,
        r#"{"resume":{"key":1}}"#,
        r#"{"resume":{}}"#,
        r#"{"open":{"account":"demo"},"resume":{"key":"x"}}"#,
    ] {
        let now = Instant::now();
        let actions = Session::new(now).received(text(frame), now);
        closes(&actions, close::POLICY);
    }
}

#[test]
fn a_second_frame_is_refused() {
    let now = Instant::now();
    let actions = held(now).received(text(r#"{"open":{"account":"demo"}}"#), now);
    closes(&actions, close::POLICY);
}

#[test]
fn what_happens_to_the_scene_is_told_and_its_end_closes() {
    let now = Instant::now();
    let mut session = held(now);
    assert!(
        matches!(&session.noticed(event(Happening::Scanned(Scan { profile: profile(), number: None })), now)[..], [Action::Send(frame)] if frame.contains("\"scanned\""))
    );
    let actions = session.noticed(confirmed(), now);
    assert!(
        matches!(&actions[..], [Action::HandOver(_, Handover::Live), Action::Close(close::DONE, _)]),
        "{actions:?}"
    );
    for what in [Happening::Declined, Happening::Cancelled] {
        closes(&held(now).noticed(event(what), now), close::DONE);
    }
}

#[test]
fn a_login_from_the_mailbox_is_late_and_a_redeemed_one_a_repeat() {
    let now = Instant::now();
    for (state, expected) in [(State::Confirmed, Handover::Late), (State::Redeemed, Handover::Again)] {
        let mut session = Session::new(now);
        session.begun(Ok(begun(state, true)), now);
        let actions = session.noticed(confirmed(), now);
        assert!(matches!(actions[0], Action::HandOver(_, handover) if handover == expected), "{actions:?}");
    }
}

#[test]
fn no_frame_has_an_openid() {
    let Notice::Event(event) = confirmed() else { unreachable!() };
    let frame = Frame::event(&event).json();
    assert!(frame.contains("\"grant\"") && !frame.contains("openid"), "{frame}");
}

#[test]
fn a_silent_page_is_asked_and_a_dead_one_dropped() {
    let mut session = held(Instant::now());
    assert!(matches!(session.due(session.deadline())[..], [Action::Ping]));
    assert!(matches!(session.due(session.deadline())[..], [Action::Drop]));
}

#[test]
fn a_page_that_answers_is_asked_again_later() {
    let mut session = held(Instant::now());
    let asked = session.deadline();
    session.due(asked);
    assert!(session.received(Incoming::Pong, asked + Duration::from_secs(1)).is_empty());
    assert!(matches!(session.due(session.deadline())[..], [Action::Ping]));
}

#[test]
fn at_its_end_the_mailbox_decides() {
    let start = Instant::now();
    let end = start + LIFE;
    for (read, expires) in [
        (Ok(Some(mailbox(State::Expired, Duration::ZERO))), true),
        (Ok(None), true),
        (Ok(Some(mailbox(State::Open, Duration::from_secs(1)))), false),
        (Ok(Some(mailbox(State::Confirmed, Duration::from_secs(60)))), false),
        (no_answer(), false),
    ] {
        let mut session = held(start);
        assert!(matches!(session.due(end)[..], [Action::CheckEnd]));
        let actions = session.checked(&read, end);
        assert_eq!(!actions.is_empty(), expires, "{read:?}");
        if expires {
            closes(&actions, close::DONE);
        }
    }
}

#[test]
fn a_bus_that_stays_away_at_the_end_is_not_waited_for_for_ever() {
    let mut session = held(Instant::now());
    let mut now = Instant::now() + LIFE;
    loop {
        let actions = session.checked(&no_answer(), now);
        if !actions.is_empty() {
            break closes(&actions, close::TRY_LATER);
        }
        now += ASK_AGAIN;
        assert!(now < Instant::now() + LIFE + 2 * ASK_FOR);
    }
}

#[test]
fn a_lost_scene_is_opened_again_for_what_is_left_of_it() {
    let now = Instant::now();
    let mut session = held(now);
    let actions = session.noticed(Notice::Lost, now);
    assert!(matches!(&actions[..], [Action::Reopen(_, ends)] if *ends == now + LIFE), "{actions:?}");
    closes(&session.noticed(Notice::Lost, now + LIFE), close::DONE);
}

#[test]
fn a_resume_says_where_the_scene_stands() {
    let now = Instant::now();
    for (state, more, over) in [
        (State::Open, false, false),
        (State::Scanned, true, false),
        (State::Confirmed, true, false),
        (State::Confirmed, false, true),
        (State::Redeemed, false, true),
        (State::Declined, true, false),
        (State::Cancelled, false, true),
        (State::Expired, false, true),
    ] {
        let actions = Session::new(now).begun(Ok(begun(state, more)), now);
        assert!(matches!(&actions[0], Action::Send(frame) if frame == "the first frame"));
        assert_eq!(actions.len() > 1, over, "{state:?} {more}");
    }
}

#[test]
fn a_refusal_says_whether_to_come_back() {
    let now = Instant::now();
    let gone = Problem::new(StatusCode::FORBIDDEN, "key_invalid", "…");
    let later = BusError::Undecided("away".to_owned()).into();
    closes(&Session::new(now).begun(Err(gone), now), close::POLICY);
    let actions = Session::new(now).begun(Err(later), now);
    let [Action::Send(frame), Action::Close(close::TRY_LATER, reason)] = &actions[..] else { panic!("{actions:?}") };
    assert!(frame.contains("\"retry_after\":2"), "{frame}");
    let delay: u64 = reason.strip_prefix("retry_after_ms=").unwrap().parse().unwrap();
    assert!((2000..=4000).contains(&delay), "{delay}");
}

#[test]
fn when_the_pod_leaves_scanned_pages_move_last() {
    let now = Instant::now();
    let window = Duration::from_secs(20);
    let last_idle = {
        let mut session = held(now);
        session.leave(now, window, 1.0);
        session.deadline()
    };
    let mut scanned = held(now);
    scanned.noticed(event(Happening::Scanned(Scan { profile: profile(), number: None })), now);
    scanned.leave(now, window, 0.0);
    assert!(scanned.deadline() >= last_idle);
    assert!(last_idle <= now + window);
    closes(&scanned.due(now + window), close::RESTART);
}

#[test]
fn pings_are_answered_and_a_close_is_a_close() {
    let now = Instant::now();
    assert!(
        matches!(&held(now).received(Incoming::Ping(b"x".to_vec()), now)[..], [Action::Pong(payload)] if payload == b"x")
    );
    closes(&held(now).received(Incoming::Close, now), close::DONE);
}
