//! A page that reads its scene's events as a stream, strictly by what the gateway promises.

use reqwest::{Method, RequestBuilder, Response};
use scenecast_loadtest::browser::Frame;

use super::{PATIENCE, Scene, World};

/// A response that goes on.
pub(crate) struct Stream {
    response: Response,
    unread: String,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    Event(Event),
    /// A comment: the gateway is there.
    Heartbeat,
    /// The whole response has come.
    End,
    /// It was cut short.
    Cut,
}

/// One event.
#[derive(Debug, Default)]
pub(crate) struct Event {
    pub(crate) id: Option<u64>,
    pub(crate) kind: String,
    /// Milliseconds.
    pub(crate) retry: Option<u64>,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn frame(&self) -> Frame {
        let frame: Frame = serde_json::from_str(&self.data).unwrap();
        assert_eq!(frame.kind, self.kind);
        frame
    }
}

impl Stream {
    /// The events of this scene after `after`.
    pub(crate) async fn open(world: &World, scene: &Scene, after: Option<u64>) -> Self {
        let mut request = world.request(Method::GET, &format!("{}/events", scene.path())).bearer_auth(&scene.key);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        Self::of(request).await
    }

    /// The events that this request is answered with.
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self { response, unread: String::new() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.response.headers()[name].to_str().unwrap()
    }

    pub(crate) async fn next(&mut self) -> Next {
        self.next_within(PATIENCE).await
    }

    pub(crate) async fn next_within(&mut self, patience: std::time::Duration) -> Next {
        loop {
            if let Some(end) = self.unread.find("\n\n") {
                let block: String = self.unread.drain(..end + 2).collect();
                return read(block.trim_end());
            }
            let chunk = tokio::time::timeout(patience, self.response.chunk()).await.expect("something in time");
            match chunk {
                Ok(Some(bytes)) => self.unread += std::str::from_utf8(&bytes).unwrap(),
                Ok(None) => return Next::End,
                Err(_) => return Next::Cut,
            }
        }
    }

    /// The next event, which has to be of this kind.
    pub(crate) async fn event(&mut self, kind: &str) -> Event {
        match self.next().await {
            Next::Event(event) if event.kind == kind => event,
            other => panic!("instead of {kind}: {other:?}"),
        }
    }

    pub(crate) async fn ends(&mut self) {
        let next = self.next().await;
        assert!(matches!(next, Next::End), "{next:?}");
    }
}

fn read(block: &str) -> Next {
    let mut event = Event::default();
    for line in block.lines() {
        match line.split_once(':').expect("each line has a field") {
            ("", _) => return Next::Heartbeat,
            ("id", id) => event.id = Some(id.trim().parse().unwrap()),
            ("event", kind) => kind.trim().clone_into(&mut event.kind),
            ("retry", retry) => event.retry = Some(retry.trim().parse().unwrap()),
            ("data", data) => data.trim().clone_into(&mut event.data),
            (field, _) => panic!("what is {field}?"),
        }
    }
    Next::Event(event)
}
