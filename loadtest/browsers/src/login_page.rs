//! The WebSocket connection of a login page, without the page.

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

/// A frame from a gateway. Fields that the frame doesn't contain are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PageFrame {
    /// `opened`, `resumed`, `scanned`, `confirmed`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of the scene.
    pub scene: String,
    /// The page's key for the scene.
    pub key: String,
    /// The remaining life of the scene, in seconds.
    pub expires_in: u64,
    /// How often the gateway sends a heartbeat, in seconds; 0 if it sends none.
    pub heartbeat: u64,
    /// The QR code to show, if the account uses QR codes.
    pub qr: PageQr,
    /// The mini-program code to show, if the account uses those. Without either, the user types the digits in `code`.
    pub mini_program: PageMiniProgramCode,
    /// The state of a resumed scene.
    pub state: String,
    /// The sequence number of the event.
    pub seq: u64,
    /// The name of the user who scanned.
    pub name: String,
    /// The avatar of the user who scanned.
    pub avatar: String,
    /// The number that the user has to pick on the phone; 0 if there is none.
    pub number: u8,
    /// The grant that the site's backend redeems.
    pub grant: String,
    /// Whether the code was typed, so that the page has to ask its user before it goes on.
    pub typed: bool,
    /// The code of a problem, or the digits of an `opened` scene.
    pub code: String,
    /// After a problem: when to reconnect, in seconds.
    pub retry_after: u64,
    /// After a `restart`: when to reconnect, in milliseconds.
    pub retry_after_ms: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PageQr {
    /// The content of the code.
    pub url: String,
    /// The picture of the code.
    pub svg: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PageMiniProgramCode {
    /// The picture of the code, as a `data:` URL.
    pub image: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageMessage {
    Frame(Box<PageFrame>),
    /// The gateway closed the connection, with this code and reason.
    Closed(u16, String),
    Broken,
}

/// The connection of a login page.
pub struct LoginPage {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl LoginPage {
    /// Connects to a gateway's public address as a page of this origin. Sends no frame yet.
    pub async fn connect(gateway: &str, origin: &str) -> Result<Self, tungstenite::Error> {
        Self::connect_for(Ipv4Addr::LOCALHOST.into(), gateway, origin).await
    }

    /// Connects like an ingress that forwards a browser with this address.
    pub async fn connect_for(browser: IpAddr, gateway: &str, origin: &str) -> Result<Self, tungstenite::Error> {
        Self::connect_to(&format!("ws://{gateway}/v1/ws"), browser, origin).await
    }

    /// Connects as a page that gets heartbeats.
    pub async fn connect_with_heartbeats(gateway: &str, origin: &str) -> Result<Self, tungstenite::Error> {
        Self::connect_to(&format!("ws://{gateway}/v1/ws?heartbeat=1"), Ipv4Addr::LOCALHOST.into(), origin).await
    }

    /// Connects to the address of a gateway's WebSocket, like an ingress that forwards a browser with this address.
    pub async fn connect_to(url: &str, browser: IpAddr, origin: &str) -> Result<Self, tungstenite::Error> {
        let mut request = url.into_client_request()?;
        let headers = request.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("scenecast.v1"));
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin)?);
        headers.insert("x-forwarded-for", HeaderValue::from_str(&browser.to_string())?);
        // A load test holds thousands of connections, so each gets small buffers.
        let buffers = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
        let (socket, _) = connect_async_with_config(request, Some(buffers), true).await?;
        Ok(Self { socket })
    }

    /// Opens a scene. If there is a `state`, the grant is bound to it.
    pub async fn open(&mut self, account: &str, state: Option<&str>) -> Result<(), tungstenite::Error> {
        self.send_text(&json!({ "open": { "account": account, "state": state } }).to_string()).await
    }

    /// Resumes a scene after the event with this `seq`.
    pub async fn resume(&mut self, key: &str, after: u64) -> Result<(), tungstenite::Error> {
        self.send_text(&json!({ "resume": { "key": key, "after": after } }).to_string()).await
    }

    pub async fn send_text(&mut self, text: &str) -> Result<(), tungstenite::Error> {
        self.send(Message::text(text)).await
    }

    pub async fn send(&mut self, message: Message) -> Result<(), tungstenite::Error> {
        self.socket.send(message).await
    }

    /// Waits for the next message. Answers pings meanwhile. Acknowledges a login, as the page's JavaScript does, by
    /// closing the socket.
    pub async fn next_message(&mut self) -> PageMessage {
        let message = self.receive().await;
        if let PageMessage::Frame(frame) = &message
            && frame.kind == "confirmed"
        {
            // If it fails, the page has its login all the same.
            let _ = self.socket.close(None).await;
        }
        message
    }

    async fn receive(&mut self) -> PageMessage {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text)
                        .map_or(PageMessage::Broken, |frame| PageMessage::Frame(Box::new(frame)));
                }
                Some(Ok(Message::Close(frame))) => {
                    let CloseFrame { code, reason } =
                        frame.unwrap_or(CloseFrame { code: 1005.into(), reason: "".into() });
                    return PageMessage::Closed(code.into(), reason.to_string());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return PageMessage::Broken,
            }
        }
    }
}
