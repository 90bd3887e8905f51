//! `scenecast-loadtest drill watch` at a cluster that it did not start.

use std::path::Path;

use scenecast_browsers::login_page::{LoginPage, PageMessage};
use scenecast_loadtest::cluster::{API_KEY, APP_SECRET, Cluster, ORIGIN, Setup, TOKEN};
use scenecast_simulator::{EncryptionMode, SimulatedAccount, http};
use scenecast_testing::until;
use tokio::{net::TcpListener, process::Command};

/// A cluster that expects WeChat at this port, and a directory with the `target.toml` that describes it.
async fn cluster(wechat: u16) -> (Cluster, tempfile::TempDir) {
    let public_url = http(([127, 0, 0, 1], wechat).into());
    let setup = Setup { wechat: Some(public_url.clone()), mode: EncryptionMode::Safe, ..Setup::default() };
    let cluster = Cluster::start_as(setup).await;
    let target = format!(
        "gateways = ['{}']\ncallbacks = ['{}']\norigin = '{ORIGIN}'\naccount = 'demo'\napi_key = '{API_KEY}'\n\
         listen = '127.0.0.1:{wechat}'\npublic_url = '{public_url}'\n\
         [wechat]\ntitle = 'Demo'\napp_id = '{}'\nsecret = '{APP_SECRET}'\ntoken = '{TOKEN}'\nmode = 'safe'\n\
         aes_key = '{}'\noriginal_id = '{}'\ncallbacks = ['http://{}/wechat/demo']\n",
        cluster.gateway_address(0),
        cluster.callback_internal(0),
        SimulatedAccount::SAMPLE_APP_ID,
        SimulatedAccount::SAMPLE_AES_KEY,
        SimulatedAccount::SAMPLE_ORIGINAL_ID,
        cluster.callback_public(0),
    );
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("target.toml"), target).unwrap();
    (cluster, files)
}

/// The command that watches; without `--for` until it is ended.
fn watch(target: &Path) -> Command {
    let mut watch = Command::new(env!("CARGO_BIN_EXE_scenecast-loadtest"));
    watch.args(["drill", "watch", "--pages", "20", "--rate", "10", "--target"]).arg(target);
    watch
}

/// A port that is free now.
async fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn people_log_in_at_a_cluster_that_was_already_running() {
    let (_cluster, files) = cluster(port().await).await;
    let watched = watch(&files.path().join("target.toml")).args(["--for", "3"]).output().await.unwrap();
    let table = String::from_utf8(watched.stdout).unwrap();
    let row = table.lines().find(|line| line.starts_with("watch")).unwrap();
    let [accepted, delivered]: [u64; 2] =
        std::array::from_fn(|n| row.split_whitespace().nth(n + 1).unwrap().parse().unwrap());
    assert!(watched.status.success() && accepted > 10 && delivered == accepted, "{table}");
}

#[tokio::test]
async fn pages_that_got_digits_while_wechat_was_away_ask_for_a_qr_code_again() {
    let (cluster, files) = cluster(port().await).await;
    let gateway = cluster.gateway_address(0).to_string();
    until("a page gets digits, since nobody answers for WeChat", async || {
        let mut page = LoginPage::connect(&gateway, ORIGIN).await.unwrap();
        page.open(cluster.account.as_str(), None).await.unwrap();
        matches!(page.next_message().await, PageMessage::Frame(frame) if frame.kind == "opened" && frame.qr.url.is_empty())
    })
    .await;
    let watched = watch(&files.path().join("target.toml")).args(["--for", "12"]).output().await.unwrap();
    let table = String::from_utf8(watched.stdout).unwrap();
    let row = table.lines().rfind(|line| line.starts_with("watch")).unwrap();
    let accepted: u64 = row.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(accepted > 0 && table.contains("without_qr_code"), "{table}");
}

#[tokio::test]
async fn the_error_names_a_port_that_is_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/target.toml");
    let mut watch = watch(sample.as_ref());
    let refused = watch.env("SCENECAST_LISTEN", format!("127.0.0.1:{port}")).output().await.unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stderr).unwrap().contains(&format!("can't listen on 127.0.0.1:{port}")));
}
