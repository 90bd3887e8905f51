//! The trial of `compose.yaml`: its page is served, people log in, and a gateway that dies loses nothing.

use std::process::Output;

use reqwest::{
    Client, StatusCode,
    header::{COOKIE, ORIGIN as ORIGIN_HEADER, SET_COOKIE},
};
use scenecast_browsers::login_page::{LoginPage, PageFrame, PageMessage};
use scenecast_testing::until;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::docker::{docker, docker_ok, root};

const SITE: &str = "127.0.0.1:8080";
const PHONE: &str = "http://127.0.0.1:8083";
const ORIGIN: &str = "http://localhost:8080";
/// The word by which a person confirms.
const YES: &str = "1";

/// The trial as a user starts it, of copies of its files. It ends when this is dropped.
struct Trial {
    files: TempDir,
}

impl Trial {
    async fn start() -> Self {
        let files = TempDir::new().unwrap();
        let from = root().join("deploy/docker");
        for name in ["compose.yaml", "nginx.conf"] {
            let copied = Command::new("cp").arg("-r").arg(from.join(name)).arg(files.path()).status().await.unwrap();
            assert!(copied.success());
        }
        let secrets = Command::new(from.join("make-secrets")).arg(files.path().join("secrets")).status().await.unwrap();
        assert!(secrets.success());
        let trial = Self { files };
        let up = trial.compose(&["up", "--detach", "--no-build"]).await;
        if !up.status.success() {
            let log = trial.compose(&["logs", "--tail=20"]).await;
            panic!("{}\n{}", String::from_utf8_lossy(&up.stderr), String::from_utf8_lossy(&log.stdout));
        }
        trial
    }

    /// The command line of Docker Compose: version 2, or the one before it.
    fn command(&self) -> std::process::Command {
        let version_2 = std::process::Command::new("docker").args(["compose", "version"]).output();
        let (program, first) =
            if version_2.unwrap().status.success() { ("docker", Some("compose")) } else { ("docker-compose", None) };
        let mut command = std::process::Command::new(program);
        command.args(first);
        command.args(["--project-name", "trial", "--file"]).arg(self.files.path().join("compose.yaml"));
        command
    }

    async fn compose(&self, arguments: &[&str]) -> Output {
        let mut command = self.command();
        command.args(arguments);
        Command::from(command).output().await.unwrap()
    }

    /// The container of a service.
    async fn container(&self, service: &str) -> String {
        String::from_utf8(self.compose(&["ps", "--quiet", service]).await.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = self.command().args(["down", "--volumes", "--timeout=1"]).output();
    }
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

async fn frame(page: &mut LoginPage) -> PageFrame {
    match page.next_message().await {
        PageMessage::Frame(frame) => *frame,
        other => panic!("{other:?}"),
    }
}

/// A browser that has loaded the site's page.
struct Visitor {
    cookie: String,
    /// Binds a login to the browser's session.
    state: String,
}

impl Visitor {
    async fn new() -> Self {
        let page = client().get(format!("http://{SITE}/")).send().await.unwrap();
        let cookie = page.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        let config = client().get(format!("http://{SITE}/config.json")).header(COOKIE, &cookie).send().await.unwrap();
        let config: Value = config.json().await.unwrap();
        Self { cookie, state: config["state"].as_str().unwrap().to_owned() }
    }

    /// Gives a grant to the site's backend, as the page does.
    async fn log_in(&self, grant: &str) -> Value {
        let login = client().post(format!("http://{SITE}/session")).header(COOKIE, &self.cookie);
        let login = login.header(ORIGIN_HEADER, format!("http://{SITE}")).json(&json!({ "grant": grant }));
        let answer = login.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }
}

async fn open(visitor: &Visitor) -> (LoginPage, PageFrame) {
    let mut page = LoginPage::connect(SITE, ORIGIN).await.unwrap();
    page.open("demo", Some(&visitor.state)).await.unwrap();
    let opened = frame(&mut page).await;
    assert_eq!(opened.kind, "opened", "{opened:?}");
    (page, opened)
}

/// A form that somebody sends on the simulated phone. Returns what the phone shows then.
async fn on_phone(path: &str, person: &str, text: &str) -> String {
    let sent =
        client().post(format!("{PHONE}{path}")).form(&[("person", person), ("text", text)]).send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::OK, "{path}");
    sent.text().await.unwrap()
}

/// The address of a code is one of the browser's machine.
fn path_of(opened: &PageFrame) -> &str {
    opened.qr.url.strip_prefix("http://localhost:8083").unwrap()
}

#[tokio::test]
async fn people_log_in_and_a_gateway_that_is_killed_loses_nothing() {
    let trial = Trial::start().await;
    until("the page is served", async || {
        let page = client().get(format!("http://{SITE}/")).send().await;
        page.is_ok_and(|page| page.status().is_success())
    })
    .await;
    let page = client().get(format!("http://{SITE}/")).send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert!(page.text().await.unwrap().contains("/login.js"));
    let module = client().get(format!("http://{SITE}/v1/scenecast.js")).send().await.unwrap();
    assert_eq!(module.status(), StatusCode::OK);

    // The proxy gives them to the gateways in turn.
    let people = ["ann", "bo"];
    let visitors = [Visitor::new().await, Visitor::new().await];
    let mut pages = [open(&visitors[0]).await, open(&visitors[1]).await];
    for ((page, opened), person) in pages.iter_mut().zip(people) {
        on_phone(path_of(opened), person, "").await;
        let scanned = frame(page).await;
        assert_eq!(scanned.kind, "scanned", "{scanned:?}");
    }
    docker_ok(&["kill", &trial.container("gateway-a").await]).await;
    let mut resumed = 0;
    for (((mut page, opened), person), visitor) in pages.into_iter().zip(people).zip(visitors) {
        on_phone("/phone/demo/say", person, YES).await;
        let mut message = page.next_message().await;
        if !matches!(&message, PageMessage::Frame(_)) {
            page = LoginPage::connect(SITE, ORIGIN).await.unwrap();
            page.resume(&opened.key, opened.seq).await.unwrap();
            message = page.next_message().await;
            resumed += 1;
        }
        while let PageMessage::Frame(frame) = &message
            && frame.kind != "confirmed"
        {
            message = page.next_message().await;
        }
        let PageMessage::Frame(confirmed) = message else { panic!("{person}: {message:?}") };
        let login = visitor.log_in(&confirmed.grant).await;
        assert_eq!((&login["account"], &login["logins"]), (&"demo".into(), &1.into()), "{person}: {login}");
    }
    assert_eq!(resumed, 1, "one page was held by the gateway that died");
}

#[tokio::test]
async fn secrets_are_new_each_time_and_files_that_are_there_stay() {
    let folder = TempDir::new().unwrap();
    let make = async |name: &str| {
        let made = Command::new(root().join("deploy/docker/make-secrets")).arg(folder.path().join(name)).output().await;
        assert!(made.unwrap().status.success());
        std::fs::read_to_string(folder.path().join(name).join("gateway.toml")).unwrap()
    };
    let (first, again, other) = (make("a").await, make("a").await, make("b").await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    for (image, settings) in [("gateway", "gateway.toml"), ("callback", "callback.toml")] {
        let volume = format!("{}:/settings.toml:ro", folder.path().join("a").join(settings).display());
        let checked = docker(&[
            "run",
            "--rm",
            "--volume",
            &volume,
            &crate::docker::image(image),
            "--config",
            "/settings.toml",
            "check-config",
        ])
        .await;
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}
