//! One page of each kind, as far as its server sees it.

use std::net::SocketAddr;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::*;

/// A kind of page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    PathSocket,
    PathResult,
    ClientIdSocket,
    TypedCode,
    QrOnOpen,
    TicketPolling,
}

impl Flow {
    pub(super) const ALL: [Self; 6] = [
        Self::PathSocket,
        Self::PathResult,
        Self::ClientIdSocket,
        Self::TypedCode,
        Self::QrOnOpen,
        Self::TicketPolling,
    ];

    /// Those whose phones write to an Official Account.
    pub(super) fn of_official_accounts() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|flow| *flow != Self::ClientIdSocket)
    }

    /// Whether its page finds its scene again when its connection has ended.
    pub(super) fn comes_back(self) -> bool {
        self != Self::QrOnOpen
    }

    /// Whether its page has no connection to lose.
    pub(super) fn polls(self) -> bool {
        matches!(self, Self::PathResult | Self::TicketPolling)
    }
}

/// How a page waits.
enum Waits {
    Socket(Socket),
    Events(Events),
    Polls,
    /// It lost its connection.
    Not,
}

/// A page that waits for its login.
pub(super) struct Page {
    flow: Flow,
    visitor: Visitor,
    gateways: [SocketAddr; 2],
    callback: SocketAddr,
    /// What it names its scene by: the id that it chose, or the ticket or code that it was given.
    id: String,
    pub(super) phone: Phone,
    waits: Waits,
}

impl Page {
    /// One that shows nothing, and doesn't wait yet.
    pub(super) fn new(cluster: &Cluster, flow: Flow) -> Self {
        Self {
            flow,
            visitor: Visitor::default(),
            gateways: [cluster.gateway_address(0), cluster.gateway_address(1)],
            callback: cluster.callback_internal(0),
            id: format!("17{:08}", rand::random_range(0..100_000_000)),
            phone: Phone::before(cluster, Shown::Nothing),
            waits: Waits::Not,
        }
    }

    /// Shows what this gateway answers, and waits at that one.
    pub(super) async fn begin(cluster: &Cluster, flow: Flow, shows_at: usize, waits_at: usize) -> Self {
        let mut page = Self::new(cluster, flow);
        match flow {
            // It connects, and shows its code when somebody wants to sign in.
            Flow::PathSocket => {
                page.come_back(waits_at).await;
                page.show(shows_at).await;
            }
            Flow::QrOnOpen => page.connect_for_a_code(cluster.gateway_on_open(waits_at)).await,
            _ => {
                page.show(shows_at).await;
                page.come_back(waits_at).await;
            }
        }
        page
    }

    /// Shows what this gateway answers.
    pub(super) async fn show(&mut self, at: usize) {
        let (gateway, id) = (self.gateways[at], &self.id);
        self.phone.shown = match self.flow {
            Flow::ClientIdSocket => {
                let url = format!("http://{gateway}/miniapp/getwxacodeunlimit");
                let body = json!({ "scene": id }).to_string();
                let made: Value = self.visitor.post(&url, "application/json", body).await.json().await.unwrap();
                assert_eq!((&made["code"], &made["msg"]), (&json!(200), &json!("ok")));
                let picture = made["data"].as_str().unwrap().split_once(";base64,").unwrap().1;
                Shown::MiniProgram(says(&STANDARD.decode(picture).unwrap()))
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

    async fn connect_for_a_code(&mut self, gateway: SocketAddr) {
        let mut socket = self.visitor.connect(&format!("ws://{gateway}/any/path")).await.unwrap();
        let opened = text(&mut socket).await;
        assert_eq!(opened["message_type"], "qrcode_url");
        let picture = reqwest::get(opened["url"].as_str().unwrap()).await.unwrap().text().await.unwrap();
        self.phone.shown = Shown::Qr(read_drawn(&picture).expect("a phone can read the code"));
        self.waits = Waits::Socket(socket);
    }

    /// Loses its connection.
    pub(super) fn cut_off(&mut self) {
        self.waits = Waits::Not;
    }

    /// Waits (again) at this gateway.
    pub(super) async fn come_back(&mut self, at: usize) {
        let (gateway, id) = (self.gateways[at], &self.id);
        let socket = async |path: String| self.visitor.connect(&format!("ws://{gateway}{path}")).await.unwrap();
        self.waits = match self.flow {
            Flow::PathSocket => Waits::Socket(socket(format!("/wx/websocket/{id}")).await),
            Flow::ClientIdSocket => Waits::Socket(socket(format!("/websocket?clientid={id}")).await),
            Flow::TypedCode => {
                let mut events = self.visitor.subscribe(&format!("http://{gateway}/subscribe?id={id}")).await.unwrap();
                let first = events.next().await.unwrap();
                assert_eq!(
                    (first.data.as_str(), first.retry),
                    ("", Some(86_400_000)),
                    "no browser is to come by itself"
                );
                Waits::Events(events)
            }
            Flow::QrOnOpen => panic!("its socket is its scene"),
            Flow::PathResult | Flow::TicketPolling => Waits::Polls,
        };
    }

    /// Waits until it is told of a login, asking this gateway where it has to; answers the name, and the
    /// grant, as far as its page gets them.
    pub(super) async fn told(&mut self, polls_at: usize) -> (Option<String>, Option<String>) {
        within("the page is told", async { self.listen(polls_at).await }).await
    }

    async fn listen(&mut self, polls_at: usize) -> (Option<String>, Option<String>) {
        let found = |name: &Value, grant: &Value| (Some(string(name)), Some(string(grant)));
        if self.flow == Flow::TypedCode {
            return (
                None,
                Some(self.hear_of("login#").await.strip_prefix("scenecast_grant=").map_or_else(
                    || panic!("no grant"),
                    |cookie| {
                        let (grant, attributes) = cookie.split_once("; ").unwrap();
                        assert_eq!(attributes, "Path=/; Max-Age=120; SameSite=Lax");
                        grant.to_owned()
                    },
                )),
            );
        }
        match (&mut self.waits, self.flow) {
            (Waits::Socket(socket), Flow::PathSocket) => match socket.hear().await {
                Said::Text(name) => (Some(name), None),
                other => panic!("instead of a name: {other:?}"),
            },
            (Waits::Socket(socket), Flow::QrOnOpen) => {
                let told = text(socket).await;
                assert_eq!(told["message_type"], "scan_success");
                (Some(string(&told["user"])), None)
            }
            (Waits::Socket(socket), _) => {
                let told = text(socket).await;
                found(&told["nickname"], &told["openid"])
            }
            (Waits::Polls, Flow::PathResult) => {
                let told = poll(async || {
                    let answer = self.get(&format!("/wx/result/{}", self.id), polls_at).await;
                    answer.json::<Value>().await.ok()
                })
                .await;
                assert_eq!((&told["state"], &told["equipmentType"]), (&json!(1), &json!(self.id)));
                found(&told["nickname"], &told["phoneIme"])
            }
            (Waits::Polls, _) => {
                let told = self.poll_ticket(polls_at).await;
                let open_id = &told["data"]["openId"];
                assert_eq!(told["code"], 200, "{told}");
                let user = self.get(&format!("/getWxUserInfo?openId={}", string(open_id)), polls_at).await;
                let user: Value = user.json().await.unwrap();
                assert_eq!((&user["subscribe"], &user["openid"]), (&json!(1), open_id));
                found(&user["nickname"], open_id)
            }
            (Waits::Events(_) | Waits::Not, _) => panic!("nothing is waited for"),
        }
    }

    /// What is answered to its ticket.
    pub(super) async fn ask_ticket(&self, at: usize) -> Value {
        let ticket: String = url::form_urlencoded::byte_serialize(self.id.as_bytes()).collect();
        self.get(&format!("/wxLogin?ticket={ticket}"), at).await.json().await.unwrap()
    }

    /// What is answered to its ticket once somebody has scanned.
    pub(super) async fn poll_ticket(&self, at: usize) -> Value {
        poll(async || Some(self.ask_ticket(at).await).filter(|told| told["code"] != 10024)).await
    }

    /// What it names its scene by.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Waits until it shows another code than the one that is of no use any more.
    pub(super) async fn refresh(&mut self) {
        let code = within("there is another code", async { self.hear_of("refresh#").await }).await;
        self.phone.shown = Shown::Code(code);
    }

    /// What comes after `word` in the next frame that has it.
    async fn hear_of(&mut self, word: &str) -> String {
        let Waits::Events(events) = &mut self.waits else { panic!("no events are waited for") };
        loop {
            let event = events.next().await.expect("the stream goes on");
            if let Some(rest) = event.data.strip_prefix(word) {
                return rest.to_owned();
            }
        }
    }

    /// What its socket hears next.
    pub(super) async fn hear(&mut self) -> Said {
        let Waits::Socket(socket) = &mut self.waits else { panic!("it has no socket") };
        within("something is said", socket.hear()).await
    }

    /// What the site's backend gets for this page's grant.
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

fn says(picture: &[u8]) -> String {
    read_code(picture).expect("a phone can read the code")
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

async fn text(socket: &mut Socket) -> Value {
    match socket.hear().await {
        Said::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("instead of a text: {other:?}"),
    }
}

/// Asks until there is an answer.
async fn poll<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
