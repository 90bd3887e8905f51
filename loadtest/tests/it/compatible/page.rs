//! The requests of each kind of page, without a browser.

use std::net::SocketAddr;

use base64::{Engine, engine::general_purpose::STANDARD};
use strum::VariantArray;

use super::*;

/// A kind of page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
pub(super) enum Flow {
    PathSocket,
    PathResult,
    ClientIdSocket,
    TypedCode,
    QrOnOpen,
    TicketPolling,
}

impl Flow {
    /// The kinds of pages that use an Official Account.
    pub(super) fn of_official_accounts() -> impl Iterator<Item = Self> {
        Self::VARIANTS.iter().copied().filter(|flow| *flow != Self::ClientIdSocket)
    }

    /// Whether the page finds its scene again after it has lost its connection.
    pub(super) fn can_reconnect(self) -> bool {
        self != Self::QrOnOpen
    }

    /// Whether the page polls, so that it has no connection to lose.
    pub(super) fn polls(self) -> bool {
        matches!(self, Self::PathResult | Self::TicketPolling)
    }
}

/// How a page waits for its login.
enum Waiting {
    Socket(PageSocket),
    Events(ServerEvents),
    Polls,
    /// It has no connection.
    Not,
}

/// A page that waits for its login.
pub(super) struct CompatiblePage {
    flow: Flow,
    visitor: CookieBrowser,
    gateways: [SocketAddr; 2],
    callback: SocketAddr,
    /// How the page identifies its scene: an id that it chose, or a ticket or code that it received.
    id: String,
    pub(super) phone: Phone,
    waiting: Waiting,
}

impl CompatiblePage {
    /// A page that shows nothing yet, and doesn't wait.
    pub(super) fn new(cluster: &Cluster, flow: Flow) -> Self {
        Self {
            flow,
            visitor: CookieBrowser::default(),
            gateways: [cluster.gateway_address(0), cluster.gateway_address(1)],
            callback: cluster.callback_internal(0),
            id: format!("17{:08}", rand::random_range(0..100_000_000)),
            phone: Phone::before(cluster, Shown::Nothing),
            waiting: Waiting::Not,
        }
    }

    /// A page that loads its code from one gateway, and waits at another.
    pub(super) async fn begin(cluster: &Cluster, flow: Flow, shows_at: usize, waits_at: usize) -> Self {
        let mut page = Self::new(cluster, flow);
        match flow {
            // It connects first, and loads its code when its user clicks "sign in".
            Flow::PathSocket => {
                page.connect(waits_at).await;
                page.show(shows_at).await;
            }
            Flow::QrOnOpen => page.connect_on_open(cluster.gateway_on_open(waits_at)).await,
            _ => {
                page.show(shows_at).await;
                page.connect(waits_at).await;
            }
        }
        page
    }

    /// Loads the code from this gateway and shows it.
    pub(super) async fn show(&mut self, at: usize) {
        let gateway = self.gateways[at];
        let id = &self.id;
        self.phone.shown = match self.flow {
            Flow::ClientIdSocket => {
                let url = format!("http://{gateway}/miniapp/getwxacodeunlimit");
                let body = json!({ "scene": id }).to_string();
                let made: Value = self.visitor.post(&url, "application/json", body).await.json().await.unwrap();
                assert_eq!((&made["code"], &made["msg"]), (&json!(200), &json!("ok")));
                let picture = made["data"].as_str().unwrap().split_once(";base64,").unwrap().1;
                Shown::MiniProgram(content(&STANDARD.decode(picture).unwrap()))
            }
            Flow::TypedCode => {
                let made: Value = self.get("/login/code", at).await.json().await.unwrap();
                assert_eq!(made["status"], json!({ "code": 0, "msg": "ok" }));
                self.id = string(&made["result"]["code"]);
                Shown::Code(self.id.clone())
            }
            Flow::TicketPolling => {
                let made: Value = self.get("/createQrCode?sceneStr=login", at).await.json().await.unwrap();
                assert_eq!((&made["code"], &made["data"]["expire_seconds"]), (&json!(200), &json!(3600)));
                self.id = string(&made["data"]["ticket"]);
                Shown::Qr(string(&made["data"]["url"]))
            }
            Flow::PathSocket | Flow::PathResult | Flow::QrOnOpen => {
                let picture = self.get(&format!("/wx/qrcode/{id}"), at).await.text().await.unwrap();
                Shown::Qr(read_drawn(&picture).expect("a phone can read the code"))
            }
        };
    }

    async fn connect_on_open(&mut self, gateway: SocketAddr) {
        let mut socket = self.visitor.connect(&format!("ws://{gateway}/any/path")).await.unwrap();
        let opened = text(&mut socket).await;
        assert_eq!(opened["message_type"], "qrcode_url");
        let picture = reqwest::get(opened["url"].as_str().unwrap()).await.unwrap().text().await.unwrap();
        self.phone.shown = Shown::Qr(read_drawn(&picture).expect("a phone can read the code"));
        self.waiting = Waiting::Socket(socket);
    }

    /// Drops the connection.
    pub(super) fn disconnect(&mut self) {
        self.waiting = Waiting::Not;
    }

    /// Connects (again) to this gateway and waits.
    pub(super) async fn connect(&mut self, at: usize) {
        let gateway = self.gateways[at];
        let id = &self.id;
        let socket = async |path: String| self.visitor.connect(&format!("ws://{gateway}{path}")).await.unwrap();
        self.waiting = match self.flow {
            Flow::PathSocket => Waiting::Socket(socket(format!("/wx/websocket/{id}")).await),
            Flow::ClientIdSocket => Waiting::Socket(socket(format!("/websocket?clientid={id}")).await),
            Flow::TypedCode => {
                let mut events = self.visitor.subscribe(&format!("http://{gateway}/subscribe?id={id}")).await.unwrap();
                let first = events.next().await.unwrap();
                assert_eq!(
                    (first.data.as_str(), first.retry),
                    ("", Some(86_400_000)),
                    "the browser must not reconnect by itself"
                );
                Waiting::Events(events)
            }
            Flow::QrOnOpen => panic!("this page has no scene without its socket"),
            Flow::PathResult | Flow::TicketPolling => Waiting::Polls,
        };
    }

    /// Waits for the login. A page that polls asks this gateway. Answers the user's name and the grant, as far as this
    /// kind of page receives them.
    pub(super) async fn logged_in(&mut self, polls_at: usize) -> (Option<String>, Option<String>) {
        within("the page is logged in", async { self.wait_for_login(polls_at).await }).await
    }

    async fn wait_for_login(&mut self, polls_at: usize) -> (Option<String>, Option<String>) {
        let found = |name: &Value, grant: &Value| (Some(string(name)), Some(string(grant)));
        match (&mut self.waiting, self.flow) {
            (Waiting::Events(_), _) => {
                let cookie = self.event_after("login#").await;
                let cookie = cookie.strip_prefix("scenecast_grant=").expect("the cookie is the grant");
                let (grant, attributes) = cookie.split_once("; ").unwrap();
                assert_eq!(attributes, "SameSite=Lax; Path=/; Max-Age=120");
                (None, Some(grant.to_owned()))
            }
            (Waiting::Socket(socket), Flow::PathSocket) => match socket.next_message().await {
                SocketMessage::Text(name) => (Some(name), None),
                other => panic!("instead of a name: {other:?}"),
            },
            (Waiting::Socket(socket), Flow::QrOnOpen) => {
                let login = text(socket).await;
                assert_eq!(login["message_type"], "scan_success");
                (Some(string(&login["user"])), None)
            }
            (Waiting::Socket(socket), _) => {
                let login = text(socket).await;
                found(&login["nickname"], &login["openid"])
            }
            (Waiting::Polls, Flow::PathResult) => {
                let login = poll(async || {
                    let answer = self.get(&format!("/wx/result/{}", self.id), polls_at).await;
                    answer.json::<Value>().await.ok()
                })
                .await;
                assert_eq!((&login["state"], &login["equipmentType"]), (&json!(1), &json!(self.id)));
                found(&login["nickname"], &login["phoneIme"])
            }
            (Waiting::Polls, _) => {
                let login = self.poll_ticket(polls_at).await;
                let open_id = &login["data"]["openId"];
                assert_eq!(login["code"], 200, "{login}");
                let user = self.get(&format!("/getWxUserInfo?openId={}", string(open_id)), polls_at).await;
                let user: Value = user.json().await.unwrap();
                assert_eq!((&user["subscribe"], &user["openid"]), (&json!(1), open_id));
                found(&user["nickname"], open_id)
            }
            (Waiting::Not, _) => panic!("the page isn't waiting"),
        }
    }

    /// Polls once with the ticket.
    pub(super) async fn ask_ticket(&self, at: usize) -> Value {
        let ticket: String = url::form_urlencoded::byte_serialize(self.id.as_bytes()).collect();
        self.get(&format!("/wxLogin?ticket={ticket}"), at).await.json().await.unwrap()
    }

    /// Polls with the ticket until somebody has scanned.
    pub(super) async fn poll_ticket(&self, at: usize) -> Value {
        poll(async || Some(self.ask_ticket(at).await).filter(|answer| answer["code"] != 10024)).await
    }

    /// How the page identifies its scene.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Waits until the page shows a new code in place of its invalid one.
    pub(super) async fn refresh(&mut self) {
        let code = within("there is another code", async { self.event_after("refresh#").await }).await;
        self.phone.shown = Shown::Code(code);
    }

    /// The rest of the next event that begins with `word`.
    async fn event_after(&mut self, word: &str) -> String {
        let Waiting::Events(events) = &mut self.waiting else { panic!("no events are waited for") };
        loop {
            let event = events.next().await.expect("the stream goes on");
            if let Some(rest) = event.data.strip_prefix(word) {
                return rest.to_owned();
            }
        }
    }

    /// The next message on the page's socket.
    pub(super) async fn next_message(&mut self) -> SocketMessage {
        let Waiting::Socket(socket) = &mut self.waiting else { panic!("it has no socket") };
        within("a message", socket.next_message()).await
    }

    /// Redeems this page's grant as the site's backend does.
    pub(super) async fn redeem(&self, grant: &str) -> Value {
        let key = if self.flow == Flow::ClientIdSocket { MINI_API_KEY } else { API_KEY };
        let url = format!("http://{}/v1/redeem", self.callback);
        let body = json!({ "grant": grant });
        let response = reqwest::Client::new().post(url).bearer_auth(key).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    async fn get(&self, path: &str, at: usize) -> reqwest::Response {
        self.visitor.get(&format!("http://{}{path}", self.gateways[at])).await
    }
}

fn content(picture: &[u8]) -> String {
    read_code(picture).expect("a phone can read the code")
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

async fn text(socket: &mut PageSocket) -> Value {
    match socket.next_message().await {
        SocketMessage::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("instead of a text: {other:?}"),
    }
}

/// Repeats a request until it has a result.
async fn poll<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
