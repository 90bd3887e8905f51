//! One page of each kind, as far as its server sees it, and the phone before it.

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

    /// Whether its scene is found by scanning an Official Account's QR code.
    pub(super) fn has_qr_code(self) -> bool {
        !matches!(self, Self::ClientIdSocket | Self::TypedCode)
    }

    /// Whether its page finds its scene again when its connection has ended.
    pub(super) fn comes_back(self) -> bool {
        self != Self::QrOnOpen
    }

    fn account(self, cluster: &Cluster) -> &scenecast_shared::scene::AccountName {
        if self == Self::ClientIdSocket { &cluster.mini_program } else { &cluster.account }
    }
}

/// What a page shows to phones.
#[derive(Debug)]
pub(super) enum Shown {
    /// An Official Account's QR code, which says this.
    Qr(String),
    /// A mini program's code, which says this.
    MiniProgram(String),
    /// A code to type.
    Code(String),
}

/// How a page waits.
enum Waits {
    Socket(Socket),
    Events(Events),
    Polls,
}

/// A page that waits for its login.
pub(super) struct Page {
    flow: Flow,
    visitor: Visitor,
    /// What it names its scene by: the id that it chose, or the ticket that it was given.
    id: String,
    pub(super) shown: Shown,
    waits: Waits,
}

impl Page {
    /// Shows what this gateway answers, and waits at that one.
    pub(super) async fn begin(cluster: &Cluster, flow: Flow, shows_at: usize, waits_at: usize) -> Self {
        let visitor = Visitor::default();
        let id = format!("17{:08}", rand::random_range(0..100_000_000));
        let http = |path: &str| format!("http://{}{path}", cluster.gateway_address(shows_at));
        let (id, shown, waits) = match flow {
            Flow::PathSocket => {
                let waits = wait(cluster, &visitor, flow, &id, waits_at).await;
                let picture = visitor.get(&http(&format!("/wx/qrcode/{id}"))).await.text().await.unwrap();
                (id, Shown::Qr(says(&svg::render(&picture))), waits)
            }
            Flow::PathResult => {
                let picture = visitor.get(&http(&format!("/wx/qrcode/{id}"))).await.text().await.unwrap();
                (id, Shown::Qr(says(&svg::render(&picture))), Waits::Polls)
            }
            Flow::ClientIdSocket => {
                let body = json!({ "scene": id }).to_string();
                let made = visitor.post(&http("/miniapp/getwxacodeunlimit"), "application/json", body).await;
                let made: Value = made.json().await.unwrap();
                assert_eq!((&made["code"], &made["msg"]), (&json!(200), &json!("ok")));
                let picture = made["data"].as_str().unwrap().split_once(";base64,").unwrap().1;
                let shown = Shown::MiniProgram(says(&STANDARD.decode(picture).unwrap()));
                let waits = wait(cluster, &visitor, flow, &id, waits_at).await;
                (id, shown, waits)
            }
            Flow::TypedCode => {
                let made: Value = visitor.get(&http("/login/code")).await.json().await.unwrap();
                assert_eq!(made["status"], json!({ "code": 0, "msg": "ok" }));
                let code = made["result"]["code"].as_str().unwrap().to_owned();
                let waits = wait(cluster, &visitor, flow, &code, waits_at).await;
                (code.clone(), Shown::Code(code), waits)
            }
            Flow::QrOnOpen => {
                let url = format!("ws://{}/any/path", cluster.gateway_on_open(waits_at));
                let mut socket = visitor.connect(&url).await.unwrap();
                let opened = text(&mut socket).await;
                assert_eq!(opened["message_type"], "qrcode_url");
                let picture = reqwest::get(opened["url"].as_str().unwrap()).await.unwrap().text().await.unwrap();
                (id, Shown::Qr(says(&svg::render(&picture))), Waits::Socket(socket))
            }
            Flow::TicketPolling => {
                let made: Value = visitor.get(&http("/createQrCode?sceneStr=login")).await.json().await.unwrap();
                assert_eq!((&made["code"], &made["data"]["expire_seconds"]), (&json!(200), &json!(3600)));
                let field = |name: &str| made["data"][name].as_str().unwrap().to_owned();
                (field("ticket"), Shown::Qr(field("url")), Waits::Polls)
            }
        };
        Self { flow, visitor, id, shown, waits }
    }

    /// Loses its connection, and waits again at this gateway.
    pub(super) async fn come_back(self, cluster: &Cluster, waits_at: usize) -> Self {
        let waits = wait(cluster, &self.visitor, self.flow, &self.id, waits_at).await;
        Self { waits, ..self }
    }

    /// What its phone does to log in; the simulated WeChat's outcome where it is WeChat that is told.
    pub(super) async fn log_in(&self, cluster: &Cluster, who: &Person) -> Result<Option<Outcome>, CannotDo> {
        let simulator = &cluster.simulator;
        match &self.shown {
            Shown::Qr(url) => simulator.scan(who, url).await.map(Some),
            Shown::Code(code) => {
                if !simulator.follows(who, &cluster.account)? {
                    simulator.send(who, &cluster.account, Deed::Follow { event_key: None }).await?;
                }
                simulator.say(who, &cluster.account, code).await.map(Some)
            }
            Shown::MiniProgram(url) => {
                let scene = simulator.scan_code(url)?.scene();
                let js_code = simulator.wx_login(who, &cluster.mini_program)?;
                let body = json!({ "account": "demo-mini", "js_code": js_code, "scene": scene });
                let url = format!("http://{}/v1/miniapp/scan", cluster.callback_public(0));
                let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
                assert_eq!(answer.json::<Value>().await.unwrap()["state"], "confirmed");
                Ok(None)
            }
        }
    }

    /// Waits until it is told of a login; answers the name, and the grant where its page gets one.
    pub(super) async fn told(&mut self, cluster: &Cluster, polls_at: usize) -> (String, Option<String>) {
        within("the page is told", async { self.listen(cluster, polls_at).await }).await
    }

    async fn listen(&mut self, cluster: &Cluster, polls_at: usize) -> (String, Option<String>) {
        let string = |value: &Value| value.as_str().unwrap().to_owned();
        let gateway = cluster.gateway_address(polls_at);
        match (&mut self.waits, self.flow) {
            (Waits::Socket(socket), Flow::PathSocket) => {
                let Said::Text(name) = socket.hear().await else { panic!("no name") };
                (name, None)
            }
            (Waits::Socket(socket), Flow::QrOnOpen) => {
                let told = text(socket).await;
                assert_eq!(told["message_type"], "scan_success");
                (string(&told["user"]), None)
            }
            (Waits::Socket(socket), _) => {
                let told = text(socket).await;
                (string(&told["nickname"]), Some(string(&told["openid"])))
            }
            (Waits::Events(events), _) => loop {
                let event = events.next().await.expect("the stream goes on");
                if let Some(cookie) = event.data.strip_prefix("login#scenecast_grant=") {
                    let (grant, attributes) = cookie.split_once("; ").unwrap();
                    assert_eq!(attributes, "Path=/; Max-Age=60; SameSite=Lax");
                    return (String::new(), Some(grant.to_owned()));
                }
                if let Some(code) = event.data.strip_prefix("refresh#") {
                    self.shown = Shown::Code(code.to_owned());
                }
            },
            (Waits::Polls, Flow::PathResult) => {
                let url = format!("http://{gateway}/wx/result/{}", self.id);
                let told = poll(async || self.visitor.get(&url).await.json::<Value>().await.ok()).await;
                assert_eq!((&told["state"], &told["equipmentType"]), (&json!(1), &json!(self.id)));
                (string(&told["nickname"]), Some(string(&told["phoneIme"])))
            }
            (Waits::Polls, _) => {
                let ticket: String = url::form_urlencoded::byte_serialize(self.id.as_bytes()).collect();
                let url = format!("http://{gateway}/wxLogin?ticket={ticket}");
                let told = poll(async || {
                    let told: Value = self.visitor.get(&url).await.json().await.unwrap();
                    (told["code"] != 10024).then_some(told)
                })
                .await;
                assert_eq!((&told["code"], &told["data"]["state"]), (&json!(200), &json!(1)), "{told}");
                let open_id = string(&told["data"]["openId"]);
                let url = format!("http://{gateway}/getWxUserInfo?openId={open_id}");
                let user: Value = self.visitor.get(&url).await.json().await.unwrap();
                assert_eq!((&user["subscribe"], &user["openid"]), (&json!(1), &json!(open_id)));
                (string(&user["nickname"]), Some(open_id))
            }
        }
    }

    /// What the site's backend gets for this page's grant.
    pub(super) async fn redeem(&self, cluster: &Cluster, grant: &str) -> Value {
        let key = if self.flow == Flow::ClientIdSocket { MINI_API_KEY } else { API_KEY };
        let url = format!("http://{}/v1/redeem", cluster.callback_internal(0));
        let body = json!({ "grant": grant });
        let response = reqwest::Client::new().post(url).bearer_auth(key).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// Who this person is to the account that the page logs in with.
    pub(super) fn openid(&self, cluster: &Cluster, who: &Person) -> String {
        let account = self.flow.account(cluster);
        cluster.simulator.openid(who, account).unwrap().as_str().to_owned()
    }
}

async fn wait(cluster: &Cluster, visitor: &Visitor, flow: Flow, id: &str, at: usize) -> Waits {
    let gateway = cluster.gateway_address(at);
    match flow {
        Flow::PathSocket => Waits::Socket(visitor.connect(&format!("ws://{gateway}/wx/websocket/{id}")).await.unwrap()),
        Flow::ClientIdSocket => {
            Waits::Socket(visitor.connect(&format!("ws://{gateway}/websocket?clientid={id}")).await.unwrap())
        }
        Flow::TypedCode => {
            let mut events = visitor.subscribe(&format!("http://{gateway}/subscribe?id={id}")).await.unwrap();
            let first = events.next().await.unwrap();
            assert_eq!((first.data.as_str(), first.retry), ("", Some(86_400_000)), "no browser comes back by itself");
            Waits::Events(events)
        }
        Flow::QrOnOpen => unreachable!("its socket is its scene"),
        Flow::PathResult | Flow::TicketPolling => Waits::Polls,
    }
}

fn says(picture: &[u8]) -> String {
    read_code(picture).expect("a phone can read the code")
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
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
