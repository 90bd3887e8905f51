//! One Chromium for one test, driven by `WebDriver`. Where it can't go on it panics, which fails the test.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, wd::Capabilities};
pub use fantoccini::{key::Key, wd::WindowHandle};
use serde_json::{Value, json};

/// How long anything that a test waits for may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What somebody looks through.
#[derive(Debug, Clone, Copy)]
pub enum Screen {
    /// 1280 by 800, with a mouse.
    Desktop,
    /// 360 by 740, with a finger.
    Phone,
}

/// A browser, closed when it is dropped.
pub struct Browser {
    client: Client,
    _driver: Driver,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one whose user prefers `language`, such as `en-US`.
    pub async fn start(screen: Screen, language: &str) -> Self {
        Self::start_with(screen, language, "").await
    }

    /// Starts one that finds what `rules` say where they say (`MAP host:port host:port`).
    pub async fn start_with(screen: Screen, language: &str, rules: &str) -> Self {
        let driver = Driver::start();
        let profile = tempfile::tempdir().expect("a directory for the profile");
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities(screen, language, rules, &profile.path().display().to_string()))
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .expect("chromium starts");
        Self { client, _driver: driver, _profile: profile }
    }

    /// Goes to this address; done when its page has loaded.
    pub async fn visit(&self, url: &str) {
        self.client.goto(url).await.expect("the page loads");
    }

    /// Waits until there is such an element, shown.
    pub async fn see(&self, selector: &str) -> Element {
        let element = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        let Ok(element) = element else {
            panic!("{selector} was not seen, but {}", self.run("return document.body.innerText").await);
        };
        assert!(element.is_displayed().await.expect("the page is there"), "{selector} is hidden");
        element
    }

    /// The text of an element that is to be seen.
    pub async fn text(&self, selector: &str) -> String {
        self.see(selector).await.text().await.expect("the page is there")
    }

    /// Waits until an element has this text.
    pub async fn see_text(&self, selector: &str, text: &str) {
        let has = format!(
            "const has = () => document.querySelector('{selector}')?.textContent === '{text}' ? done() : setTimeout(has, 20); has()"
        );
        self.hear(&has).await;
    }

    /// An attribute of an element that is to be seen.
    pub async fn attribute(&self, selector: &str, name: &str) -> String {
        let value = self.see(selector).await.attr(name).await.expect("the page is there");
        value.unwrap_or_else(|| panic!("{selector} has no {name}"))
    }

    /// A picture (PNG) of an element that is to be seen, as somebody's phone would see it.
    pub async fn picture(&self, selector: &str) -> Vec<u8> {
        self.see(selector).await.screenshot().await.expect("what is seen can be pictured")
    }

    /// Clicks an element that is to be seen.
    pub async fn click(&self, selector: &str) {
        self.see(selector).await.click().await.expect("what is seen can be clicked");
    }

    /// Writes into a field that is to be seen.
    pub async fn write(&self, selector: &str, text: &str) {
        self.see(selector).await.send_keys(text).await.expect("what is seen can be written into");
    }

    /// Presses a key on whatever has the focus.
    pub async fn press(&self, key: Key) {
        let focused = self.client.active_element().await.expect("something has the focus");
        focused.send_keys(&char::from(key).to_string()).await.expect("the page is there");
    }

    /// Forgets every cookie of the page's host.
    pub async fn forget_cookies(&self) {
        self.client.delete_all_cookies().await.expect("the page is there");
    }

    /// What a script returns.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.expect("the script runs")
    }

    /// What a script hands to the function `done`, whenever it does.
    pub async fn hear(&self, script: &str) -> Value {
        let script = format!("const done = arguments[0]; {script}");
        let heard = tokio::time::timeout(PATIENCE, self.client.execute_async(&script, Vec::new())).await;
        heard.expect("the page says something in time").expect("the script runs")
    }

    /// Does what opens another window, and goes on in it. Comes back with the one that it was in.
    pub async fn open_window(&self, open: impl Future) -> WindowHandle {
        let here = self.client.window().await.expect("a window");
        let before = self.client.windows().await.expect("windows");
        open.await;
        let after = self.client.windows().await.expect("windows");
        let new = after.into_iter().find(|window| !before.contains(window)).expect("a window was opened");
        self.switch_to(new).await;
        here
    }

    /// Goes on in this window.
    pub async fn switch_to(&self, window: WindowHandle) {
        self.client.switch_to_window(window).await.expect("the window is there");
    }

    /// Puts the window away, until the page knows that nobody sees it.
    pub async fn hide(&self) {
        self.client.minimize_window().await.expect("the window is there");
        self.hear("document.hidden ? done() : document.addEventListener('visibilitychange', () => done())").await;
    }

    /// Takes the window out again.
    pub async fn unhide(&self) {
        self.client.set_window_rect(0, 0, 1280, 800).await.expect("the window is there");
    }
}

fn capabilities(screen: Screen, language: &str, rules: &str, profile: &str) -> Capabilities {
    let mut chromium = json!({
        "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--window-size=1280,800", format!("--lang={language}"), format!("--user-data-dir={profile}"),
            format!("--host-resolver-rules={rules}"),
        ],
        "prefs": { "intl": { "accept_languages": language } },
    });
    if let Screen::Phone = screen {
        let metrics = json!({ "width": 360, "height": 740, "pixelRatio": 2, "touch": true });
        chromium["mobileEmulation"] = json!({ "deviceMetrics": metrics });
    }
    let script_timeout = u64::try_from(PATIENCE.as_millis()).expect("seconds");
    let capabilities = json!({ "goog:chromeOptions": chromium, "timeouts": { "script": script_timeout } });
    capabilities.as_object().expect("written above").clone()
}

/// A `chromedriver`, which takes its browser with it when it is told to go.
struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    /// It takes any port that is free on IPv6, wants the same on IPv4, and ends where somebody has that.
    fn start() -> Self {
        (0..5).find_map(|_| Self::start_on_any_port()).expect("some port is free")
    }

    fn start_on_any_port() -> Option<Self> {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver is installed (Debian: chromium-driver)");
        let mut said = String::new();
        for line in BufReader::new(process.stdout.take().expect("piped above")).lines().map_while(Result::ok) {
            if let Some((_, port)) = line.split_once("successfully on port ") {
                let port = port.trim_end_matches('.').parse().expect("a port");
                return Some(Self { process, port });
            }
            said += &line;
        }
        process.wait().expect("a child can be waited for");
        assert!(said.contains("port not available"), "chromedriver ended: {said}");
        None
    }

    fn shut_down(&self) -> std::io::Result<()> {
        let mut driver = TcpStream::connect(("127.0.0.1", self.port))?;
        driver.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        driver.read_to_end(&mut Vec::new()).map(drop)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.shut_down().is_err() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}
