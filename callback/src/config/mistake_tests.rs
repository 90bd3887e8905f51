//! Mistakes that operators make: each is refused or warned of, by its name.

use super::*;

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
        ("gh_ba9876543210", "gh_0123456789ab", "accounts.other.original_id: is that of accounts.demo too"),
        ("gh_ba9876543210", "wxfedcba0123456789", "accounts.other.original_id: must be"),
        ("gh_ba9876543210", "gh_", "accounts.other.original_id: must be"),
        ("gh_ba9876543210", "gh_ba 9876543210", "accounts.other.original_id: must be"),
        ("wxfedcba0123456789", "wx0123456789abcdef", "accounts.other.app_id: is that of accounts.demo too"),
        ("wxfedcba0123456789", "gh_fedcba012345", "accounts.other.app_id: must be the AppID"),
        ("wxfedcba0123456789", " wxfedcba0123456789", "accounts.other.app_id: must be the AppID"),
        ("wxfedcba0123456789", "wx", "accounts.other.app_id: must be the AppID"),
        ("wxfedcba0123456789", "$APP_ID", "accounts.other.app_id: still has the placeholder"),
        ("internal = \"0.0.0.0:8082\"", "internal = '0.0.0.0:8081'", "listen.internal: has the port of listen.public"),
        ("admin = \"0.0.0.0:9081\"", "admin = '127.0.0.1:8081'", "listen.admin: has the port of listen.public"),
        ("admin = \"0.0.0.0:9081\"", "admin = '[::]:8082'", "listen.admin: has the port of listen.internal"),
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
            "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
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
fn a_secret_with_the_line_break_of_its_file_is_refused() {
    for (name, named) in [
        ("SCENECAST_ACCOUNTS__DEMO__SECRET", "accounts.demo.secret"),
        ("SCENECAST_ACCOUNTS__DEMO__TOKEN__CURRENT", "accounts.demo.token"),
        ("SCENECAST_INTERNAL_SECRET__CURRENT", "internal_secret"),
        ("SCENECAST_API_KEYS__SHOP__KEY__CURRENT", "api_keys.shop.key"),
    ] {
        let error = read_two("", "", &[(name, "0123456789abcdef\n")]).unwrap_err();
        assert!(error.contains(named) && error.contains("line break"), "{name}: {error}");
    }
}
