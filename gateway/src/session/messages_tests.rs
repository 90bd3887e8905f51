//! The JSON of messages to pages.

use scenecast_scene::{Grant, Login, Profile, Scan};
use serde_json::Value;

use super::*;

const SCENE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn event(what: EventKind) -> Event {
    Event { seq: 7, delivery: DeliveryId::of(&["d"]), received_at: 0, traceparent: None, what }
}

fn all_events() -> Vec<Event> {
    let profile = Profile { name: "Ann".to_owned(), avatar: "data:,".to_owned() };
    let number = Some("42".parse().unwrap());
    let grant = Grant::issue(SCENE.parse().unwrap());
    vec![
        event(EventKind::Scanned(Scan { profile: profile.clone(), number })),
        event(EventKind::Confirmed(Login { profile, grant, typed: true, registered: true })),
        event(EventKind::Declined),
        event(EventKind::Cancelled),
    ]
}

#[test]
fn the_kind_of_a_message_is_the_type_in_its_json() {
    let events = all_events();
    let others = [
        ServerMessage::current_state(SCENE.parse().unwrap(), SceneState::Open, Duration::ZERO, true),
        ServerMessage::Expired,
        ServerMessage::Heartbeat,
        ServerMessage::Trouble,
        ServerMessage::Restart { retry_after_ms: 1 },
        ServerMessage::problem("bad_request", "…", None),
    ];
    for message in events.iter().map(ServerMessage::event).chain(others) {
        let json: Value = serde_json::from_str(&message.to_json()).unwrap();
        assert_eq!(json["type"], message.kind(), "{json}");
    }
}

#[test]
fn a_page_gets_the_number_and_whether_its_code_was_typed_but_no_openid() {
    let messages = all_events().iter().map(|event| ServerMessage::event(event).to_json()).collect::<Vec<_>>();
    assert!(messages[0].contains("\"number\":42") && !messages[0].contains("typed"), "{}", messages[0]);
    assert!(messages[1].contains("\"typed\":true") && messages[1].contains("\"grant\""), "{}", messages[1]);
    for message in messages {
        assert!(!message.contains("openid") && !message.contains("registered"), "{message}");
    }
}
