//! Mistakes that operators make: each is refused or warned of, by its name.

use scenecast_simulator::SimulatedAccount;
use scenecast_testing::settings_in;

use super::*;
use crate::config::secrets::{PUBLISHED_AES_KEY, PUBLISHED_TOKEN};

/// A second account that differs from the sample's in everything.
const OTHER: &str = "[accounts.other]\napp_id = 'wxfedcba0123456789'\nsecret = 'the-other-accounts-secret-of-32-x'\n\
                     token = { current = 'theTokenOfTheOther456' }\noriginal_id = 'gh_ba9876543210'\n\
                     aes_key = { current = 'GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba' }\n";
const DEMO_TOKEN: &str = "theTokenOfDemo123";
/// A second site.
const BLOG: &str = "[api_keys.blog]\naccounts = ['demo', 'other']\nkey = { current = 'api-key-of-the-blog' }\n";

/// The sample with a second account and a second site, and with one text in place of another.
fn read_two(from: &str, to: &str, env: &[(&str, &str)]) -> Result<CallbackConfig, String> {
    let toml = sample().replace("[api_keys.shop]", &format!("{OTHER}{BLOG}[api_keys.shop]"));
    assert!(toml.contains(from), "{from}");
    let secret = ("SCENECAST_ACCOUNTS__DEMO__SECRET", "the-demo-accounts-secret-of-32-xx");
    let token = ("SCENECAST_ACCOUNTS__DEMO__TOKEN__CURRENT", DEMO_TOKEN);
    read(&toml.replacen(from, to, 1), &[&[secret, token], env].concat())
}

#[test]
fn two_accounts_and_two_sites_with_values_of_their_own_are_good() {
    let warnings = read_two("", "", &[]).unwrap().warnings();
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn a_mistake_that_opens_a_hole_or_can_not_work_is_refused() {
    for (from, to, named) in [
        ("api-key-of-the-blog", "api-key-of-the-shop", "api_keys.shop.key: is the secret of api_keys.blog.key, too"),
        ("api-key-of-the-blog", "internal-secret-of-16", "api_keys.blog.key: is the secret of internal_secret, too"),
        ("api-key-of-the-blog", "the-demo-accounts-secret-of-32-xx", "accounts.demo.secret: is the secret of api_keys"),
        (
            "the-other-accounts-secret-of-32-x",
            "internal-secret-of-16",
            "accounts.other.secret: is the secret of internal",
        ),
        (
            "api-key-of-the-blog",
            "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba",
            "accounts.other.aes_key: is the secret of api_keys.blog.key, too",
        ),
        ("api-key-of-the-blog", "${BLOG_KEY_OF_THE_SITE}", "api_keys.blog.key.current: still has the placeholder"),
        ("api-key-of-the-blog", "CHANGE_ME_CHANGE_ME", "api_keys.blog.key.current: still has the placeholder"),
        ("api-key-of-the-blog", "schlüssel-des-blogs", "api_keys.blog.key: must be ASCII"),
        ("api-key-of-the-blog", "blogblogblogblogblog", "6 different characters"),
        ("[api_keys.blog]", "[api_keys.\"\"]", "api_keys: \"\" must be of a-z"),
        ("[api_keys.blog]", "[api_keys.\"b\\nlog\"]", "api_keys: \"b\\nlog\" must be of a-z"),
        ("[api_keys.blog]", "[api_keys.\" blog\"]", "api_keys: \" blog\" must be of a-z"),
        ("gh_ba9876543210", "gh_0123456789ab", "accounts.other.original_id: is that of accounts.demo too"),
        ("gh_ba9876543210", "wxfedcba0123456789", "accounts.other.original_id: must be"),
        ("gh_ba9876543210", "gh_", "accounts.other.original_id: must be"),
        ("gh_ba9876543210", "gh_ba 9876543210", "accounts.other.original_id: must be"),
        ("wxfedcba0123456789", "wx0123456789abcdef", "accounts.other.app_id: is that of accounts.demo too"),
        ("wxfedcba0123456789", "gh_fedcba012345", "accounts.other.app_id: must be the AppID"),
        ("wxfedcba0123456789", " wxfedcba0123456789", "accounts.other.app_id: begins or ends with a blank"),
        ("wxfedcba0123456789", "wx", "accounts.other.app_id: must be the AppID"),
        ("wxfedcba0123456789", "$APP_ID", "accounts.other.app_id: still has the placeholder"),
        ("internal = \"[::]:8082\"", "internal = '0.0.0.0:8081'", "listen.internal: has the port of listen.public"),
        ("admin = \"[::]:9081\"", "admin = '127.0.0.1:8081'", "listen.admin: has the port of listen.public"),
        ("admin = \"[::]:9081\"", "admin = '[::]:8082'", "listen.admin: has the port of listen.internal"),
        ("# trusted_proxies = [\"10.0.0.0/8\"]", "trusted_proxies = ['0.0.0.0/0']", "trusted_proxies"),
        ("# trusted_proxies = [\"10.0.0.0/8\"]", "trusted_proxies = ['10.0.0.0/8', '::/0']", "trusted_proxies"),
        ("window = 20", "window = 0.5", "drain.window"),
        ("window = 20", "window = 3601", "drain.window"),
        ("notice = 3 ", "notice = 301 ", "drain.notice"),
        ("grant_life = 120", "grant_life = 0.5", "accounts.demo.grant_life"),
        ("qr_quota = 100000", "qr_quota = 0.1", "accounts.demo.qr_quota"),
        ("deliveries_per_second = 5000", "deliveries_per_second = 0.5", "limits.deliveries_per_second"),
        ("redis://127.0.0.1:6379", "redis://callback:<password>@redis:6379", "bus.url: still has the placeholder"),
        ("https://api.weixin.qq.com", "https://${WECHAT}", "wechat.api_base: still has the placeholder"),
        ("window = 20", "window = true", "drain.window: must be a whole number"),
        (
            "redis://127.0.0.1:6379",
            "redis://callback:api-key-of-the-blog@redis:6379",
            "bus.url: has the secret of api_keys.blog.key, too",
        ),
        (
            "theTokenOfTheOther456",
            PUBLISHED_TOKEN,
            "accounts.other.token: is that of the simulator's sample, so everybody knows it",
        ),
        (
            "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba",
            PUBLISHED_AES_KEY,
            "accounts.other.aes_key: is that of the simulator",
        ),
        (
            "api-key-of-the-blog",
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD' }\n[accounts.demo.webhooks]\nurl = 'https://a.cn'\n\
             secret = { current = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "accounts.demo.webhooks.secret: has the secret of api_keys.blog.key, too",
        ),
    ] {
        let error = read_two(from, to, &[]).unwrap_err();
        assert!(error.contains(named), "{to}: {error}");
        assert!(!error.contains("api-key-of") && !error.contains("-of-16") && !error.contains("-of-32"), "{error}");
    }
    let aes_key = ("SCENECAST_INTERNAL_SECRET__CURRENT", "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba");
    let error = read_two("", "", &[aes_key]).unwrap_err();
    assert!(error.contains("accounts.other.aes_key: is the secret of internal_secret, too"), "{error}");
}

#[test]
fn a_mistake_of_two_accounts_is_named_for_each() {
    let same = ["other", "third"].map(|name| {
        let account = OTHER.replace("accounts.other", &format!("accounts.{name}"));
        account.replace("wxfedcba0123456789", "wx0123456789abcdef").replace("theTokenOfTheOther456", DEMO_TOKEN)
            + "mode = 'plain'\n"
    });
    let aes_key = ("SCENECAST_INTERNAL_SECRET__CURRENT", "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba");
    let error = read_two(OTHER, &same.concat(), &[aes_key]).unwrap_err();
    for name in ["other", "third"] {
        for (setting, problem) in [
            ("app_id", "is that of accounts."),
            ("aes_key", "is the secret of internal_secret"),
            ("token", "is that of accounts.demo too"),
        ] {
            assert!(error.contains(&format!("accounts.{name}.{setting}: {problem}")), "{name}.{setting}: {error}");
        }
    }
}

#[test]
fn a_probable_mistake_is_warned_of() {
    const AES_KEY: &str = "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba";
    let with_webhooks = |url: &str| {
        format!("[accounts.other.webhooks]\nurl = '{url}'\nsecret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'\n{BLOG}")
    };
    let exposed = with_webhooks("http://www.example.com/wechat");
    for (from, to, named) in [
        (
            "'theTokenOfTheOther456'",
            "'theTokenOfDemo123'",
            "accounts.other.token: is the secret of accounts.demo.token",
        ),
        (
            "'theTokenOfTheOther456'",
            "'GFEDCBA9876543210zyx'",
            "accounts.other.aes_key: begins with the account's token",
        ),
        (
            "'theTokenOfTheOther456'",
            "'theTokenOfTheOther456', previous = 'theTokenOfTheOther456'",
            "accounts.other.token: the previous secret is the current one",
        ),
        (
            AES_KEY,
            "hgfedcbaijklmnopqrstuvwxyz0123456789ABCDEFG",
            "accounts.other.aes_key: is that of accounts.demo, too",
        ),
        (
            &format!("'{AES_KEY}'"),
            &format!("'{AES_KEY}', previous = '{AES_KEY}'"),
            "accounts.other.aes_key: the previous key is the current one",
        ),
        (
            "'api-key-of-the-blog'",
            "'api-key-of-the-blog', previous = 'api-key-of-the-shop'",
            "api_keys.blog.key: the previous secret is one of api_keys.shop.key, too",
        ),
        ("the-other-accounts-secret-of-32-x", "cut-off", "accounts.other.secret: is shorter"),
        (
            "the-other-accounts-secret-of-32-x",
            "the-demo-accounts-secret-of-32-xx",
            "accounts.other.secret: is the secret of accounts.demo.secret",
        ),
        ("'theTokenOfTheOther456'", "'fifteenLetters1'", "accounts.other.token: has fewer than 16"),
        ("grant_life = 120", "grant_life = 9", "accounts.demo.grant_life: is shorter than 10 seconds"),
        ("wxfedcba0123456789", "wxfedcba012345678", "accounts.other.app_id: is not wx and 16"),
        ("wxfedcba0123456789", "wxfedcba012345678z", "accounts.other.app_id: is not wx and 16"),
        ("https://api.weixin.qq.com", "http://api.weixin.qq.com", "wechat.api_base: AppSecrets go there unencrypted"),
        (BLOG, &exposed, "accounts.other.webhooks: who logged in goes to the site unencrypted"),
        ("['demo', 'other']", "['demo']", "accounts.other: no API key is for it"),
        (
            "original_id = 'gh_ba9876543210'",
            "original_id = 'gh_ba9876543210'\ncheck_source_address = true",
            "accounts.other.check_source_address: trusted_proxies is empty",
        ),
        ("redis://127.0.0.1:6379", "redis://gateway:p@redis:6379", "bus.url: its user is the gateways'"),
    ] {
        let warnings: Vec<_> = read_two(from, to, &[]).unwrap().warnings().iter().map(ToString::to_string).collect();
        assert!(matches!(&*warnings, [one] if one.starts_with(named)), "{to}: {warnings:?}");
    }
    let two_sites = |demos: &str| {
        let of_demo = with_webhooks(demos).replace(BLOG, "").replace("accounts.other", "accounts.demo");
        let warnings =
            read_two(BLOG, &format!("{of_demo}{}", with_webhooks("https://a.cn/wechat")), &[]).unwrap().warnings();
        warnings.iter().map(|warning| warning.place.clone()).collect::<Vec<_>>()
    };
    assert_eq!(two_sites("https://b.cn/wechat"), ["accounts.other.webhooks"], "a secret for two sites");
    assert!(two_sites("https://a.cn/another").is_empty(), "one site");
    let local = with_webhooks("http://127.0.0.1:8000/wechat");
    assert!(read_two(BLOG, &local, &[]).unwrap().warnings().is_empty());
}

#[test]
fn the_simulators_published_secrets_are_known_and_good_for_the_simulator_alone() {
    assert_eq!(PUBLISHED_AES_KEY, SimulatedAccount::SAMPLE_AES_KEY);
    let simulator =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../loadtest/simulator/simulator.toml"));
    assert!(simulator.unwrap().contains(&format!("token = \"{PUBLISHED_TOKEN}\"")));
    let with = |api_base: &str| {
        let toml = sample().replace("https://api.weixin.qq.com", api_base);
        read(&toml, &[("SCENECAST_ACCOUNTS__DEMO__TOKEN__CURRENT", PUBLISHED_TOKEN)])
    };
    for api_base in ["https://api.weixin.qq.com", "https://sh.api.weixin.qq.com", "http://api2.weixin.qq.com:80"] {
        assert!(with(api_base).unwrap_err().starts_with("accounts.demo.token: is that of the simulator"), "{api_base}");
    }
    assert!(with("http://127.0.0.1:8083").is_ok() && with("https://weixin.qq.com.example").is_ok());
}

#[test]
fn the_internal_secret_is_no_secret_of_webhooks() {
    const RANDOM: &str = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let webhooks = "[accounts.demo.webhooks]\nurl = 'https://a.cn'\n[accounts.demo.texts]";
    let toml = sample().replace("[accounts.demo.texts]", webhooks);
    let with = |internal: &str| {
        let webhook = format!("whsec_{RANDOM}");
        let webhook = ("SCENECAST_ACCOUNTS__DEMO__WEBHOOKS__SECRET__CURRENT", webhook.as_str());
        read(&toml, &[webhook, ("SCENECAST_INTERNAL_SECRET__CURRENT", internal)])
    };
    for internal in [RANDOM, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"] {
        let error = with(internal).unwrap_err();
        assert!(error.starts_with("accounts.demo.webhooks.secret: has the secret of internal_secret, too"), "{error}");
    }
    assert!(with("another-secret-of-32-characters!").is_ok());
}

#[test]
fn a_value_with_the_line_break_of_its_file_is_refused_and_all_are_named_at_once() {
    let places = [
        "accounts.demo.app_id",
        "accounts.demo.original_id",
        "accounts.demo.secret",
        "accounts.demo.token.current",
        "accounts.demo.token.previous",
        "accounts.demo.aes_key.current",
        "accounts.demo.aes_key.previous",
        "accounts.demo.webhooks.secret",
        "mini_programs.demo-mini.app_id",
        "mini_programs.demo-mini.secret",
        "internal_secret.current",
        "internal_secret.previous",
        "api_keys.shop.key.current",
        "api_keys.shop.key.previous",
        "bus.url",
    ];
    let variable = |place: &str| format!("SCENECAST_{}", place.replace('.', "__").replace('-', "_").to_uppercase());
    for end in ["\n", "\r\n", " ", "\u{a0}"] {
        let set: Vec<_> = places.iter().map(|place| (variable(place), format!("hush-hush-4711{end}"))).collect();
        let set: Vec<_> = set.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let error = read_two("", "", &set).unwrap_err();
        for place in places {
            let named = format!("{place}: begins or ends with a blank or a line break");
            assert!(error.contains(&named) && error.contains(&variable(place)), "{place}: {error}");
        }
        assert!(
            !error.contains("4711")
                && !error.contains("is missing; set it in the file, or by SCENECAST_ACCOUNTS__DEMO_")
        );
    }
}

#[test]
fn an_error_shows_no_value_whatever_setting_a_secret_was_put_into() {
    // These hold names of files, hosts and accounts.
    let shown = ["geo_database", "trusted_proxies", "fallback_mini_program", "accounts", "ca"];
    for place in settings_in(&sample()).iter().filter(|place| !shown.iter().any(|name| place.ends_with(name))) {
        let variable = format!("SCENECAST_{}", place.replace('.', "__").to_uppercase());
        let mut refused = 0;
        for value in ["hush-4711", "redis://u:hush-4711@h", "471147114711", "4711 ", "<4711>", "a:4711"] {
            for variable in [variable.clone(), format!("{variable}__CURRENT"), format!("{variable}__X__Y")] {
                let Err(error) = read(&sample(), &[(&variable, value)]) else { continue };
                refused += 1;
                assert!(!error.contains("4711"), "{variable}={value}: {error}");
                assert!(error.contains("SCENECAST_"), "{variable}={value}: {error}");
            }
        }
        assert!(refused > 0, "{place}");
    }
}

#[test]
fn all_that_is_missing_and_all_mistakes_are_said_at_once() {
    let bare = load::<CallbackConfig>(None, HashMap::new()).unwrap_err().texts();
    let missing = ["bus.url", "internal_secret"];
    let expected = missing.map(|place| {
        let variable = place.replace('.', "__").to_uppercase();
        format!("{place}: is missing; set it in the file, or by SCENECAST_{variable}")
    });
    let (missing, checked) = bare.split_at(expected.len());
    assert_eq!(missing, expected);
    assert_eq!(checked, ["accounts: there must be at least one, or one of mini_programs"]);

    let variables = [
        ("SCENECAST_LISTEN__PUBLIC", "0.0.0.0:9081"),
        ("SCENECAST_DRAIN__WINDOW", "9999"),
        ("SCENECAST_ACCOUNTS__DEMO__APP_ID", "gh_1"),
        ("SCENECAST_ACCOUNTS__DEMO__GRANT_LIFE", "0"),
        ("SCENECAST_API_KEYS__SHOP__ACCOUNTS", "demo,nobody"),
        ("SCENECAST_MINI_PROGRAMS__DEMO__APP_ID", "mini"),
        ("SCENECAST_MINI_PROGRAMS__DEMO__SECRET", "internal-secret-of-16"),
        ("SCENECAST_MINI_PROGRAMS__DEMO__PAGE", "/pages"),
        ("SCENECAST_MINI_PROGRAMS__DEMO__GRANT_LIFE", "0"),
        ("SCENECAST_API_KEYS__BLOG__KEY", "api-key-of-the-blog"),
        ("SCENECAST_API_KEYS__BLOG__ACCOUNTS", "none,nobody"),
    ];
    let error = read(&sample(), &variables).unwrap_err();
    for named in [
        "mini_programs.demo.page: must be a page",
        "mini_programs.demo.grant_life: must be 1 to 600",
        "mini_programs.demo: there is an Official Account of this name",
        "api_keys.blog.accounts: there is no account none",
        "api_keys.blog.accounts: there is no account nobody",
        "listen.admin: has the port of listen.public",
        "drain.window: must be 0 to 3600 seconds (set by SCENECAST_DRAIN__WINDOW)",
        "accounts.demo.app_id: must be the AppID",
        "accounts.demo.grant_life: must be 1 to 600",
        "api_keys.shop.accounts: there is no account nobody (set by SCENECAST_API_KEYS__SHOP__ACCOUNTS)",
        "mini_programs.demo.app_id: must be the AppID",
        "mini_programs.demo.secret: is the secret of internal_secret",
    ] {
        assert!(error.contains(named), "{named}: {error}");
    }
}

#[test]
fn a_setting_that_can_not_be_read_hides_nothing_and_blames_no_other() {
    let mini = "[mini_programs.mini]\napp_id = 'wxfedcba9876543210'\nsecret = 'the-secret-of-the-mini-program-x'\n";
    let webhooks = "url = 'https://a.cn'\nsecret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'\n";
    let all = format!("{mini}[mini_programs.mini.webhooks]\n{webhooks}[accounts.other.webhooks]\n{webhooks}{BLOG}");
    let errors = |bad: &[(&str, &str)]| read_two(BLOG, &all, bad).unwrap_err();
    let mistake = ("SCENECAST_DRAIN__WINDOW", "9999");
    for required in CallbackConfig::REQUIRED {
        let section = ["accounts", "mini_programs", "api_keys"].into_iter().zip(["other", "mini", "blog"]);
        let name = section.into_iter().find(|(section, _)| required.place().starts_with(section)).map_or("", |it| it.1);
        let place = required.place().replace('*', name);
        // Another variable has set the current one.
        let place = if place == "internal_secret" { format!("{place}.current") } else { place };
        let variable = format!("SCENECAST_{}", place.to_uppercase().replace('.', "__"));
        let error = errors(&[(&variable, "${HUSH}"), mistake]);
        assert!(error.contains(&format!("{place}: still has")) && error.contains("drain.window: must be"), "{error}");
        assert_eq!(error.matches("(set by ").count(), 2, "{error}");
        assert_eq!(error.matches(": ").count(), 2, "nothing else: {error}");
    }
    // Two that depend on what can't be read, and one that doesn't.
    let error = errors(&[
        ("SCENECAST_ACCOUNTS__OTHER__MODE", "open"),
        ("SCENECAST_LISTEN__PUBLIC", "localhost:9081"),
        ("SCENECAST_ACCOUNTS__DEMO__GRANT_LIFE", "0"),
    ]);
    assert!(error.contains("accounts.demo.grant_life: must be 1 to 600"), "{error}");
    assert_eq!(error.matches("(set by ").count(), 3, "{error}");
}

#[test]
fn each_text_and_each_setting_of_webhooks_that_is_bad_is_named() {
    let webhooks = "[accounts.demo.webhooks]\nformat = 'form'\nurl = 'https://a.cn'\nsecret = 'whsec_!'\nretry_after = 1\n\
                    retry_for = 1\n";
    let error = read_two(BLOG, &format!("{webhooks}{BLOG}"), &[]).unwrap_err();
    for named in ["retry_after must", "retry_for must", "format form takes", "secret: "] {
        assert!(error.contains(named), "{named}: {error}");
    }
    let texts = "[accounts.other.texts]\nwelcome = '{nobody}'\nlogged_in = '{nothing}'\n";
    let error = read_two(BLOG, &format!("{texts}{BLOG}"), &[]).unwrap_err();
    assert!(error.contains("welcome: ") && error.contains("logged_in: "), "{error}");
}

#[test]
fn variables_alone_can_make_an_account_and_name_lists() {
    let variables = [
        ("SCENECAST_MINI_PROGRAMS__DEMO_MINI__APP_ID", "wxfedcba9876543210"),
        ("SCENECAST_MINI_PROGRAMS__DEMO_MINI__SECRET", "the-secret-of-the-mini-program-x"),
        ("SCENECAST_ACCOUNTS__DEMO__FALLBACK_MINI_PROGRAM", "demo-mini"),
        ("SCENECAST_API_KEYS__SHOP__ACCOUNTS", "demo, demo-mini"),
        ("SCENECAST_TRUSTED_PROXIES", "10.0.0.0/8,192.168.0.1"),
    ];
    let config = read(&sample(), &variables).unwrap();
    let accounts: Vec<_> = config.api_keys["shop"].accounts.iter().map(AccountName::as_str).collect();
    assert_eq!(accounts, ["demo", "demo-mini"]);
    assert!(config.mini_programs.contains_key(&"demo-mini".parse().unwrap()));
}
