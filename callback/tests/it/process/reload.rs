//! Accounts are added and removed while the process runs.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Stdio, time::Duration};

use reqwest::StatusCode;
use scenecast_testing::series_value;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

use crate::{
    process::binary::{binary, sample},
    world::{API_KEY, assert_no_secrets, signed_by, unix_now},
};

const NEW_SECRET: &str = "the-new-accounts-secret-01234567";
/// In safe mode a verification needs no Redis, which is away here.
const NEW_AES_KEY: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
const NEW_TOKEN: &str = "theNewAccountsToken";

/// A callback process whose file can be changed.
struct Running {
    process: Child,
    log: Lines<BufReader<ChildStderr>>,
    addresses: BTreeMap<String, String>,
    file: PathBuf,
    good: String,
    _directory: tempfile::TempDir,
}

impl Running {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("callback.toml");
        let good = fs::read_to_string(sample(|sample| sample).path()).unwrap();
        fs::write(&file, &good).unwrap();
        let mut process = binary(&file, "serve").stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut running = Self { process, log, addresses: BTreeMap::new(), file, good, _directory: directory };
        while running.addresses.len() < 3 {
            let line = running.line().await;
            if line["message"] == "accepting connections" {
                let [clients, address] = ["clients", "address"].map(|field| line[field].as_str().unwrap().to_owned());
                running.addresses.insert(clients, address);
            }
        }
        running.says("serving").await;
        running
    }

    async fn line(&mut self) -> Value {
        let line = tokio::time::timeout(Duration::from_secs(20), self.log.next_line());
        let line = line.await.expect("a line in time").unwrap().unwrap();
        assert_no_secrets(&line);
        for secret in [NEW_SECRET, NEW_TOKEN] {
            assert!(!line.contains(secret), "{secret} is logged");
        }
        serde_json::from_str(&line).unwrap()
    }

    /// Waits until the log says this.
    async fn says(&mut self, message: &str) -> Value {
        loop {
            let line = self.line().await;
            if line["message"] == message {
                return line;
            }
        }
    }

    fn write(&self, change: impl Fn(&str) -> String) {
        fs::write(&self.file, change(&self.good)).unwrap();
    }

    /// The same, and tells the process to read the file at once.
    async fn write_and_tell(&self, change: impl Fn(&str) -> String) {
        self.write(change);
        let pid = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().await.unwrap().success());
    }

    async fn get(&self, what: &str, path: &str) -> (StatusCode, String) {
        let url = format!("http://{}{path}", self.addresses[what]);
        let answer = reqwest::get(url).await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// Whether WeChat can verify the new account's address.
    async fn knows_the_new_account(&self) -> StatusCode {
        let query = signed_by(NEW_TOKEN, unix_now().as_secs());
        self.get("WeChat", &format!("/wechat/new?{query}&echostr=x")).await.0
    }

    async fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.get("probes and metrics", "/metrics").await;
        series_value(&text, name).unwrap_or_else(|| panic!("no {name} in {text}"))
    }
}

fn with_new_account(good: &str) -> String {
    format!(
        "{good}\n[accounts.new]\napp_id = 'wxnew'\noriginal_id = 'gh_new'\nsecret = '{NEW_SECRET}'\n\
         token = '{NEW_TOKEN}'\naes_key = '{NEW_AES_KEY}'\n"
    )
}

#[tokio::test]
async fn an_account_is_added_and_removed_without_a_restart() {
    let mut callback = Running::start().await;
    assert_eq!(callback.knows_the_new_account().await, StatusCode::NOT_FOUND);
    callback.write(with_new_account);
    let line = callback.says("took over a changed configuration").await;
    assert!(line["added"].as_str().unwrap().contains("new"), "{line}");
    assert_eq!(callback.knows_the_new_account().await, StatusCode::OK);

    callback.write_and_tell(ToOwned::to_owned).await;
    let line = callback.says("took over a changed configuration").await;
    assert!(line["removed"].as_str().unwrap().contains("new"), "{line}");
    assert_eq!(callback.knows_the_new_account().await, StatusCode::NOT_FOUND);
    assert_eq!(callback.metric("scenecast_config_reloads_total").await, 2);
}

#[tokio::test]
async fn a_bad_file_is_refused_and_the_old_one_stays_in_use() {
    let mut callback = Running::start().await;
    callback.write_and_tell(with_new_account).await;
    callback.says("took over a changed configuration").await;
    for bad in [
        String::new(),
        with_new_account(&callback.good).replace(NEW_TOKEN, "no token"),
        with_new_account(&callback.good).replace("[accounts.new]", "[accounts.new"),
        with_new_account(&callback.good).replace("wxnew", "wx0123456789abcdef"),
    ] {
        callback.write_and_tell(|_| bad.clone()).await;
        callback.says("the changed configuration can't be used; the old one stays in use").await;
        assert_eq!(callback.knows_the_new_account().await, StatusCode::OK);
    }
    assert_eq!(callback.metric("scenecast_config_last_reload_successful").await, 0);
    callback.write_and_tell(with_new_account).await;
    callback.says("took over a changed configuration").await;
    assert_eq!(callback.metric("scenecast_config_last_reload_successful").await, 1);
    fs::remove_file(&callback.file).unwrap();
    callback.says("the changed configuration can't be used; the old one stays in use").await;
    assert_eq!(callback.knows_the_new_account().await, StatusCode::OK);
    assert_eq!(callback.metric("scenecast_config_reload_errors_total").await, 5);
    let (healthy, _) = callback.get("probes and metrics", "/healthz").await;
    assert_eq!(healthy, StatusCode::OK);
}

const NEEDS_RESTART: &str =
    "this section of the configuration has changed and takes effect only after a restart of the pod";

#[tokio::test]
async fn api_keys_are_taken_over_and_the_log_says_what_takes_a_restart() {
    let mut callback = Running::start().await;
    let changed = |good: &str| {
        format!("{good}\n[api_keys.blog]\naccounts = ['demo']\nkey = 'the-key-of-the-blog-0123'\n")
            .replace("connections = 19000", "connections = 5")
    };
    let redeem = async |callback: &Running, key: &str| {
        let url = format!("http://{}/v1/redeem", callback.addresses["gateways and sites"]);
        reqwest::Client::new().post(url).bearer_auth(key).body("{}").send().await.unwrap().status()
    };
    assert_eq!(redeem(&callback, "the-key-of-the-blog-0123").await, StatusCode::UNAUTHORIZED);
    callback.write_and_tell(changed).await;
    assert_eq!(callback.says(NEEDS_RESTART).await["section"], "limits");
    callback.says("took over a changed configuration").await;
    for key in ["the-key-of-the-blog-0123", API_KEY] {
        assert_eq!(redeem(&callback, key).await, StatusCode::BAD_REQUEST, "known, and asks for nothing");
    }
}
