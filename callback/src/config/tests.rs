//! Which configurations are accepted, and how an error names what is wrong.

use std::{collections::HashMap, io::Write, path::Path};

use scenecast_service::config::load;

use super::*;
use crate::phone::Phrase;

const SECRETS: [(&str, &str); 5] = [
    ("SCENECAST_INTERNAL_SECRET__CURRENT", "internal-secret-of-16"),
    ("SCENECAST_ACCOUNTS__DEMO__SECRET", "hush-hush"),
    ("SCENECAST_ACCOUNTS__DEMO__TOKEN__CURRENT", "abc123"),
    ("SCENECAST_ACCOUNTS__DEMO__AES_KEY__CURRENT", "hgfedcbaijklmnopqrstuvwxyz0123456789ABCDEFG"),
    ("SCENECAST_API_KEYS__SHOP__KEY__CURRENT", "api-key-of-the-shop"),
];

fn sample() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("callback.toml")).unwrap()
}

fn read(toml: &str, env: &[(&str, &str)]) -> Result<CallbackConfig, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(toml.as_bytes()).unwrap();
    let env: HashMap<_, _> = SECRETS.iter().chain(env).map(|(name, value)| ((*name).into(), (*value).into())).collect();
    load(Some(file.path()), env).map_err(|bad| bad.to_string())
}

/// A phrase in the account's words, with no value for any placeholder.
fn say(account: &AccountSettings, phrase: Phrase) -> Option<String> {
    account.texts.say(phrase, account.language, |_| None)
}

#[test]
fn the_sample_with_its_secrets_is_a_valid_configuration() {
    let config = read(&sample(), &[]).unwrap();
    let demo = &config.accounts[&"demo".parse().unwrap()];
    assert_eq!(demo.secret.text(), "hush-hush");
    assert_eq!(demo.confirmation, Confirmation::Tap);
    assert_eq!(say(demo, Phrase::Welcome).unwrap(), "欢迎关注！");
    assert_eq!(say(demo, Phrase::AutoReply), None);
    assert_eq!(config.api_keys["shop"].key.current.text(), "api-key-of-the-shop");
    assert!(config.api_keys["shop"].key.previous.is_none());
}

#[test]
fn the_samples_optional_values_are_the_defaults() {
    let optional = [
        "[listen]",
        "public =",
        "internal =",
        "admin =",
        "mode",
        "confirmation",
        "check_source_address",
        "grant_life",
        "qr_quota",
        "profile_wait_ms",
        "language",
        "[limits]",
        "connections",
        "deliveries_per_second",
        "sockets_per_address",
        "requests_per_address",
        "qr_percent_per_address",
        "keep_alive",
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
fn a_file_of_version_0_1_is_read_with_the_old_name_of_the_limit() {
    let old = sample().replace("deliveries_per_second = 5000", "webhooks_per_second = 17");
    assert_eq!(read(&old, &[]).unwrap().limits.deliveries_per_second, 17);
}

#[test]
fn an_accounts_words_replace_ours_and_the_others_follow_the_language() {
    let toml = sample().replace("language = \"zh\"", "language = \"en\"").replace("welcome =", "taken =");
    let taken = ("SCENECAST_ACCOUNTS__DEMO__TEXTS__EXPIRED", "过期了");
    let demo = read(&toml, &[taken]).unwrap().accounts.into_values().next().unwrap();
    assert_eq!(say(&demo, Phrase::Taken).unwrap(), "欢迎关注！");
    assert_eq!(say(&demo, Phrase::Expired).unwrap(), "过期了");
    assert_eq!(say(&demo, Phrase::Welcome).unwrap(), "Welcome!");
}

#[test]
fn an_error_names_the_bad_value() {
    let other = "[accounts.other]\napp_id = 'wx0123456789abcdef'\nsecret = 's'\ntoken = { current = 'abc' }\n\
                 original_id = 'gh_2'\nmode = 'plain'\nconfirmation = 'none'\n[api_keys.shop]";
    let mini = "[mini_programs.mini]\napp_id = 'wxmini'\nsecret = 's'\n";
    let with_mini = |change: &str| format!("{mini}{change}\n[api_keys.shop]");
    for (from, to, named) in [
        (
            "# fallback_mini_program",
            "fallback_mini_program",
            "accounts.demo.fallback_mini_program: there is no mini program",
        ),
        ("[api_keys.shop]", &with_mini("page = '/pages/login'"), "mini_programs.mini.page"),
        ("[api_keys.shop]", &with_mini("page = 'pages/login?x=1'"), "mini_programs.mini.page"),
        (
            "[api_keys.shop]",
            &with_mini("env_version = 'beta'"),
            "mini_programs.mini.env_version: must be one of release,",
        ),
        ("[api_keys.shop]", &with_mini("site = ''"), "mini_programs.mini.site"),
        ("[api_keys.shop]", &with_mini("grant_life = 601"), "mini_programs.mini.grant_life"),
        ("[api_keys.shop]", &with_mini("token = 'abc'"), "token"),
        (
            "[api_keys.shop]",
            &with_mini("").replace("mini]", "demo]"),
            "mini_programs.demo: there is an Official Account",
        ),
        (
            "[api_keys.shop]",
            &with_mini("").replace("wxmini", "wx0123456789abcdef"),
            "mini_programs.mini.app_id: is that of accounts.demo too",
        ),
        ("redis://127.0.0.1:6379", "memory:", "memory: works only where everything runs in one process"),
        ("redis://127.0.0.1:6379", "http://x", "bus.url"),
        ("# ca =", "ca =", "bus.ca"),
        (
            "confirmation = \"tap\"",
            "confirmation = \"always\"",
            "accounts.demo.confirmation: must be one of none, tap, number",
        ),
        ("# site = \"Example Shop\"", "site = ' '", "accounts.demo.site"),
        ("# path = \"/wx/callback\"", "path = '/wechat/other'", "accounts.demo.path"),
        ("# path = \"/wx/callback\"", "path = 'wx/callback'", "accounts.demo.path"),
        ("mode = \"safe\"", "mode = \"encrypted\"", "accounts.demo.mode: must be one of safe, compatible, plain"),
        ("original_id = \"gh_0123456789ab\"", "", "original_id"),
        ("original_id = \"gh_0123456789ab\"", "original_id = ''", "accounts.demo.original_id"),
        ("app_id = \"wx0123456789abcdef\"", "app_id = ''", "accounts.demo.app_id"),
        ("# wechat_proxy = ", "wechat_proxy = 'socks5://proxy:1080' # ", "such as http://proxy:3128"),
        ("# webhook_proxy = ", "webhook_proxy = 'proxy:3128' # ", "such as http://proxy:3128"),
        ("keep_alive = 75", "keep_alive = 0", "limits.keep_alive: must be 1 to 3600 seconds"),
        ("grant_life = 120", "grant_life = 0", "accounts.demo.grant_life"),
        ("grant_life = 120", "grant_life = 601", "accounts.demo.grant_life"),
        ("profile_wait_ms = 300", "profile_wait_ms = 2001", "accounts.demo.profile_wait_ms"),
        ("language = \"zh\"", "language = \"fr\"", "accounts.demo.language: must be one of zh, en"),
        ("welcome =", "hello =", "hello"),
        ("\"欢迎关注！\"", "' '", "accounts.demo.texts: welcome: must not be empty"),
        ("\"欢迎关注！\"", "'{nmae}'", "welcome: there is no placeholder {nmae}"),
        ("\"欢迎关注！\"", "'{place}'", "welcome: {place} is not known when this is said"),
        ("[listen]", "geo_database = '/nowhere/x.mmdb'\n[listen]", "geo_database"),
        ("[listen]", "geo_database = 'Cargo.toml'\n[listen]", "Cargo.toml is not a database in MaxMind's format"),
        ("# trusted_proxies = [\"10.0.0.0/8\"]", "trusted_proxies = ['10.0.0.0/33']", "trusted_proxies"),
        ("accounts = [\"demo\"]", "accounts = [\"Demo\"]", "an account name"),
        ("[api_keys.shop]", other, "accounts.other.app_id: is that of accounts.demo too"),
        (
            "accounts = [\"demo\"]",
            "accounts = [\"demo\", \"nobody\"]",
            "api_keys.shop.accounts: there is no account nobody",
        ),
        ("accounts = [\"demo\"]", "accounts = []", "api_keys.shop.accounts"),
        ("connections = 19000", "connections = 0", "limits.connections"),
        ("deliveries_per_second = 5000", "deliveries_per_second = -1", "limits.deliveries_per_second"),
        ("requests_per_address = 3000", "scenes_per_address = 3000", "scenes_per_address"),
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
fn a_stand_in_for_qr_codes_that_asks_less_strictly_is_refused() {
    let with = |account: &str, mini_program: &str| {
        let mini = format!(
            "[mini_programs.mini]\napp_id = 'wxmini'\nsecret = 's'\nconfirmation = '{mini_program}'\n[api_keys.shop]"
        );
        let toml = sample().replace("# fallback_mini_program", "fallback_mini_program");
        let toml = toml.replacen("confirmation = \"tap\"", &format!("confirmation = \"{account}\""), 1);
        read(&toml.replace("[api_keys.shop]", &mini), &[])
    };
    for (account, mini_program) in [("tap", "none"), ("number", "none"), ("number", "tap")] {
        let error = with(account, mini_program).unwrap_err();
        let named = format!(
            "accounts.demo.fallback_mini_program: mini_programs.mini has the confirmation {mini_program}, which is weaker \
             than {account} here"
        );
        assert!(error.contains(&named), "{error}");
    }
    for (account, mini_program) in
        [("none", "none"), ("none", "tap"), ("none", "number"), ("tap", "tap"), ("tap", "number"), ("number", "number")]
    {
        with(account, mini_program).unwrap();
    }
}

#[test]
fn the_samples_mini_program_is_valid_and_its_optional_values_are_the_defaults() {
    let sample = sample();
    let (before, rest) = sample.split_once("# [mini_programs.mini]\n").unwrap();
    let (written, after) = rest.split_once("#\n").unwrap();
    let mini_program = |lines: usize| {
        let table = written.lines().take(lines).fold(String::new(), |text, line| text + &line[2..] + "\n");
        let after = after.replace("accounts = [\"demo\"]", "accounts = [\"demo\", \"mini\"]");
        let toml = format!("{before}[mini_programs.mini]\n{table}\n{after}").replace("# fallback_", "fallback_");
        let config = read(&toml, &[("SCENECAST_MINI_PROGRAMS__MINI__SECRET", "hush-hush")]).unwrap();
        config.mini_programs.into_values().next().unwrap()
    };
    let (full, short) = (mini_program(usize::MAX), mini_program(1));
    assert_eq!(full.site.as_deref(), Some("Example Shop"));
    assert_eq!(format!("{:?}", MiniProgramSettings { site: None, ..full }), format!("{short:?}"));
}

/// The sample with its own webhooks, or with these.
fn with_webhooks(webhooks: &str) -> Result<CallbackConfig, String> {
    let sample = sample();
    let (before, rest) = sample.split_once("# [accounts.demo.webhooks]\n").unwrap();
    let (written, after) = rest.split_once("#\n").unwrap();
    let uncommented = || written.lines().fold(String::new(), |text, line| text + &line[2..] + "\n");
    let written = if webhooks.is_empty() { uncommented() } else { webhooks.to_owned() };
    let toml = format!("{before}[accounts.demo.webhooks]\n{written}\n{after}");
    read(&toml, &[("SCENECAST_ACCOUNTS__DEMO__WEBHOOKS__SECRET__CURRENT", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")])
}

#[test]
fn webhooks_are_json_to_one_address_or_forms_to_two() {
    let webhooks = |written| with_webhooks(written).unwrap().accounts.into_values().next().unwrap().webhooks.unwrap();
    assert!(read(&sample(), &[]).unwrap().accounts.into_values().next().unwrap().webhooks.is_none());
    let (sample, short) = (webhooks(""), webhooks("url = 'https://www.example.com/wechat'"));
    assert!(
        matches!(&sample.target, WebhookTarget::Json(url) if url.url().as_str() == "https://www.example.com/wechat")
    );
    assert_eq!(format!("{sample:?}"), format!("{short:?}"), "the sample's optional values are the defaults");
    let form = webhooks("format = 'form'\nfollowed_url = 'http://site/a'\nunfollowed_url = 'http://site/b'");
    assert!(matches!(form.target, WebhookTarget::Form { .. }));
}

#[test]
fn an_error_names_bad_webhook_settings_and_shows_no_secret() {
    let url = "url = 'https://www.example.com/wechat?key=hush'";
    for (written, named) in [
        ("format = 'json'".to_owned(), "format json takes url"),
        (format!("{url}\nfollowed_url = 'http://site/a'"), "format json takes url"),
        (format!("format = 'form'\n{url}"), "format form takes followed_url"),
        ("format = 'form'\nfollowed_url = 'http://site/a'".to_owned(), "format form takes followed_url"),
        (format!("format = 'xml'\n{url}"), "format: must be one of json, form"),
        ("url = 'site/hush'".to_owned(), "must be an address"),
        ("url = 'ftp://site/hush'".to_owned(), "must be an address"),
        (format!("{url}\nretry_after = 5"), "retry_after"),
        (format!("{url}\nretry_for = 59"), "retry_for"),
        (format!("{url}\nretry = 1"), "retry"),
        (format!("{url}\n[accounts.demo.webhooks.secret]\nprevious = 'whsec_hush'"), "secret: must be whsec_"),
    ] {
        let error = with_webhooks(&written).unwrap_err();
        assert!(error.contains(named) && error.contains("webhooks"), "{written}: {error}");
        assert!(!error.contains("hush") && !error.contains("C2FVsBQI"), "{error}");
    }
    let missing = read(&sample().replace("# [accounts.demo.webhooks]", "[accounts.demo.webhooks]"), &[]).unwrap_err();
    assert!(missing.contains("secret"), "{missing}");
    let shown = format!("{:?}", with_webhooks(url).unwrap());
    assert!(shown.contains("https://www.example.com/…") && !shown.contains("hush"), "{shown}");
}

#[test]
fn two_accounts_can_not_have_the_same_path() {
    let other = "[accounts.other]\napp_id = 'wx2'\nsecret = 's'\ntoken = { current = 'abc' }\noriginal_id = 'gh_2'\n\
                 mode = 'plain'\npath = '/wx/callback'\n[api_keys.shop]";
    let toml = sample().replace("# path = ", "path = ").replace("[api_keys.shop]", other);
    let error = read(&toml, &[]).unwrap_err();
    assert!(error.contains("accounts.other.path: is that of accounts.demo too"), "{error}");
    assert!(read(&toml.replace("path = '/wx/callback'", "path = '/wx'"), &[]).is_ok());
}

#[test]
fn an_account_in_plain_mode_shares_its_token_with_plain_accounts_only() {
    let with = |mode: &str, token: &str| {
        let other = format!(
            "[accounts.other]\napp_id = 'wx2'\nsecret = 's'\ntoken = {token}\noriginal_id = 'gh_2'\nmode = 'plain'\n\
             [api_keys.shop]"
        );
        let toml = sample().replacen("mode = \"safe\"", &format!("mode = \"{mode}\""), 1);
        read(&toml.replace("[api_keys.shop]", &other), &[])
    };
    for mode in ["safe", "compatible"] {
        for token in ["{ current = 'abc123' }", "{ current = 'xyz789', previous = 'abc123' }"] {
            let error = with(mode, token).unwrap_err();
            assert!(error.contains("accounts.other.token: is that of accounts.demo too"), "{error}");
        }
        with(mode, "{ current = 'xyz789' }").unwrap();
    }
    with("plain", "{ current = 'abc123' }").unwrap();
}

#[test]
fn a_secret_that_is_too_short_is_refused() {
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
fn every_mode_but_plain_needs_an_aes_key() {
    let no_key = [("SCENECAST_ACCOUNTS__DEMO__AES_KEY__CURRENT", "")];
    for mode in ["mode = \"safe\"", "mode = \"compatible\"", ""] {
        let toml = sample().replace("mode = \"safe\"", mode);
        assert!(read(&toml, &[]).is_ok(), "{mode}");
        let error = read(&toml, &no_key).unwrap_err();
        assert!(error.contains("accounts.demo.aes_key"), "{error}");
        assert!(error.contains("a test account") && error.contains("\"plain\""), "{error}");
    }
    let plain = sample().replace("mode = \"safe\"", "mode = \"plain\"");
    assert!(read(&plain, &no_key).is_ok());
    assert!(read(&plain, &[]).is_ok(), "the key may be there before the mode changes");
}

#[test]
fn a_configuration_without_accounts_is_refused() {
    let bare = "accounts = {}\n[listen]\npublic = '127.0.0.1:0'\ninternal = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\n\
                [bus]\nurl = 'redis://h:1'\n[internal_secret]\ncurrent = 'internal-secret-of-16'\n";
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bare.as_bytes()).unwrap();
    let error = load::<CallbackConfig>(Some(file.path()), HashMap::new()).unwrap_err().to_string();
    assert!(error.contains("accounts: there must be at least one"), "{error}");
}

#[path = "mistake_tests.rs"]
mod mistakes;
