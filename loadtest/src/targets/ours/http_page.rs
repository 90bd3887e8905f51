//! A page that is reached over plain HTTP: by server-sent events, or by long polls.

use std::{io, net::SocketAddr, time::Duration};

use scenecast_scene::SceneId;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use super::{
    http_answer::{AnswerHead, BodyLength, read_head, take_chunks, take_event},
    page_frame::{GatewayMessage, ShownScene, broken},
    read_buffer::{consume, read_more},
};
use crate::targets::{
    source::connect,
    target::{Heard, PageError, Seat},
};

/// A connection that is silent for so long is dead. A gateway sends something every 5 s on a stream, and answers a poll after
/// 25 s at the latest.
const LONGEST_SILENCE: Duration = Duration::from_secs(40);
/// After how long a page comes back to a gateway that has no answer for it, and doesn't say when.
pub(super) const USUAL_RETRY: Duration = Duration::from_secs(1);

/// A page without a WebSocket.
#[derive(Debug)]
pub(super) struct HttpPage {
    stream: TcpStream,
    /// What has come and is not read yet.
    rest: Vec<u8>,
    /// The text of a stream that is not read yet, without the borders of its chunks.
    text: Vec<u8>,
    /// Whether the stream has sent its last chunk.
    has_ended: bool,
    polls: bool,
    /// Whether a poll is under way.
    asked: bool,
    scene: SceneId,
    key: Box<str>,
    seq: u64,
    /// How many logins a poll brought beside the first.
    more_logins: u32,
    /// The origin whose page it is.
    origin: Box<str>,
}

/// The answer to a poll.
#[derive(Deserialize)]
struct PollAnswer<'a> {
    #[serde(borrow)]
    state: &'a str,
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    retry_after_ms: Option<u64>,
}

impl HttpPage {
    /// Opens a scene, and begins to listen.
    pub(super) async fn open(
        gateway: SocketAddr,
        origin: &str,
        seat: Seat,
        open: (&str, &str),
        polls: bool,
    ) -> Result<(Self, ShownScene), PageError> {
        let mut stream = connect(gateway, seat.source).await.map_err(broken)?;
        let (account, session) = open;
        let body = json!({ "account": account, "state": session }).to_string();
        let browser = seat.browser();
        let request = format!(
            "POST /v1/scenes HTTP/1.1\r\nHost: {gateway}\r\nOrigin: {origin}\r\nX-Forwarded-For: {browser}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.map_err(broken)?;
        let mut rest = vec![];
        let (status, answer) = whole_answer(&stream, &mut rest).await?;
        let message = GatewayMessage::read(&answer).ok_or_else(|| not_ours(status))?;
        let scene = message.scene.parse();
        let Ok(scene) = scene else { return Err(refused(status, &message)) };
        let shown = ShownScene { scene, url: message.qr.url.clone().into_owned() };
        let (key, origin) = (message.key.clone().into(), origin.into());
        let mut page = Self {
            stream,
            rest,
            text: vec![],
            has_ended: false,
            polls,
            asked: false,
            scene,
            key,
            seq: 0,
            more_logins: 0,
            origin,
        };
        page.listen(gateway, seat).await?;
        Ok((page, shown))
    }

    /// Connects again, and listens after what it has seen.
    pub(super) async fn resume(&mut self, gateway: SocketAddr, seat: Seat) -> Result<(), PageError> {
        self.stream = connect(gateway, seat.source).await.map_err(broken)?;
        (self.rest, self.text, self.has_ended, self.asked) = (vec![], vec![], false, false);
        self.listen(gateway, seat).await
    }

    /// Begins to listen: a stream from now on, a poll with its first request.
    async fn listen(&mut self, gateway: SocketAddr, seat: Seat) -> Result<(), PageError> {
        if self.polls {
            return self.poll().await.map_err(broken);
        }
        let (scene, key, origin, browser) = (self.scene, &self.key, &self.origin, seat.browser());
        let request = format!(
            "GET /v1/scenes/{scene}/events HTTP/1.1\r\nHost: {gateway}\r\nOrigin: {origin}\r\nX-Forwarded-For: {browser}\r\n\
             Authorization: Bearer {key}\r\nLast-Event-ID: {}\r\n\r\n",
            self.seq
        );
        self.stream.write_all(request.as_bytes()).await.map_err(broken)?;
        let AnswerHead { status, length, body } = answer_head(&self.stream, &mut self.rest).await?;
        if let (200, BodyLength::Chunked) = (status, body) {
            consume(&mut self.rest, length);
            return Ok(());
        }
        let (status, answer) = whole_answer(&self.stream, &mut self.rest).await?;
        Err(GatewayMessage::read(&answer).map_or_else(|| not_ours(status), |message| refused(status, &message)))
    }

    /// Sends a poll.
    async fn poll(&mut self) -> io::Result<()> {
        let (scene, key, origin, seq) = (self.scene, &self.key, &self.origin, self.seq);
        let request = format!(
            "GET /v1/scenes/{scene}?after={seq} HTTP/1.1\r\nHost: gateway\r\nOrigin: {origin}\r\n\
             Authorization: Bearer {key}\r\n\r\n"
        );
        self.asked = true;
        self.stream.write_all(request.as_bytes()).await
    }

    /// Waits for what comes next.
    pub(super) async fn hear(&mut self) -> Heard {
        let heard = if self.polls { self.hear_polls().await } else { self.hear_stream().await };
        heard.unwrap_or(Heard::Disconnected)
    }

    /// Waits for what comes after a login, for at most this time. Answers how many more logins there were.
    pub(super) async fn listen_on(&mut self, time: Duration) -> u32 {
        let mut logins = std::mem::take(&mut self.more_logins);
        let listening = async {
            // A poll that has brought a login was the last one.
            while !self.polls && matches!(self.hear().await, Heard::Login { .. } | Heard::Scanned { .. }) {
                logins += 1;
            }
        };
        // A gateway that doesn't end the stream is heard for the whole time.
        let _ = timeout(time, listening).await;
        logins
    }

    async fn hear_stream(&mut self) -> Result<Heard, PageError> {
        loop {
            while let Some(json) = take_event(&mut self.text) {
                let message = GatewayMessage::read(&json).ok_or_else(|| not_ours(200))?;
                self.seq = self.seq.max(message.seq);
                if let Some(heard) = message.heard() {
                    return Ok(heard);
                }
            }
            // What came together with the head is here already, and perhaps nothing more follows.
            let known = self.text.len();
            self.has_ended |= take_chunks(&mut self.rest, &mut self.text).map_err(|_| not_ours(200))?;
            if self.text.len() > known {
                continue;
            }
            if self.has_ended {
                return Ok(Heard::Disconnected);
            }
            // A page that waits keeps no memory for what it has read.
            if self.text.is_empty() {
                self.text = Vec::new();
            }
            if self.rest.is_empty() {
                self.rest = Vec::new();
            }
            match timeout(LONGEST_SILENCE, read_more(&self.stream, &mut self.rest)).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false) | Err(_)) | Err(_) => return Ok(Heard::Disconnected),
            }
        }
    }

    async fn hear_polls(&mut self) -> Result<Heard, PageError> {
        loop {
            if !self.asked {
                self.poll().await.map_err(broken)?;
            }
            let (status, answer) = whole_answer(&self.stream, &mut self.rest).await?;
            self.asked = false;
            if status != 200 {
                let message = GatewayMessage::read(&answer).ok_or_else(|| not_ours(status))?;
                let code = message.code.into_owned();
                // A gateway that has no room, or no Redis, has the scene all the same.
                return Ok(if status == 429 || status >= 500 {
                    Heard::SentAway { after: USUAL_RETRY, problem: Some(code) }
                } else {
                    Heard::Over { code }
                });
            }
            let PollAnswer { state, events, retry_after_ms } =
                serde_json::from_slice(&answer).map_err(|_| not_ours(status))?;
            // A poll may have several events. The last one that is news counts: a login ends the wait.
            let mut heard = None;
            for event in events {
                let message = GatewayMessage::read(event.get().as_bytes()).ok_or_else(|| not_ours(status))?;
                self.seq = self.seq.max(message.seq);
                let is_login = |heard: &Option<Heard>| matches!(heard, Some(Heard::Login { .. }));
                let news = message.heard();
                self.more_logins += u32::from(is_login(&heard) && is_login(&news));
                heard = news.or(heard);
            }
            match (heard, state, retry_after_ms) {
                (Some(heard), ..) => return Ok(heard),
                (None, "open" | "scanned", None) => {}
                (None, "open" | "scanned", Some(millis)) => {
                    return Ok(Heard::SentAway { after: Duration::from_millis(millis), problem: None });
                }
                (None, over, _) => return Ok(Heard::Over { code: over.to_owned() }),
            }
        }
    }
}

/// Waits for the head of an answer, and leaves it in `rest`.
pub(super) async fn answer_head(stream: &TcpStream, rest: &mut Vec<u8>) -> Result<AnswerHead, PageError> {
    loop {
        if let Some(head) = read_head(rest).map_err(|error| PageError::Protocol(error.to_string()))? {
            return Ok(head);
        }
        read(stream, rest).await?;
    }
}

/// Waits for a whole answer, and takes it out of `rest`. Answers status and body.
pub(super) async fn whole_answer(stream: &TcpStream, rest: &mut Vec<u8>) -> Result<(u16, Vec<u8>), PageError> {
    let AnswerHead { status, length, body } = answer_head(stream, rest).await?;
    let end = match body {
        BodyLength::Bytes(bytes) => length + bytes,
        BodyLength::Chunked => return Err(not_ours(status)),
    };
    while rest.len() < end {
        read(stream, rest).await?;
    }
    let body = rest[length..end].to_vec();
    consume(rest, end);
    Ok((status, body))
}

async fn read(stream: &TcpStream, rest: &mut Vec<u8>) -> Result<(), PageError> {
    let silent = |_| PageError::Connection("silent for too long".to_owned());
    if timeout(LONGEST_SILENCE, read_more(stream, rest)).await.map_err(silent)?.map_err(broken)? {
        Ok(())
    } else {
        Err(PageError::Connection("closed before the whole answer".to_owned()))
    }
}

fn not_ours(status: u16) -> PageError {
    PageError::Protocol(format!("HTTP status {status} without JSON of a gateway"))
}

fn refused(status: u16, message: &GatewayMessage) -> PageError {
    if message.code.is_empty() { not_ours(status) } else { PageError::Refused(message.code.clone().into_owned()) }
}
