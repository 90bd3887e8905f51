//! The own API's WebSocket frames, stream events and poll answers, as JSON.

use std::time::Duration;

use scenecast_scene::{DeliveryId, Event, EventKind, Number, SceneId, SceneState};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use strum::IntoStaticStr;

use crate::scenes::{OpenRequest, OpenedScene, fault_of_value};

/// How often a connection with heartbeats gets a sign of life. A page whose connection is silent for longer knows that it
/// is dead, though nobody has closed it.
///
/// See docs/decisions/042-the-gateway-sends-heartbeats-that-pages-can-see.md.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);

/// The first frame that a page sends on its WebSocket.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ClientMessage {
    /// The page opens a scene.
    Open(OpenRequest),
    /// The page comes back to a scene by its key.
    Resume(ResumeRequest),
}

impl ClientMessage {
    /// Reads a page's first frame. The error says what is wrong with it, and has nothing of the frame.
    pub(crate) fn read(text: &str) -> Result<Self, &'static str> {
        serde_json::from_str(text).map_err(|_| first_frame_fault(text))
    }
}

/// What is wrong with a page's first frame.
fn first_frame_fault(text: &str) -> &'static str {
    let Ok(frame) = serde_json::from_str::<Value>(text) else { return "the first frame has to be JSON" };
    match frame.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.iter().next()) {
        Some((kind, open)) if kind == "open" => fault_of_value(open),
        Some((kind, _)) if kind == "resume" => "resume has a key, which is a string, and perhaps after, a seq",
        _ => "the first frame has to be an open or a resume",
    }
}

/// Any later frame of a page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum LaterMessage {
    /// The page asks whether the connection still works: it is answered at once, with a heartbeat.
    Probe {},
}

/// Which scene a page comes back to, and which events it has seen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResumeRequest {
    pub(crate) key: String,
    /// The highest `seq` that the page has seen; 0 if none.
    #[serde(default)]
    pub(crate) after: u64,
}

/// A message to the page. As text, its `type`.
#[derive(Debug, Serialize, IntoStaticStr)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(crate) enum ServerMessage<'a> {
    Opened {
        #[serde(flatten)]
        scene: &'a OpenedScene,
        /// [`HEARTBEAT`] in seconds, if the connection has heartbeats.
        #[serde(skip_serializing_if = "Option::is_none")]
        heartbeat: Option<u64>,
    },
    /// The scene's state: the first message to a page that comes back, and the one that ends a `trouble`.
    #[serde(rename = "resumed")]
    #[strum(serialize = "resumed")]
    CurrentState {
        scene: SceneId,
        state: &'static str,
        /// What is left of the state's life, in seconds.
        expires_in: u64,
        /// [`HEARTBEAT`] in seconds, if the connection has heartbeats.
        #[serde(skip_serializing_if = "Option::is_none")]
        heartbeat: Option<u64>,
    },
    /// Nothing has happened, and the connection works.
    Heartbeat,
    Scanned(EventMessage<'a>),
    Confirmed(EventMessage<'a>),
    /// The person who scanned said no.
    Declined(EventMessage<'a>),
    /// The page gave up.
    Cancelled(EventMessage<'a>),
    /// The scene's time is over.
    Expired,
    /// Redis is away. When it is back, the page gets the current state and then the events that it missed.
    Trouble,
    /// The page has to reconnect, and reaches another pod. On a WebSocket, the close frame says so instead.
    Restart {
        retry_after_ms: u64,
    },
    /// The request is refused, and the connection ends.
    Problem {
        code: &'static str,
        detail: &'a str,
        /// In seconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
}

/// An event, in the form that pages get it.
#[derive(Debug, Serialize)]
pub(crate) struct EventMessage<'a> {
    seq: u64,
    delivery: DeliveryId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<&'a str>,
    /// The number that the page shows and the phone has to pick.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<String>,
    /// Somebody typed this page's code, perhaps by mistake. The page asks its user before it goes on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    typed: bool,
}

impl<'a> ServerMessage<'a> {
    /// The message for this event.
    pub(crate) fn event(event: &'a Event) -> Self {
        let (profile, login) = match &event.what {
            EventKind::Scanned(scan) => (Some(&scan.profile), None),
            EventKind::Confirmed(login) => (Some(&login.profile), Some(login)),
            EventKind::Declined | EventKind::Cancelled => (None, None),
        };
        let number = match &event.what {
            EventKind::Scanned(scan) => scan.number,
            _ => None,
        };
        let message = EventMessage {
            seq: event.seq,
            delivery: event.delivery,
            name: profile.map(|profile| profile.name.as_str()),
            avatar: profile.map(|profile| profile.avatar.as_str()),
            number,
            grant: login.map(|login| login.grant.to_string()),
            typed: login.is_some_and(|login| login.typed),
        };
        match event.what {
            EventKind::Scanned(_) => Self::Scanned(message),
            EventKind::Confirmed(_) => Self::Confirmed(message),
            EventKind::Declined => Self::Declined(message),
            EventKind::Cancelled => Self::Cancelled(message),
        }
    }

    /// The message for a new scene, and how often heartbeats follow if they do.
    pub(crate) fn opened(scene: &'a OpenedScene, has_heartbeats: bool) -> Self {
        Self::Opened { scene, heartbeat: heartbeat(has_heartbeats) }
    }

    /// The message for a problem, with the retry delay in seconds.
    pub(crate) fn problem(code: &'static str, detail: &'a str, retry_after: Option<u64>) -> Self {
        Self::Problem { code, detail, retry_after }
    }

    /// The message for a scene's current state, which lasts for `remaining` unless an event changes it.
    pub(crate) fn current_state(scene: SceneId, state: SceneState, remaining: Duration, has_heartbeats: bool) -> Self {
        let heartbeat = heartbeat(has_heartbeats);
        Self::CurrentState { scene, state: state.into(), expires_in: remaining.as_secs(), heartbeat }
    }

    /// The `type` in its JSON.
    pub(crate) fn kind(&self) -> &'static str {
        self.into()
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a message has string keys only")
    }
}

/// The field of a connection that has heartbeats, or none.
fn heartbeat(has_heartbeats: bool) -> Option<u64> {
    has_heartbeats.then(|| HEARTBEAT.as_secs())
}

/// The answer to a poll. It always has the current state.
#[derive(Debug, Serialize)]
pub(crate) struct PollResponse {
    pub(crate) scene: SceneId,
    pub(crate) state: &'static str,
    /// What is left of the scene's life, in seconds, while somebody can still scan or confirm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_in: Option<u64>,
    /// The events that the page hasn't seen, as messages of the other transports.
    pub(crate) events: Vec<Box<RawValue>>,
    /// The page has to poll at another pod, after so many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_ms: Option<u64>,
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
