//! A page on the gateway's WebSocket. While it waits it is a socket, a key and nothing else.

use std::{io, net::SocketAddr, time::Duration};

use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use super::{
    frames::{Decoded, ServerFrame, decode},
    page_frame::{GatewayMessage, ShownScene, broken},
    read_buffer::{consume, read_more},
};
use crate::targets::{
    source::connect,
    target::{Heard, PageError, Seat},
};

/// The longest head of an answer to the handshake, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// A page on a WebSocket.
#[derive(Debug)]
pub(super) struct SocketPage {
    stream: TcpStream,
    /// What has come and is not yet a whole frame. Mostly empty, without memory of its own.
    rest: Vec<u8>,
    key: Box<str>,
    seq: u64,
    /// How long the connection may be silent.
    longest_silence: Duration,
}

/// The text of the page's first frame.
pub(super) fn open_message(account: &str, session: &str) -> String {
    json!({ "open": { "account": account, "state": session } }).to_string()
}

impl SocketPage {
    /// Connects and opens a scene, as a page of this origin. With `heartbeats` it asks for them, as the page's JavaScript does,
    /// and notices that its connection is dead though nobody has closed it.
    pub(super) async fn open(
        gateway: SocketAddr,
        origin: &str,
        seat: Seat,
        heartbeats: bool,
        message: &str,
    ) -> Result<(Self, ShownScene), PageError> {
        let mut page = Self::connect(gateway, origin, seat, heartbeats).await?;
        page.send(0x81, message.as_bytes()).await.map_err(broken)?;
        let shown = page.first_message(|message| {
            let scene = message.scene.parse().ok()?;
            let shown = || (ShownScene { scene, url: message.qr.url.clone().into_owned() }, message.key.clone().into());
            (message.kind == "opened").then(shown)
        });
        let (shown, key) = shown.await?;
        page.key = key;
        Ok((page, shown))
    }

    /// Connects again and resumes the scene.
    pub(super) async fn resume(
        &mut self,
        gateway: SocketAddr,
        origin: &str,
        seat: Seat,
        heartbeats: bool,
    ) -> Result<(), PageError> {
        let connected = Self::connect(gateway, origin, seat, heartbeats).await?;
        (self.stream, self.rest, self.longest_silence) = (connected.stream, connected.rest, connected.longest_silence);
        let message = json!({ "resume": { "key": &*self.key, "after": self.seq } }).to_string();
        self.send(0x81, message.as_bytes()).await.map_err(broken)?;
        self.first_message(|message| (message.kind == "resumed").then_some(())).await
    }

    async fn connect(gateway: SocketAddr, origin: &str, seat: Seat, heartbeats: bool) -> Result<Self, PageError> {
        let stream = connect(gateway, seat.source).await.map_err(broken)?;
        let mut page = Self { stream, rest: vec![], key: "".into(), seq: 0, longest_silence: Duration::MAX };
        let key = base64_key(rand::random());
        let browser = seat.browser();
        let path = if heartbeats { "/v1/ws?heartbeat=1" } else { "/v1/ws" };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {gateway}\r\nOrigin: {origin}\r\nX-Forwarded-For: {browser}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\
             Sec-WebSocket-Protocol: scenecast.v1\r\n\r\n"
        );
        page.stream.write_all(request.as_bytes()).await.map_err(broken)?;
        loop {
            if let Some(end) = page.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                let status = status_of(&page.rest)?;
                if status != 101 {
                    return Err(PageError::Protocol(format!("HTTP status {status} in place of a WebSocket")));
                }
                consume(&mut page.rest, end + 4);
                return Ok(page);
            }
            if page.rest.len() > LONGEST_HEAD {
                return Err(PageError::Protocol("no head of an HTTP answer".to_owned()));
            }
            if !read_more(&page.stream, &mut page.rest).await.map_err(broken)? {
                return Err(PageError::Connection("closed in the handshake".to_owned()));
            }
        }
    }

    /// Waits for the message that this function takes.
    async fn first_message<T: Send>(
        &mut self,
        take: impl Fn(&GatewayMessage) -> Option<T> + Send + Sync,
    ) -> Result<T, PageError> {
        loop {
            let mut taken = None;
            let heard = self
                .next(&mut |message| {
                    taken = take(message);
                    taken.is_some()
                })
                .await;
            match (taken, heard) {
                (Some(taken), _) => return Ok(taken),
                (None, Some(Heard::Over { code })) => return Err(PageError::Refused(code)),
                (None, Some(Heard::SentAway { after, problem })) => {
                    let code = problem.unwrap_or_else(|| "sent away before the first answer".to_owned());
                    return Err(PageError::Later { code, after });
                }
                (None, Some(Heard::Disconnected)) => {
                    return Err(PageError::Connection("closed before the first answer".to_owned()));
                }
                (None, _) => {}
            }
        }
    }

    /// Waits for what comes next. It may be dropped at any moment.
    pub(super) async fn hear(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.next(&mut |_| false).await {
                return heard;
            }
        }
    }

    /// Waits for the next message. `None` if `takes` took it, or it is no news.
    async fn next(&mut self, takes: &mut (dyn FnMut(&GatewayMessage) -> bool + Send)) -> Option<Heard> {
        const LOST: Option<Heard> = Some(Heard::Disconnected);
        loop {
            let (heard, length, pong) = match decode(&self.rest) {
                Decoded::Incomplete => {
                    match timeout(self.longest_silence, read_more(&self.stream, &mut self.rest)).await {
                        Ok(Ok(true)) => continue,
                        // A connection that is silent for so long is dead, though nobody has closed it.
                        Ok(Ok(false) | Err(_)) | Err(_) => return LOST,
                    }
                }
                Decoded::Invalid => return LOST,
                Decoded::Frame(ServerFrame::Text(json), length) => {
                    let Some(message) = GatewayMessage::read(json) else { return LOST };
                    self.seq = self.seq.max(message.seq);
                    self.longest_silence = message.longest_silence().unwrap_or(self.longest_silence);
                    (if takes(&message) { None } else { message.heard() }, length, None)
                }
                Decoded::Frame(ServerFrame::Close(code, reason), length) => (Some(closed(code, reason)), length, None),
                Decoded::Frame(ServerFrame::Ping(payload), length) => (None, length, Some(payload.to_vec())),
                Decoded::Frame(ServerFrame::Pong, length) => (None, length, None),
            };
            consume(&mut self.rest, length);
            match pong {
                Some(payload) if self.send(0x8a, &payload).await.is_err() => return LOST,
                _ => return heard,
            }
        }
    }

    /// Acknowledges the login, as the page's JavaScript does: by closing the socket.
    pub(super) async fn acknowledge(&mut self) {
        // If it fails, the page has its login all the same.
        let _ = self.send(0x88, &1000_u16.to_be_bytes()).await;
    }

    /// Sends a masked frame with at most 65,535 bytes.
    async fn send(&mut self, first: u8, payload: &[u8]) -> io::Result<()> {
        let mask: [u8; 4] = rand::random();
        let mut frame = vec![first];
        match u16::try_from(payload.len()) {
            Ok(short @ 0..126) => frame.push(0x80 | short.to_be_bytes()[1]),
            Ok(long) => {
                frame.push(0xfe);
                frame.extend(long.to_be_bytes());
            }
            Err(_) => return Err(io::ErrorKind::InvalidInput.into()),
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.stream.write_all(&frame).await
    }
}

/// What a page hears by a close frame. The gateway writes into its reason when to come back.
fn closed(code: Option<u16>, reason: &[u8]) -> Heard {
    let millis = || std::str::from_utf8(reason).ok()?.strip_prefix("retry_after_ms=")?.parse().ok();
    match code {
        Some(1012 | 1013) => {
            Heard::SentAway { after: Duration::from_millis(millis().unwrap_or_default()), problem: None }
        }
        _ => Heard::Disconnected,
    }
}

/// The status of an HTTP answer with this head.
fn status_of(head: &[u8]) -> Result<u16, PageError> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status = std::str::from_utf8(line).ok().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    status.ok_or_else(|| PageError::Protocol("no answer of an HTTP server".to_owned()))
}

/// A random key of a handshake.
fn base64_key(random: [u8; 16]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(random)
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, net::TcpListener, task::JoinHandle};

    use super::*;
    use crate::{
        plan::WayIn,
        targets::target::{TargetPage, logins_within},
    };

    const OPENED: &str =
        r#"{"type":"opened","scene":"AAAAAAAAAAAAAAAAAAAAAA","key":"k","heartbeat":5,"qr":{"url":"u"}}"#;
    const LOGIN: &str = r#"{"type":"confirmed","seq":2,"grant":"g"}"#;

    fn text(json: &str) -> Vec<u8> {
        [&[0x81, u8::try_from(json.len()).unwrap()], json.as_bytes()].concat()
    }

    /// A page of a gateway that sends these bytes after it has opened a scene, and then says nothing more. Also the request of
    /// its handshake.
    async fn page(sends: Vec<u8>) -> (SocketPage, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = listener.local_addr().unwrap();
        let request = tokio::spawn(async move {
            let (mut page, _) = listener.accept().await.unwrap();
            let mut request = vec![];
            while !request.ends_with(b"\r\n\r\n") {
                page.read_buf(&mut request).await.unwrap();
            }
            page.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await.unwrap();
            page.write_all(&[text(OPENED), sends].concat()).await.unwrap();
            tokio::spawn(async move { while page.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {} });
            String::from_utf8(request).unwrap()
        });
        let seat = Seat { number: 0, source: None, way: WayIn::WebSocket };
        let message = open_message("demo", "s");
        let (page, _) = SocketPage::open(gateway, "https://shop.example", seat, true, &message).await.unwrap();
        (page, request)
    }

    struct OpenPage(SocketPage);

    impl TargetPage for OpenPage {
        async fn hear(&mut self) -> Heard {
            self.0.hear().await
        }
    }

    #[tokio::test]
    async fn a_connection_without_a_sign_of_life_is_dead() {
        let (mut page, request) = page(vec![]).await;
        assert!(request.await.unwrap().starts_with("GET /v1/ws?heartbeat=1 "));
        assert_eq!(page.longest_silence, Duration::from_secs(15));
        page.longest_silence = Duration::from_millis(20);
        assert_eq!(timeout(Duration::from_secs(10), page.hear()).await, Ok(Heard::Disconnected));
    }

    #[tokio::test]
    async fn a_page_hears_a_second_login_after_it_has_acknowledged_the_first() {
        for (logins, more) in [(1, 0), (3, 2)] {
            let (page, _) = page([text(LOGIN).repeat(logins), vec![0x88, 0]].concat()).await;
            let mut page = OpenPage(page);
            assert_eq!(page.hear().await, Heard::Login { grant: Some("g".to_owned()) });
            page.0.acknowledge().await;
            assert_eq!(logins_within(&mut page, Duration::from_secs(60)).await, more);
        }
    }

    #[tokio::test]
    async fn a_page_that_is_sent_away_knows_when_to_come_back() {
        let close = |code: u16, reason: &str| {
            let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
            [&[0x88, u8::try_from(payload.len()).unwrap()], &payload[..]].concat()
        };
        let away = |millis| Heard::SentAway { after: Duration::from_millis(millis), problem: None };
        for (sends, heard) in [
            (close(1012, "retry_after_ms=250"), away(250)),
            (close(1013, "retry_after_ms=soon"), away(0)),
            (close(1000, ""), Heard::Disconnected),
        ] {
            let (mut page, _) = page(sends).await;
            assert_eq!(page.hear().await, heard);
        }
    }
}
