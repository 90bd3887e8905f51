//! A virtual browser: a login page's connection without the page.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderValue, header},
        protocol::{CloseFrame, WebSocketConfig},
    },
};

/// What a gateway tells a page; fields that a frame doesn't have are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Frame {
    /// `opened`, `resumed`, `scanned`, `confirmed`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The scene.
    pub scene: String,
    /// The page's key for it.
    pub key: String,
    /// What is left of its life, in seconds.
    pub expires_in: u64,
    /// The QR code to show, …
    pub qr: Qr,
    /// … or the mini-program code; where it is neither, the digits in `code` are to be typed.
    pub mini_program: MiniProgram,
    /// Where a resumed scene stands.
    pub state: String,
    /// The event's place among the scene's.
    pub seq: u64,
    /// Who is shown.
    pub name: String,
    /// How they are shown.
    pub avatar: String,
    /// What the page shows for the phone to pick; 0 if nothing.
    pub number: u8,
    /// What the site's backend redeems.
    pub grant: String,
    /// Whether the page has to ask before it goes on, because its code was typed.
    pub typed: bool,
    /// What a problem is, or an `opened` scene's digits.
    pub code: String,
    /// When to come back after a problem, in seconds.
    pub retry_after: u64,
    /// When to come back after a `restart`, in milliseconds.
    pub retry_after_ms: u64,
}

/// A QR code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Qr {
    /// What it says.
    pub url: String,
    /// Its picture.
    pub svg: String,
}

/// A mini-program code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MiniProgram {
    /// Its picture, a `data:` address.
    pub image: String,
}

/// What comes next on a page's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A frame.
    Frame(Box<Frame>),
    /// The gateway closed, with this code and reason.
    Closed(u16, String),
    /// The connection broke.
    Broken,
}

/// A login page's connection.
pub struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Page {
    /// Connects to a gateway's public address as a page of this origin, and says nothing yet.
    pub async fn connect(gateway: &str, origin: &str) -> Result<Self, tungstenite::Error> {
        Self::connect_for(Ipv4Addr::LOCALHOST.into(), gateway, origin).await
    }

    /// The same, as an ingress does for a browser at this address.
    pub async fn connect_for(browser: IpAddr, gateway: &str, origin: &str) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{gateway}/v1/ws").into_client_request()?;
        let headers = request.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("scenecast.v1"));
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin)?);
        headers.insert("x-forwarded-for", HeaderValue::from_str(&browser.to_string())?);
        // There are thousands of them.
        let buffers = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
        let (socket, _) = connect_async_with_config(request, Some(buffers), true).await?;
        Ok(Self { socket })
    }

    /// Opens a scene, bound to `state` if there is one.
    pub async fn open(&mut self, account: &str, state: Option<&str>) -> Result<(), tungstenite::Error> {
        self.say(&json!({ "open": { "account": account, "state": state } }).to_string()).await
    }

    /// Goes on with a scene after the event with this `seq`.
    pub async fn resume(&mut self, key: &str, after: u64) -> Result<(), tungstenite::Error> {
        self.say(&json!({ "resume": { "key": key, "after": after } }).to_string()).await
    }

    /// Sends any text.
    pub async fn say(&mut self, text: &str) -> Result<(), tungstenite::Error> {
        self.send(Message::text(text)).await
    }

    /// Sends anything.
    pub async fn send(&mut self, message: Message) -> Result<(), tungstenite::Error> {
        self.socket.send(message).await
    }

    /// What comes next; pings are answered on the way.
    pub async fn hear(&mut self) -> Heard {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).map_or(Heard::Broken, |frame| Heard::Frame(Box::new(frame)));
                }
                Some(Ok(Message::Close(frame))) => {
                    let CloseFrame { code, reason } =
                        frame.unwrap_or(CloseFrame { code: 1005.into(), reason: "".into() });
                    return Heard::Closed(code.into(), reason.to_string());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Heard::Broken,
            }
        }
    }
}
