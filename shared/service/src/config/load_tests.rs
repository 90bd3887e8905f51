//! Which files and variables are read, and how an error names what is wrong.

use std::{collections::HashMap, io::Write, net::SocketAddr};

use serde::Deserialize;

use scenecast_scene::Rotating;

use super::*;
use crate::config::{Origins, Required, TelemetryConfig, listen_address, strong_secret};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "some values are only read to be refused")]
struct SampleConfig {
    bus: SampleBus,
    #[serde(default)]
    token: Option<Rotating>,
    #[serde(default, deserialize_with = "optional_strong_secret")]
    secret: Option<Rotating>,
    #[serde(default)]
    telemetry: TelemetryConfig,
    #[serde(default)]
    origins: Origins,
    #[serde(default)]
    mode: SampleMode,
    #[serde(default)]
    wide: Option<i64>,
    #[serde(default)]
    on: Option<bool>,
    #[serde(default)]
    listen: Option<SampleListen>,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    accounts: HashMap<String, HashMap<String, HashMap<String, String>>>,
    #[serde(default)]
    api_keys: HashMap<String, HashMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleBus {
    url: MemoryUrl,
    #[serde(default)]
    limit: Option<u16>,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SampleMode {
    #[default]
    Safe,
    Plain,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleListen {
    #[serde(deserialize_with = "listen_address")]
    public: SocketAddr,
    #[serde(deserialize_with = "listen_address")]
    admin: SocketAddr,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct MemoryUrl;

impl TryFrom<String> for MemoryUrl {
    type Error = &'static str;

    fn try_from(url: String) -> Result<Self, Self::Error> {
        if url == "memory:" { Ok(Self) } else { Err("must be memory:") }
    }
}

fn optional_strong_secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Rotating>, D::Error> {
    strong_secret(from).map(Some)
}

impl Validate for SampleConfig {
    const REQUIRED: &'static [Required] =
        &[Required::new("bus.url", "memory:"), Required::new("accounts.*.words.current", "stand-in")];

    fn validate(&self) -> Result<(), ConfigError> {
        match self.bus.limit {
            Some(0) => Err(ConfigError::at("bus.limit", "must be at least 1")),
            _ => Ok(()),
        }
    }
}

fn read(toml: &str, env: &[(&str, &str)]) -> Result<SampleConfig, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(toml.as_bytes()).unwrap();
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(Some(file.path()), env).map_err(|error| error.to_string())
}

#[test]
fn environment_variables_override_the_file() {
    let sample = read(
        "[bus]\nurl = 'memory:'\nlimit = 1",
        &[
            ("SCENECAST_BUS__LIMIT", "7"),
            ("SCENECAST_TOKEN__CURRENT", "0012"),
            ("SCENECAST_ORIGINS", "https://a.cn,https://b.cn"),
        ],
    )
    .unwrap();
    assert_eq!(sample.bus.limit, Some(7));
    assert_eq!(sample.token.unwrap().current.text(), "0012");
    assert!(sample.origins.allows("https://b.cn"));
    assert_eq!(sample.bus.url, MemoryUrl);
}

#[test]
fn a_bad_value_is_named() {
    for (toml, env, named) in [
        ("[bus]\nurl = 'memory:'\nlimit = 'many'", vec![], "bus.limit"),
        ("[bus]\nurl = 'memory:'", vec![("SCENECAST_BUS__LIMIT", "70000")], "bus.limit"),
        ("[bus]\nurl = 'memory:'\nlimit = 0", vec![], "bus.limit"),
        ("[bus]\nurl = 'memory:'\nlimit = 0.5", vec![], "bus.limit"),
        ("[bus]\nurl = 'memory:'\nlimit = 1e30", vec![], "bus.limit"),
        ("[bus]\nurl = 'memory:'\nlimit = nan", vec![], "bus.limit"),
        ("[bus]\nurl = 'memory:'\nlimit = -1", vec![], "bus.limit"),
        ("[bus]\nurl = 'memory:'", vec![("SCENECAST_BUS__LIMIT", "0.5")], "bus.limit"),
        ("[bus]\nurl = 'memory:'\nlimits = 1", vec![], "limits"),
        ("[bus]\nurl = 'http://x'", vec![], "bus.url"),
        ("[bus]\nurl = 'memory:'\n[token]\ncurrent = ''", vec![], "token.current"),
        ("[bus]\nurl = 'memory:'\n[secret]\ncurrent = 'too short'", vec![], "secret"),
        ("[bus]\nurl = 'memory:'\n[telemetry]\nlog = 'x=y=z'", vec![], "telemetry.log"),
        ("[bus]\nurl = 'memory:'\n[telemetry]\nlog = 'inof'", vec![], "telemetry.log"),
        ("[bus]\nurl = 'memory:'\n[telemetry]\nlog = 'info,warning'", vec![], "telemetry.log"),
        ("[bus]\nurl = 'memory:'\n[telemetry]\nlog = ''", vec![], "telemetry.log"),
        ("[bus]\nurl = 'memory:'\n[telemetry]\ntrace_share = 7", vec![], "telemetry.trace_share"),
        ("[bus]\nurl = 'memory:'\n[telemetry]\notlp_endpoint = 'collector:4318'", vec![], "telemetry.otlp_endpoint"),
        ("origins = ['a.cn/path']\n[bus]\nurl = 'memory:'", vec![], "origins"),
        ("[bus]", vec![], "url"),
        ("", vec![], "bus"),
        ("[bus", vec![], "line 1:"),
        ("= 1", vec![], "line 1:"),
        ("a = 1\n= 1\n", vec![], "line 2:"),
        ("a = 1\r\n\r\n= 1\r\n", vec![], "line 3:"),
        ("a = 1\nb = \nc = 1\n", vec![], "line 2:"),
        ("a = 1\n  b c\n", vec![], "line 2:"),
        ("a = 1\na = 2\n", vec![], "line 2:"),
        ("# ä\n[bus\n", vec![], "line 2:"),
        ("a = '''\nb\n", vec![], "line 2:"),
    ] {
        let error = read(toml, &env).unwrap_err();
        assert!(error.contains(named), "{toml:?} {env:?}: {error}");
    }
}

#[test]
fn a_value_that_was_never_put_in_is_named_and_not_shown() {
    let bus = "[bus]\nurl = 'memory:'\n";
    for (toml, env, named) in [
        ("[token]\ncurrent = '${HUSH}'", vec![], "token.current: still has the placeholder"),
        ("token = '<hush hush hush>'", vec![], "token: still has the placeholder"),
        ("", vec![("SCENECAST_SECRET__CURRENT", "$(HUSH_HUSH_HUSH)")], "secret.current: still has the placeholder"),
        ("origins = ['https://a.cn', 'https://${hush}']", vec![], "origins: still has the placeholder"),
        ("", vec![("SCENECAST_ORIGINS", "https://a.cn,https://{{ hush }}")], "origins: still has the placeholder"),
        ("[api_keys.texts]\nkey = '${HUSH}'", vec![], "api_keys.texts.key: still has the placeholder"),
        ("[accounts.texts]\ntoken = '${HUSH}'", vec![], "accounts.texts.token: still has the placeholder"),
        ("[accounts.texts.webhooks]\nsecret = '${HUSH}'", vec![], "accounts.texts.webhooks.secret: still has the"),
    ] {
        let error = read(&format!("{toml}\n{bus}"), &env).unwrap_err();
        assert!(error.contains(named) && !error.to_lowercase().contains("hush"), "{toml:?} {env:?}: {error}");
    }
    assert!(read(&format!("{bus}[accounts.texts.texts]\nwelcome = 'Hi {{{{ {{name}} }}}} <b>'"), &[]).is_ok());
}

#[test]
fn a_fraction_is_read_where_one_is_wanted() {
    let read = |share: &str| read(&format!("[bus]\nurl = 'memory:'\n[telemetry]\ntrace_share = {share}"), &[]);
    for (share, expected) in [("0.25", 0.25), ("1e-3", 0.001), ("1", 1.0)] {
        assert!((read(share).unwrap().telemetry.trace_share.get() - expected).abs() < f64::EPSILON, "{share}");
    }
    for share in ["nan", "inf", "-0.1"] {
        assert!(read(share).unwrap_err().contains("telemetry.trace_share"), "{share}");
    }
}

#[test]
fn an_error_never_shows_a_secret() {
    let bus = "[bus]\nurl = 'memory:'\n";
    for toml in [
        format!("{bus}[token]\ncurrent = 'hush"),
        format!("{bus}[token]\ncurrent = ['hush']"),
        format!("{bus}[token]\nnow = 'hush'"),
        format!("token = ['hush']\n{bus}"),
        format!("{bus}[secret]\ncurrent = 'hush'"),
    ] {
        let error = read(&toml, &[]).unwrap_err();
        assert!(!error.contains("hush"), "{error}");
    }
    let token = read(&format!("token = 'plain'\n{bus}"), &[]).unwrap().token.unwrap();
    assert_eq!(token.current.text(), "plain");
}

#[test]
fn the_variables_that_kubernetes_sets_for_services_are_ignored() {
    let set = [
        ("SCENECAST_PORT", "tcp://10.0.0.1:80"),
        ("SCENECAST_GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("SCENECAST_GATEWAY_SERVICE_PORT_HTTP", "80"),
        ("SCENECAST_GATEWAY_PORT_80_TCP_ADDR", "10.0.0.1"),
    ];
    assert!(read("[bus]\nurl = 'memory:'", &set).is_ok());
}

#[test]
fn a_missing_file_is_named() {
    let error = load::<SampleConfig>(Some(Path::new("/nowhere/scenecast.toml")), HashMap::new()).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error:?}");
    assert!(error.to_string().contains("/nowhere/scenecast.toml"), "{error}");
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_the_variable_that_set_it() {
    let error = read(
        "secret = 'hush hush hush hush'\nwide = 'hush'\nmode = 'hush'\n[bus]\nlimit = 'hush'\n[listen]\npublic = 'hush:80'\n\
         [token]\nprevious = 'hush'\n[telemetry]\nlog = 'hush=hush=hush'\ntrace_share = 7",
        &[("SCENECAST_HUSHES", "hush"), ("SCENECAST_BUS__LIMIT", "hush"), ("SCENECAST_TOKEN__PREVIOUS", "hush ")],
    )
    .unwrap_err();
    for expected in [
        "bus.url: is missing; set it in the file, or by SCENECAST_BUS__URL",
        "bus.limit: must be a whole number from 0 to 65535 (set by SCENECAST_BUS__LIMIT)",
        "hushes: there is no such setting; there are bus, token, secret,",
        "(set by SCENECAST_HUSHES)",
        "secret: a secret must have at least 6 different characters",
        "wide: must be a whole number from -9223372036854775808 to",
        "mode: must be one of safe, plain",
        "listen.public: must be an IP address and a port, such as 127.0.0.1:8080",
        "token.previous: begins or ends with a blank",
        "(set by SCENECAST_TOKEN__PREVIOUS)",
        "token.current: is missing",
        "telemetry.log: must be one of off, error, warn, info, debug, trace, or target=level pairs",
        "telemetry.trace_share: must be between 0 and 1",
    ] {
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let errors: Vec<_> = error.split("; ").filter(|text| text.contains(": ")).collect();
    assert!(!error.replace("hushes: there", "").contains("hush"), "{errors:#?}");
}

#[test]
fn what_can_not_be_read_hides_no_check_of_another_section() {
    let limit = "bus.limit: must be at least 1";
    for (toml, env, is_checked) in [
        ("wide = 'many'\n[bus]\nurl = 'memory:'\nlimit = 0", ("", ""), true),
        ("secret = '${HUSH}'\n[bus]\nurl = 'memory:'\nlimit = 0", ("", ""), true),
        ("[bus]\nurl = 'memory:'\nlimit = 0", ("SCENECAST_HUSHES", "x-y"), true),
        ("[bus]\nurl = 'memory:'\nlimit = 0", ("SCENECAST_LISTEN__PUBLIC", "here"), true),
        ("[bus]\nurl = 'memory:'\nlimit = 0\n[accounts.a.words]\nx = 'y'", ("", ""), true),
        ("[bus]\nurl = 'memory:'\nlimit = 0\n[accounts]\na = 'text'", ("", ""), true),
        ("[bus]\nurl = 'memory:'\nlimit = 0\n[accounts.'a b.c'.words]\ncurrent = ' '", ("", ""), true),
        // In the same section it could be wrong.
        ("[bus]\nlimit = 0", ("", ""), false),
        ("[bus]\nurl = 'http://x'\nlimit = 0", ("", ""), false),
        // Others may refer to accounts.
        ("accounts = 'text'\n[bus]\nurl = 'memory:'\nlimit = 0", ("", ""), false),
    ] {
        let error = read(toml, &[env]).unwrap_err();
        assert_eq!(error.contains(limit), is_checked, "{toml}: {error}");
        assert!(error.contains("; ") || !is_checked, "{error}");
    }
}

#[test]
fn a_setting_that_nobody_knows_is_that_whatever_its_text_is() {
    let bus = "[bus]\nurl = 'memory:'\n";
    for (toml, env, expected) in [
        (String::new(), ("SCENECAST_HUSHES", "${HUSH}"), "hushes: there is no such setting"),
        (String::new(), ("SCENECAST_BUS__URLS", "hush\n"), "bus.urls: there is no such setting; there are url, limit"),
        ("[tokens]\ncurrent = '<hush>'".to_owned(), ("", ""), "tokens: there is no such setting"),
        ("'' = '<hush>'".to_owned(), ("", ""), "\"\": there is no such setting"),
        ("\"a\\nb\" = '<hush>'".to_owned(), ("", ""), "\"a\\nb\": there is no such setting"),
    ] {
        let error =
            read(&if toml.starts_with('[') { bus.to_owned() + &toml } else { toml + "\n" + bus }, &[env]).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("placeholder") && !error.contains("blank") && !error.contains("hush "), "{error}");
    }
    // What is wrong with another setting is said, too.
    let error = read("token = '<hush>'\n[bus]\nurl = 'memory:'", &[("SCENECAST_HUSHES", "${HUSH}")]).unwrap_err();
    assert!(error.contains("token: still has the placeholder") && error.contains("hushes: there is no"), "{error}");
}

#[test]
fn a_variable_that_names_nothing_or_is_empty_is_named() {
    let bus = "[bus]\nurl = 'memory:'";
    for name in ["SCENECAST_", "SCENECAST___", "SCENECAST_BUS__", "SCENECAST___URL", "SCENECAST_ACCOUNTS____WORDS"] {
        let error = read(bus, &[(name, "hush")]).unwrap_err();
        assert!(error.starts_with(&format!("{name}: this variable names no setting")), "{error}");
        assert!(!error.contains("hush"), "{error}");
        assert!(read(bus, &[(name, "")]).is_ok());
    }
    for (toml, name, expected) in [
        ("", "SCENECAST_BUS__URL", "bus.url: is missing: SCENECAST_BUS__URL is empty, and so sets nothing"),
        (
            "[bus]\nurl = 'memory:'\n[token]\nprevious = 'old'",
            "SCENECAST_TOKEN__CURRENT",
            "token.current: is missing: SCENECAST_",
        ),
        (
            "[bus]\nurl = 'memory:'\n[accounts.a-b.words]\nx = 'y'",
            "SCENECAST_ACCOUNTS__A_B__WORDS__CURRENT",
            "accounts.a-b.words.current: is missing: SCENECAST_ACCOUNTS__A_B__WORDS__CURRENT is empty",
        ),
    ] {
        let error = read(toml, &[(name, "")]).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        let error = read(toml, &[("SCENECAST_OTHER", "")]).unwrap_err();
        assert!(error.contains("is missing; set it in the file"), "{error}");
    }
}

#[test]
fn a_wildcard_is_no_placeholder() {
    for origins in ["origins = '*'", "origins = ['*']", "origins = ['https://a.cn', '*']"] {
        let error = read(&format!("{origins}\n[bus]\nurl = 'memory:'"), &[]).unwrap_err();
        assert!(error.starts_with("origins: \"*\" has a wildcard; name each origin in full"), "{error}");
    }
}

#[test]
fn a_table_that_is_missing_or_no_table_is_said_once() {
    for (toml, env, expected) in [
        ("", ("SCENECAST_BUS__LIMIT", "1"), "bus.url: is missing; set it in the file, or by SCENECAST_BUS__URL"),
        (
            "",
            ("SCENECAST_BUS", "redis://u:hush@h"),
            "bus: is a table, and has no value of its own; it has url, limit (set by SCENECAST_BUS)",
        ),
        (
            "[bus]\nurl = 'memory:'",
            ("SCENECAST_ACCOUNTS__DEMO", "hush"),
            "accounts.demo: is a table of names, and has no value of its own (set by SCENECAST_ACCOUNTS__DEMO)",
        ),
        (
            "[bus]\nurl = 'memory:'",
            ("SCENECAST_ACCOUNTS__DEMO_A__WORDS__X", "hush"),
            "accounts.demo-a.words.current: is missing; set it in the file, or by SCENECAST_ACCOUNTS__DEMO_A__WORDS__CURRENT",
        ),
    ] {
        assert_eq!(read(toml, &[env]).unwrap_err(), expected);
    }
    assert!(read("", &[]).unwrap_err().starts_with("bus.url: is missing"));
}

#[test]
fn a_number_or_a_date_in_place_of_a_text_is_not_shown() {
    for (toml, expected) in [
        (
            "token = 4711",
            "token: must be a secret, or its current and previous value, and is a number without quotation",
        ),
        ("token.current = 4711", "token.current: must be a text in quotation marks"),
        ("token.current = 4711.5", "token.current: must be a text in quotation marks"),
        ("token.current = 4711-01-01", "token.current: must be a text in quotation marks"),
        ("token = 4711-01-01", "token: must be a secret, or its current and previous value, and is something else"),
        ("token = ['4711']", "token: must be a secret, or its current and previous value, and is a list"),
        ("secret.current = true", "secret.current: must be a text in quotation marks"),
        ("origins = 4711", "origins: must be a list of texts, or one text with commas"),
        ("on = 4711", "on: must be true or false"),
        ("wide = 4711.5", "wide: must be a whole number"),
        ("mode = 4711", "mode: must be one of safe, plain"),
        ("names = 4711", "names: must be a list, or one text with commas"),
    ] {
        let error = read(&format!("{toml}\n[bus]\nurl = 'memory:'"), &[]).unwrap_err();
        assert!(error.starts_with(expected) && !error.contains("4711"), "{toml}: {error}");
    }
}

#[test]
fn a_variable_sets_what_a_file_does() {
    let sample = read(
        "[bus]\nurl = 'memory:'",
        &[
            ("SCENECAST_NAMES", "a, b-c"),
            ("SCENECAST_ON", "true"),
            ("SCENECAST_WIDE", "-7"),
            ("SCENECAST_MODE", "plain"),
            ("SCENECAST_TOKEN", "12345678"),
            ("SCENECAST_TELEMETRY__TRACE_SHARE", "0.5"),
            ("SCENECAST_LISTEN__PUBLIC", "[::]:80"),
            ("SCENECAST_LISTEN__ADMIN", "127.0.0.1:90"),
        ],
    )
    .unwrap();
    assert_eq!((sample.names, sample.on, sample.wide), (vec!["a".to_owned(), "b-c".to_owned()], Some(true), Some(-7)));
    assert_eq!((sample.mode, sample.token.unwrap().current.text()), (SampleMode::Plain, "12345678"));
    assert_eq!(sample.listen.map(|listen| (listen.public.port(), listen.admin.port())), Some((80, 90)));
}

#[test]
fn the_admin_address_is_known_whatever_else_is_wrong() {
    let address = |toml: &str, env: &[(&str, &str)]| {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        admin_address(|| toml.to_owned(), env).map(|address| address.to_string())
    };
    let file = "nonsense = 1\n[listen]\nadmin = '[::]:9'\npublic = 5\n";
    assert_eq!(address(file, &[("SCENECAST_MORE__NONSENSE", "x")]).as_deref(), Some("[::]:9"));
    assert_eq!(address(file, &[("SCENECAST_LISTEN__ADMIN", "10.0.0.1:9")]).as_deref(), Some("10.0.0.1:9"));
    for broken in [
        "[listen]\nadmin = '[::]:9",
        "public = \n[listen]\nadmin = '[::]:9'\n",
        "listen.admin = '[::]:9'\n[accounts.demo\nsecret = 'x'",
        "[listen]\nadmin = '[::]:9'\n<<<<<<< HEAD\npublic = 1\n=======\npublic = 2\n>>>>>>> new\n",
        "[listen]\npublic = 'unclosed\nadmin = '[::]:9'\nadmin = '[::]:8'\n[listen]\nadmin = '[::]:7'\n",
        "[listen]\nadmin = '[::]:9'\n\0\u{fffd}\n\"\"\"",
    ] {
        assert!(toml::from_str::<Table>(broken).is_err(), "{broken}");
        assert_eq!(address(broken, &[]).as_deref(), Some("[::]:9"), "{broken}");
    }
    for nothing in
        ["", "listen = 1", "listen = [\nadmin", "\0", "[listen]\nadmin = 1", "[listen]\nadmin = 'localhost:9'"]
    {
        assert_eq!(address(nothing, &[]), None, "{nothing}");
    }
}
