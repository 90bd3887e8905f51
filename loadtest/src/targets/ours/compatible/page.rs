//! A page of any of the compatible kinds: it opens, waits, and comes back by its cookie.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use scenecast_browsers::raw_websocket::{FIN, PONG, frame_of};
use scenecast_service::config::defaults;
use scenecast_simulator::{read_code, read_drawn};
use serde_json::json;
use tokio::{io::AsyncWriteExt, time::sleep_until};
use url::Url;

use super::{
    browser::{BareBrowser, BareConnection},
    said::{self, heard},
};
use crate::{
    crowd::ReadyPods,
    plan::WayIn,
    targets::{
        ours::{
            frames::{Decoded, ServerFrame, decode},
            http_answer::{take_chunks, take_event},
            page_frame::broken,
            phone::PhoneInput,
            read_buffer::{consume, read_more},
        },
        target::{Heard, PageError, Seat},
    },
};

/// How often a page polls with its ticket.
const POLLS_EVERY: Duration = Duration::from_secs(1);
/// The pause before a page asks for the grant of its login again. It asks for as long as the grant lives.
const GRANT_RETRY: Duration = Duration::from_secs(1);
const CLOSE: u8 = FIN | 8;

/// A page of a compatible route.
#[derive(Debug)]
pub(crate) struct BareCompatiblePage {
    way: WayIn,
    browser: BareBrowser,
    connection: BareConnection,
    /// The id that it chose, or the ticket or code that it got.
    id: Box<str>,
    /// The text of a stream that is not read yet.
    text: Vec<u8>,
    polls: PollState,
}

/// What a page that polls does now.
#[derive(Debug, Clone, Copy)]
enum PollState {
    /// It waits until this instant.
    Until(Instant),
    /// It has asked.
    Asked,
}

impl BareCompatiblePage {
    /// Opens a page at this gateway, or at its listener `on_open`. Answers also what a person does with its code.
    pub(crate) async fn open(
        gateway: SocketAddr,
        on_open: Option<SocketAddr>,
        origin: &str,
        seat: Seat,
    ) -> Result<(Self, PhoneInput), PageError> {
        let mut browser = BareBrowser::new(seat.source, seat.browser(), origin);
        // As the pages choose it, but no two pages of a run share one.
        let chosen = format!("17{:011}", seat.number % 100_000_000_000);
        let (connection, id, input) = match seat.way {
            WayIn::ClientIdSocket => {
                let socket = browser.open_socket(gateway, &format!("/websocket?clientid={chosen}")).await?;
                let body = json!({ "scene": chosen }).to_string();
                let mut posts = browser.connect(gateway).await?;
                let (_, made) = browser.post(&mut posts, "/miniapp/getwxacodeunlimit", &body).await?;
                (socket, chosen, PhoneInput::MiniProgram(content_of_picture(&made)?))
            }
            WayIn::TypedCode => {
                let mut connection = browser.connect(gateway).await?;
                let (_, made) = browser.get(&mut connection, "/login/code").await?;
                let code = field(&made, "/result/code", "/status/msg")?;
                browser.open_events(&mut connection, &format!("/subscribe?id={code}")).await?;
                (connection, code.clone(), PhoneInput::Text(code.into()))
            }
            WayIn::QrOnOpen => {
                let mut socket = browser.open_socket(on_open.unwrap_or(gateway), "/").await?;
                let url = first_text(&mut socket).await?;
                let picture = picture_at(&mut browser, &url).await?;
                (socket, chosen, PhoneInput::Scan(drawn(&picture)?))
            }
            WayIn::TicketPolling => {
                let mut connection = browser.connect(gateway).await?;
                let (_, made) = browser.get(&mut connection, "/createQrCode?sceneStr=login").await?;
                let ticket = field(&made, "/data/ticket", "/msg")?;
                (connection, ticket, PhoneInput::Scan(field(&made, "/data/url", "/msg")?.into()))
            }
            WayIn::PathSocket | WayIn::WebSocket | WayIn::Sse | WayIn::Poll => {
                let socket = browser.open_socket(gateway, &format!("/wx/websocket/{chosen}")).await?;
                let mut pictures = browser.connect(gateway).await?;
                let (_, picture) = browser.get(&mut pictures, &format!("/wx/qrcode/{chosen}")).await?;
                (socket, chosen, PhoneInput::Scan(drawn(&picture)?))
            }
        };
        let polls = PollState::Until(Instant::now() + POLLS_EVERY);
        Ok((Self { way: seat.way, browser, connection, id: id.into(), text: vec![], polls }, input))
    }

    /// Connects again at this gateway, by its cookie.
    pub(crate) async fn resume(&mut self, gateway: SocketAddr) -> Result<(), PageError> {
        let id = &self.id;
        self.text = vec![];
        self.polls = PollState::Until(Instant::now());
        self.connection = match self.way {
            WayIn::ClientIdSocket => self.browser.open_socket(gateway, &format!("/websocket?clientid={id}")).await?,
            WayIn::TypedCode => {
                let mut connection = self.browser.connect(gateway).await?;
                self.browser.open_events(&mut connection, &format!("/subscribe?id={id}")).await?;
                connection
            }
            WayIn::TicketPolling => self.browser.connect(gateway).await?,
            // Its scene is its socket.
            WayIn::QrOnOpen => return Err(PageError::Refused("scene_over".to_owned())),
            WayIn::PathSocket | WayIn::WebSocket | WayIn::Sse | WayIn::Poll => {
                self.browser.open_socket(gateway, &format!("/wx/websocket/{id}")).await?
            }
        };
        Ok(())
    }

    /// Waits for what comes next. It may be dropped at any moment.
    pub(crate) async fn hear(&mut self) -> Heard {
        let heard = match self.way {
            WayIn::TypedCode => self.hear_events().await,
            WayIn::TicketPolling => self.hear_polls().await,
            _ => self.hear_socket().await,
        };
        match (heard, self.way) {
            // Nobody may log in by a code whose page can't hear of it.
            (Ok(Heard::Disconnected | Heard::SentAway { .. }) | Err(_), WayIn::QrOnOpen) => {
                Heard::Over { code: "its socket ended".to_owned() }
            }
            // It has to ask for its grant by its cookie.
            (Ok(Heard::Login { grant: Some(id) }), WayIn::PathSocket) => {
                Heard::Login { grant: Some(format!("{id}\n{}", self.browser.cookies())) }
            }
            (Ok(heard), _) => heard,
            (Err(_), _) => Heard::Disconnected,
        }
    }

    /// Whether it has nothing to listen to after its login: it would ask, and has its answer.
    pub(crate) fn asks_no_more(&self) -> bool {
        self.way == WayIn::TicketPolling
    }

    async fn hear_socket(&mut self) -> Result<Heard, PageError> {
        loop {
            match next_frame(&mut self.connection).await? {
                SocketText::Text(text) => {
                    if let Some(heard) = heard(self.way, &self.id, &text) {
                        return Ok(heard);
                    }
                }
                // Nobody can log in any more.
                SocketText::Closed(Some(1000)) => return Ok(Heard::Over { code: "expired".to_owned() }),
                SocketText::Closed(Some(1012)) => return Ok(sent_away(None)),
                SocketText::Closed(Some(1013)) => return Ok(sent_away(Some("closed with 1013"))),
                SocketText::Closed(_) => return Ok(Heard::Disconnected),
            }
        }
    }

    async fn hear_events(&mut self) -> Result<Heard, PageError> {
        loop {
            while let Some(data) = take_event(&mut self.text) {
                if let Some(heard) = heard(self.way, &self.id, &String::from_utf8_lossy(&data)) {
                    return Ok(heard);
                }
            }
            let known = self.text.len();
            let chunks = take_chunks(&mut self.connection.rest, &mut self.text);
            let has_ended = chunks.map_err(|error| PageError::Protocol(error.to_string()))?;
            if self.text.len() > known {
                continue;
            }
            let BareConnection { stream, rest } = &mut self.connection;
            if has_ended {
                return Ok(sent_away(None));
            }
            if !read_more(stream, rest).await.map_err(broken)? {
                return Ok(Heard::Disconnected);
            }
        }
    }

    async fn hear_polls(&mut self) -> Result<Heard, PageError> {
        loop {
            if let PollState::Until(at) = self.polls {
                sleep_until(at.into()).await;
                let ticket: String = url::form_urlencoded::byte_serialize(self.id.as_bytes()).collect();
                self.polls = PollState::Asked;
                self.browser.ask(&mut self.connection, &format!("/wxLogin?ticket={ticket}")).await?;
            }
            let (_, answer) = self.browser.answer(&mut self.connection).await?;
            self.polls = PollState::Until(Instant::now() + POLLS_EVERY);
            if let Some(heard) = heard(self.way, &self.id, &String::from_utf8_lossy(&answer)) {
                return Ok(heard);
            }
        }
    }

    /// Answers the close frame that follows a login, so that it counts as handed over.
    pub(crate) async fn close(mut self) {
        if !matches!(self.way, WayIn::TypedCode | WayIn::TicketPolling) {
            // If it fails, the page has its login all the same.
            let _ = self.connection.stream.write_all(&frame_of(CLOSE, &1000_u16.to_be_bytes())).await;
        }
    }

    /// The grant of a page that learns only a name on its path socket: it asks any gateway for its result, by its cookie.
    pub(crate) async fn grant_of_path(gateways: &ReadyPods, origin: &str, seat: Seat, heard: &str) -> Option<String> {
        let (id, cookies) = heard.split_once('\n')?;
        let mut browser = BareBrowser::new(seat.source, seat.browser(), origin).with_cookies(cookies);
        let began = Instant::now();
        while began.elapsed() < defaults::grant_life().duration() {
            // While a gateway is replaced there may be none.
            if let Some(gateway) = gateways.nth(seat.number)
                && let Ok(mut connection) = browser.connect(gateway).await
                && let Ok((200, answer)) = browser.get(&mut connection, &format!("/wx/result/{id}")).await
            {
                return said::json(&String::from_utf8_lossy(&answer))["phoneIme"].as_str().map(str::to_owned);
            }
            tokio::time::sleep(GRANT_RETRY).await;
        }
        None
    }
}

/// The gateway wants the page to come back, and says nothing of when.
fn sent_away(problem: Option<&str>) -> Heard {
    Heard::SentAway { after: Duration::ZERO, problem: problem.map(str::to_owned) }
}

/// What comes on a page's socket.
enum SocketText {
    Text(String),
    Closed(Option<u16>),
}

/// The next text or close. Answers pings itself. It may be dropped at any moment.
async fn next_frame(connection: &mut BareConnection) -> Result<SocketText, PageError> {
    loop {
        let BareConnection { stream, rest } = connection;
        let (said, length, pong) = match decode(rest) {
            Decoded::Frame(ServerFrame::Text(text), length) => {
                (Some(SocketText::Text(String::from_utf8_lossy(text).into_owned())), length, None)
            }
            Decoded::Frame(ServerFrame::Close(code, _), length) => (Some(SocketText::Closed(code)), length, None),
            Decoded::Frame(ServerFrame::Ping(payload), length) => (None, length, Some(frame_of(FIN | PONG, payload))),
            Decoded::Frame(ServerFrame::Pong, length) => (None, length, None),
            Decoded::Invalid => return Err(PageError::Protocol("no frame of a gateway".to_owned())),
            Decoded::Incomplete => {
                if read_more(stream, rest).await.map_err(broken)? {
                    continue;
                }
                return Err(PageError::Connection("closed".to_owned()));
            }
        };
        consume(rest, length);
        if let Some(pong) = pong {
            stream.write_all(&pong).await.map_err(broken)?;
        }
        if let Some(said) = said {
            return Ok(said);
        }
    }
}

/// The address of the picture that a page gets on open.
async fn first_text(socket: &mut BareConnection) -> Result<String, PageError> {
    match next_frame(socket).await? {
        SocketText::Text(text) => field(text.as_bytes(), "/url", "/message_type"),
        SocketText::Closed(code) => Err(PageError::Refused(format!("closed with {}", code.unwrap_or_default()))),
    }
}

/// Loads a picture from WeChat.
async fn picture_at(browser: &mut BareBrowser, url: &str) -> Result<Vec<u8>, PageError> {
    let no_address = || PageError::Protocol("no address of a picture".to_owned());
    let url = Url::parse(url).map_err(|_| no_address())?;
    let host = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse().ok()).ok_or_else(no_address)?;
    let server = SocketAddr::new(host, url.port_or_known_default().ok_or_else(no_address)?);
    let mut connection = browser.connect(server).await?;
    let (_, picture) = browser.get(&mut connection, &url[url::Position::BeforePath..url::Position::AfterQuery]).await?;
    Ok(picture)
}

/// The content of a code that is drawn as an SVG.
fn drawn(svg: &[u8]) -> Result<Box<str>, PageError> {
    let content = read_drawn(&String::from_utf8_lossy(svg));
    content.map(Into::into).ok_or_else(|| PageError::Refused("no picture of a code".to_owned()))
}

/// The content of the code in this answer, whose picture is in a data URL.
fn content_of_picture(answer: &[u8]) -> Result<Box<str>, PageError> {
    let data = field(answer, "/data", "/msg")?;
    let picture = data.split_once(";base64,").and_then(|(_, picture)| STANDARD.decode(picture).ok());
    let content = picture.and_then(|picture| read_code(&picture));
    content.map(Into::into).ok_or_else(|| PageError::Refused("no picture of a code".to_owned()))
}

/// The text at this place of a JSON answer. Without it, the one at `why` says why.
fn field(answer: &[u8], place: &str, why: &str) -> Result<String, PageError> {
    let answer = said::json(&String::from_utf8_lossy(answer));
    let text = |place| answer.pointer(place).and_then(|text| text.as_str()).filter(|text| !text.is_empty());
    match (text(place), text(why)) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, Some(why)) => Err(PageError::Refused(why.to_owned())),
        (None, None) => Err(PageError::Protocol("no answer of a compatible route".to_owned())),
    }
}
