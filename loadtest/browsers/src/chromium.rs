//! A real Chromium, driven by `WebDriver`. Each test starts its own. It panics on any failure, which fails the test.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, elements::Element, wd::Capabilities};
pub use fantoccini::{key::Key, wd::WindowHandle};
use serde_json::{Value, json};

/// How long any wait of a test may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How long a wait for an element pauses between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// JavaScript that finds an element of the page, or inside its login box.
const FIND: &str = "const [selector] = arguments; return document.querySelector(selector) \
    ?? document.querySelector('scenecast-login')?.shadowRoot.querySelector(selector)";
/// JavaScript that returns the text of a page and of its login box.
const SHOWN: &str = "return `${document.body.innerText} \
    ${document.querySelector('scenecast-login')?.shadowRoot.querySelector('div').innerText ?? ''}`";

/// The size of the browser's screen.
#[derive(Debug, Clone, Copy)]
pub enum ScreenSize {
    /// 1280 by 800 pixels, with a mouse.
    Desktop,
    /// 360 by 740 pixels, with touch.
    Phone,
}

/// A running browser. Dropping it closes it.
pub struct Browser {
    client: Client,
    _driver: ChromeDriver,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser whose preferred language is `language`, such as `en-US`.
    pub async fn start(screen: ScreenSize, language: &str) -> Self {
        Self::start_with(screen, language, "").await
    }

    /// Starts a browser that resolves hosts by these rules (`MAP host:port host:port`).
    pub async fn start_with(screen: ScreenSize, language: &str, rules: &str) -> Self {
        let driver = ChromeDriver::start();
        let profile = tempfile::tempdir().expect("a directory for the profile");
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities(screen, language, rules, &profile.path().display().to_string()))
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .expect("chromium starts");
        Self { client, _driver: driver, _profile: profile }
    }

    /// Opens this URL. Returns when the page has loaded.
    pub async fn visit(&self, url: &str) {
        self.client.goto(url).await.expect("the page loads");
    }

    /// Waits until an element with this selector exists and is visible. If the page itself has none, one inside its login
    /// box counts.
    pub async fn see(&self, selector: &str) -> Element {
        let Ok(element) = tokio::time::timeout(TIMEOUT, self.find(selector)).await else {
            panic!("{selector} did not appear; the page shows: {}", self.run(SHOWN).await);
        };
        assert!(element.is_displayed().await.expect("the page is there"), "{selector} is hidden");
        element
    }

    /// Waits until an element with this selector exists. While another page loads there is none.
    async fn find(&self, selector: &str) -> Element {
        loop {
            let found = self.client.execute(FIND, vec![json!(selector)]).await;
            let id = found.ok().and_then(|found| found.as_object()?.values().next()?.as_str().map(str::to_owned));
            match id {
                Some(id) => return Element::from_element_id(self.client.clone(), id.into()),
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// Waits for an element, and reads its text.
    pub async fn text(&self, selector: &str) -> String {
        self.see(selector).await.text().await.expect("the page is there")
    }

    /// Waits until an element has this text.
    pub async fn see_text(&self, selector: &str, text: &str) {
        let has = format!(
            "const has = () => document.querySelector('{selector}')?.textContent === '{text}' ? done() : setTimeout(has, 20); has()"
        );
        self.run_async(&has).await;
    }

    /// Waits for an element, and reads an attribute.
    pub async fn attribute(&self, selector: &str, name: &str) -> String {
        let value = self.see(selector).await.attr(name).await.expect("the page is there");
        value.unwrap_or_else(|| panic!("{selector} has no {name}"))
    }

    /// Waits for an element, and takes a picture (PNG) of it, as the camera of a phone would.
    pub async fn picture(&self, selector: &str) -> Vec<u8> {
        self.see(selector).await.screenshot().await.expect("a visible element can be pictured")
    }

    /// Waits for an element, and clicks it.
    pub async fn click(&self, selector: &str) {
        self.see(selector).await.click().await.expect("a visible element can be clicked");
    }

    /// Waits for a field, and types into it.
    pub async fn write(&self, selector: &str, text: &str) {
        self.see(selector).await.send_keys(text).await.expect("a visible field can be typed into");
    }

    /// Presses a key. The focused element receives it.
    pub async fn press(&self, key: Key) {
        let focused = self.client.active_element().await.expect("something has the focus");
        focused.send_keys(&char::from(key).to_string()).await.expect("the page is there");
    }

    /// Deletes every cookie of the page's host.
    pub async fn forget_cookies(&self) {
        self.client.delete_all_cookies().await.expect("the page is there");
    }

    /// Runs a script, and answers what it returns.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.expect("the script runs")
    }

    /// Runs a script, and waits until it calls the function `done`. Answers what it passes to `done`.
    pub async fn run_async(&self, script: &str) -> Value {
        let script = format!("const done = arguments[0]; {script}");
        let result = tokio::time::timeout(TIMEOUT, self.client.execute_async(&script, Vec::new())).await;
        result.expect("the script calls `done` in time").expect("the script runs")
    }

    /// Awaits `open`, which opens another window, and switches to that one. Answers the handle of the previous window.
    pub async fn open_window(&self, open: impl Future) -> WindowHandle {
        let here = self.client.window().await.expect("a window");
        let before = self.client.windows().await.expect("windows");
        open.await;
        let after = self.client.windows().await.expect("windows");
        let new = after.into_iter().find(|window| !before.contains(window)).expect("a window was opened");
        self.switch_to(new).await;
        here
    }

    pub async fn switch_to(&self, window: WindowHandle) {
        self.client.switch_to_window(window).await.expect("the window is there");
    }

    /// Minimizes the window, and waits until the page knows that it is hidden.
    pub async fn hide(&self) {
        self.client.minimize_window().await.expect("the window is there");
        self.run_async("document.hidden ? done() : document.addEventListener('visibilitychange', () => done())").await;
    }

    pub async fn unhide(&self) {
        self.client.set_window_rect(0, 0, 1280, 800).await.expect("the window is there");
    }
}

fn capabilities(screen: ScreenSize, language: &str, rules: &str, profile: &str) -> Capabilities {
    let mut chromium = json!({
        "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--window-size=1280,800", format!("--lang={language}"), format!("--user-data-dir={profile}"),
            format!("--host-resolver-rules={rules}"),
        ],
        "prefs": { "intl": { "accept_languages": language } },
    });
    if let ScreenSize::Phone = screen {
        let metrics = json!({ "width": 360, "height": 740, "pixelRatio": 2, "touch": true });
        chromium["mobileEmulation"] = json!({ "deviceMetrics": metrics });
    }
    let script_timeout = u64::try_from(TIMEOUT.as_millis()).expect("seconds");
    let capabilities = json!({ "goog:chromeOptions": chromium, "timeouts": { "script": script_timeout } });
    capabilities.as_object().expect("written above").clone()
}

/// A running `chromedriver`. It closes its browser when it shuts down.
struct ChromeDriver {
    process: Child,
    port: u16,
}

impl ChromeDriver {
    /// `chromedriver` takes a port that is free on IPv6 and then needs the same port on IPv4. If that one is taken it
    /// exits, so try again.
    fn start() -> Self {
        (0..5).find_map(|_| Self::start_on_any_port()).expect("some port is free")
    }

    fn start_on_any_port() -> Option<Self> {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver is installed (Debian: chromium-driver)");
        let mut output = String::new();
        for line in BufReader::new(process.stdout.take().expect("piped above")).lines().map_while(Result::ok) {
            if let Some((_, port)) = line.split_once("successfully on port ") {
                let port = port.trim_end_matches('.').parse().expect("a port");
                return Some(Self { process, port });
            }
            output += &line;
        }
        process.wait().expect("a child can be waited for");
        assert!(output.contains("port not available"), "chromedriver exited: {output}");
        None
    }

    fn shut_down(&self) -> std::io::Result<()> {
        let mut driver = TcpStream::connect(("127.0.0.1", self.port))?;
        driver.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        driver.read_to_end(&mut Vec::new()).map(drop)
    }
}

impl Drop for ChromeDriver {
    fn drop(&mut self) {
        if self.shut_down().is_err() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}
