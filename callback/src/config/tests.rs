//! What a configuration has to be.

use std::{collections::HashMap, io::Write, path::Path};

use scenecast_shared::config::load;

use super::*;
use crate::phrase::Phrase;

const SECRETS: [(&str, &str); 5] = [
    ("SCENECAST_INTERNAL_SECRET__CURRENT", "internal-secret-of-16"),
    ("SCENECAST_ACCOUNTS__DEMO__SECRET", "hush-hush"),
    ("SCENECAST_ACCOUNTS__DEMO__TOKEN__CURRENT", "abc123"),
    ("SCENECAST_ACCOUNTS__DEMO__AES_KEY__CURRENT", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"),
    ("SCENECAST_API_KEYS__SHOP__KEY__CURRENT", "api-key-of-the-shop"),
];

fn sample() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("callback.toml")).unwrap()
}

fn read(toml: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(toml.as_bytes()).unwrap();
    let env: HashMap<_, _> = SECRETS.iter().chain(env).map(|(name, value)| ((*name).into(), (*value).into())).collect();
    load(Some(file.path()), env).map_err(|bad| bad.to_string())
}

#[test]
fn the_sample_and_the_secrets_are_a_configuration() {
    let config = read(&sample(), &[]).unwrap();
    let demo = &config.accounts[&"demo".parse().unwrap()];
    assert_eq!(demo.secret.text(), "hush-hush");
    assert_eq!(demo.text(Phrase::Welcome), "欢迎关注！");
    assert_eq!(config.api_keys["shop"].key.current.text(), "api-key-of-the-shop");
    assert!(config.api_keys["shop"].key.previous.is_none());
}

#[test]
fn what_the_sample_says_is_what_is_left_out_of_it() {
    let optional = [
        "mode",
        "check_source_address",
        "grant_life",
        "qr_quota",
        "profile_wait_ms",
        "language",
        "[limits]",
        "connections",
        "api_base",
    ];
    let short: String = sample()
        .lines()
        .filter(|line| !optional.iter().any(|it| line.starts_with(it)))
        .fold(String::new(), |text, line| text + line + "\n");
    let (full, short) = (read(&sample(), &[]).unwrap(), read(&short, &[]).unwrap());
    assert_eq!(format!("{full:?}"), format!("{short:?}"));
}

#[test]
fn words_can_be_replaced_and_the_others_follow_the_language() {
    let toml = sample().replace("language = \"zh\"", "language = \"en\"").replace("welcome =", "logged_in =");
    let demo = read(&toml, &[]).unwrap().accounts.into_values().next().unwrap();
    assert_eq!(demo.text(Phrase::LoggedIn), "欢迎关注！");
    assert_eq!(demo.text(Phrase::Welcome), "Welcome!");
}

#[test]
fn a_bad_value_is_named() {
    let other = "[accounts.other]\napp_id = 'wx0123456789abcdef'\nsecret = 's'\ntoken = { current = 'abc' }\n\
                 original_id = 'gh_2'\nmode = 'plain'\nconfirmation = 'none'\n[api_keys.shop]";
    for (from, to, named) in [
        ("redis://127.0.0.1:6379", "memory:", "memory: carries scenes inside one process"),
        ("redis://127.0.0.1:6379", "http://x", "bus.url"),
        ("confirmation = \"none\"", "confirmation = \"tap\"", "tap"),
        ("confirmation = \"none\"", "", "confirmation"),
        ("mode = \"safe\"", "mode = \"encrypted\"", "encrypted"),
        ("original_id = \"gh_0123456789ab\"", "", "original_id"),
        ("original_id = \"gh_0123456789ab\"", "original_id = ''", "accounts.demo.original_id"),
        ("app_id = \"wx0123456789abcdef\"", "app_id = ''", "accounts.demo.app_id"),
        ("grant_life = 60", "grant_life = 0", "accounts.demo.grant_life"),
        ("grant_life = 60", "grant_life = 601", "accounts.demo.grant_life"),
        ("profile_wait_ms = 300", "profile_wait_ms = 2001", "accounts.demo.profile_wait_ms"),
        ("language = \"zh\"", "language = \"fr\"", "fr"),
        ("welcome =", "hello =", "hello"),
        ("\"欢迎关注！\"", "' '", "accounts.demo.texts.welcome"),
        ("accounts = [\"demo\"]", "accounts = [\"Demo\"]", "an account name"),
        ("[api_keys.shop]", other, "accounts.other.app_id: is that of accounts.demo too"),
        (
            "accounts = [\"demo\"]",
            "accounts = [\"demo\", \"nobody\"]",
            "api_keys.shop.accounts: there is no account nobody",
        ),
        ("accounts = [\"demo\"]", "accounts = []", "api_keys.shop.accounts"),
        ("connections = 19000", "connections = 0", "limits.connections"),
        ("https://api.weixin.qq.com", "ftp://x", "wechat.api_base"),
        ("https://api.weixin.qq.com", "here", "api_base"),
        ("window = 20", "windows = 20", "windows"),
    ] {
        let toml = sample();
        assert!(toml.contains(from), "{from}");
        let error = read(&toml.replacen(from, to, 1), &[]).unwrap_err();
        assert!(error.contains(named), "{to:?}: {error}");
        assert!(SECRETS.iter().all(|(_, secret)| !error.contains(secret)), "{error}");
    }
}

#[test]
fn a_secret_that_can_be_guessed_is_refused() {
    for (name, value, named) in [
        ("SCENECAST_INTERNAL_SECRET__CURRENT", "too-short", "internal_secret"),
        ("SCENECAST_INTERNAL_SECRET__PREVIOUS", "too-short", "internal_secret"),
        ("SCENECAST_API_KEYS__SHOP__KEY__CURRENT", "too-short", "api_keys.shop.key"),
        ("SCENECAST_ACCOUNTS__DEMO__TOKEN__CURRENT", "ab", "accounts.demo.token"),
        ("SCENECAST_ACCOUNTS__DEMO__TOKEN__PREVIOUS", "with-hyphens", "accounts.demo.token"),
        ("SCENECAST_ACCOUNTS__DEMO__AES_KEY__CURRENT", "too-short", "accounts.demo.aes_key"),
        ("SCENECAST_ACCOUNTS__DEMO__AES_KEY__CURRENT", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEF/", "43 letters"),
        ("SCENECAST_ACCOUNTS__DEMO__AES_KEY__PREVIOUS", "too-short", "accounts.demo.aes_key"),
    ] {
        let error = read(&sample(), &[(name, value)]).unwrap_err();
        assert!(error.contains(named) && !error.contains(value), "{error}");
    }
}

#[test]
fn every_mode_but_plain_needs_a_key() {
    let no_key = [("SCENECAST_ACCOUNTS__DEMO__AES_KEY__CURRENT", "")];
    for mode in ["mode = \"safe\"", "mode = \"compatible\"", ""] {
        let toml = sample().replace("mode = \"safe\"", mode);
        assert!(read(&toml, &[]).is_ok(), "{mode}");
        let error = read(&toml, &no_key).unwrap_err();
        assert!(error.contains("accounts.demo.aes_key"), "{error}");
    }
    let plain = sample().replace("mode = \"safe\"", "mode = \"plain\"");
    assert!(read(&plain, &no_key).is_ok());
    assert!(read(&plain, &[]).is_ok(), "it is there for the day the mode changes");
}

#[test]
fn without_accounts_there_is_nothing_to_do() {
    let bare = "accounts = {}\n[listen]\npublic = '127.0.0.1:0'\ninternal = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\n\
                [bus]\nurl = 'redis://h:1'\n[internal_secret]\ncurrent = 'internal-secret-of-16'\n";
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bare.as_bytes()).unwrap();
    let error = load::<Config>(Some(file.path()), HashMap::new()).unwrap_err().to_string();
    assert!(error.contains("accounts: there must be at least one"), "{error}");
}
