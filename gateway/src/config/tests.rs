//! Which configurations are valid.

use scenecast_service::config::load;
use scenecast_testing::settings_in;

use super::*;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway.toml");

/// The sample with secrets, and with these environment variables.
fn load_with(changes: &[(&str, &str)]) -> Result<GatewayConfig, String> {
    let secrets = [
        ("SCENECAST_KEY_SECRET__CURRENT", "key-secret-of-16"),
        ("SCENECAST_INTERNAL_SECRET__CURRENT", "internal-secret-of-16"),
    ];
    let env = secrets.iter().chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(Some(SAMPLE.as_ref()), env).map_err(|bad| bad.to_string())
}

#[test]
fn the_sample_is_valid_once_it_has_its_secrets() {
    let config = load_with(&[]).unwrap();
    assert!(config.origins.allows("https://www.example.com"));
    assert_eq!(config.compatible_drain(), Duration::ZERO, "all compatible routes are off");
    assert_eq!(config.limits, GatewayLimits::default(), "the sample shows the defaults");
    assert_eq!(format!("{:?}", config.listen), format!("{:?}", GatewayListen::default()));
    assert_eq!(config.limits.keep_alive.duration(), Duration::from_secs(75), "longer than the 60 s of most proxies");
    let bare = load::<GatewayConfig>(Some(SAMPLE.as_ref()), []).unwrap_err();
    assert!(bare.to_string().contains("secret"), "{bare}");
}

#[test]
fn pages_of_compatible_routes_stay_as_long_as_their_scenes_live_unless_configured() {
    let seconds = |changes: &[_]| load_with(changes).unwrap().compatible_drain().as_secs();
    let typed_code = ("SCENECAST_COMPATIBLE__TYPED_CODE__ACCOUNT", "demo");
    let path_socket = ("SCENECAST_COMPATIBLE__PATH_SOCKET__ACCOUNT", "demo");
    assert_eq!(seconds(&[]), 0);
    assert_eq!(seconds(&[typed_code]), 300);
    assert_eq!(seconds(&[typed_code, path_socket]), 3600);
    assert_eq!(seconds(&[path_socket, ("SCENECAST_DRAIN__COMPATIBLE", "60")]), 60);
}

/// The sample with this line in place of another one.
fn load_changed(line: &str, changed: &str) -> Result<GatewayConfig, String> {
    let sample = std::fs::read_to_string(SAMPLE).unwrap();
    assert!(sample.contains(line), "{line}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), sample.replacen(line, changed, 1)).unwrap();
    let secrets = [("KEY_SECRET", "key-secret-of-16"), ("INTERNAL_SECRET", "internal-secret-of-16")];
    let env = secrets.map(|(name, value)| (format!("SCENECAST_{name}__CURRENT"), value.to_owned()));
    load(Some(file.path()), env).map_err(|bad| bad.to_string())
}

#[test]
fn an_error_names_the_invalid_value_of_the_file() {
    let on_open = |port| format!("qr_on_open = {{ account = \"demo\", listen = \"127.0.0.1:{port}\" }}");
    for (line, changed, named) in [
        ("origins = [\"https://www.example.com\"]", "origins = []", "origins: must name at least one"),
        ("window = 20", "window = 0.5", "drain.window"),
        ("window = 20", "window = true", "drain.window: must be a whole number"),
        ("connections_per_second = 5000", "connections_per_second = 0.5", "limits.connections_per_second"),
        ("# qr_on_open", &on_open(8080), "compatible.qr_on_open.listen: has the port of listen.public"),
        ("# qr_on_open", &on_open(9090), "compatible.qr_on_open.listen: has the port of listen.admin"),
    ] {
        let changed = if line.starts_with('#') { format!("{changed}\n# was") } else { changed.to_owned() };
        let error = load_changed(line, &changed).unwrap_err();
        assert!(error.contains(named), "{changed}: {error}");
    }
}

#[test]
fn what_is_probably_a_mistake_is_warned_of() {
    let warnings = |changes: &[_]| -> Vec<String> {
        load_with(changes).unwrap().warnings().iter().map(ToString::to_string).collect()
    };
    assert_eq!(warnings(&[]), Vec::<String>::new(), "the sample is good");
    for (name, value, named) in [
        ("SCENECAST_ORIGINS", "http://www.example.com", "origins: pages of http://www.example.com"),
        ("SCENECAST_KEY_SECRET__PREVIOUS", "key-secret-of-16", "key_secret: the previous secret is the current one"),
        (
            "SCENECAST_KEY_SECRET__PREVIOUS",
            "internal-secret-of-16",
            "key_secret: the previous secret is one of internal",
        ),
        ("SCENECAST_DRAIN__WINDOW", "0", "drain.window: "),
        ("SCENECAST_LIMITS__KEEP_ALIVE", "60", "limits.keep_alive: is no longer than the 60 seconds"),
        ("SCENECAST_BUS__URL", "redis://callback:p@h", "bus.url: its user is the callbacks'"),
    ] {
        let warnings = warnings(&[(name, value)]);
        assert!(matches!(&*warnings, [one] if one.starts_with(named)), "{name}={value}: {warnings:?}");
    }
}

#[test]
fn an_error_names_the_invalid_value() {
    for (name, value, named) in [
        ("SCENECAST_BUS__URL", "memory:", "bus.url"),
        ("SCENECAST_BUS__URL", "redis://g:key-secret-of-16@h", "bus.url: has the secret of key_secret, too"),
        (
            "SCENECAST_BUS__URL",
            "redis-sentinel://g:p@h:1?sentinelServiceName=m&sentinelUsername=s&sentinelPassword=internal-secret-of-16",
            "bus.url: has the secret of internal_secret, too",
        ),
        ("SCENECAST_DRAIN__WINDOW", "true", "drain.window: must be a whole number"),
        ("SCENECAST_BUS__URL", "redis://", "bus.url"),
        ("SCENECAST_BUS__CA", "/nowhere/ca.pem", "bus.ca, /nowhere/ca.pem"),
        ("SCENECAST_CALLBACK__URL", "callback:8082", "callback.url"),
        ("SCENECAST_SCENE_LIFE", "5", "scene_life"),
        ("SCENECAST_SCENE_LIFE", "0.5", "scene_life"),
        ("SCENECAST_LIMITS__UNREAD", "0", "limits.unread"),
        ("SCENECAST_LIMITS__UNREAD", "86400", "limits.unread"),
        ("SCENECAST_LIMITS__KEEP_ALIVE", "0", "limits.keep_alive"),
        ("SCENECAST_LIMITS__KEEP_ALIVE", "3601", "limits.keep_alive"),
        ("SCENECAST_DRAIN__NOTICE", "3000", "drain.notice"),
        ("SCENECAST_DRAIN__WINDOW", "4000000000", "drain.window"),
        ("SCENECAST_DRAIN__COMPATIBLE", "7201", "drain.compatible"),
        ("SCENECAST_LISTEN__ADMIN", "127.0.0.1:8080", "listen.admin: has the port of listen.public, too"),
        ("SCENECAST_KEY_SECRET__CURRENT", "internal-secret-of-16", "key_secret: is the secret of internal_secret, too"),
        ("SCENECAST_KEY_SECRET__CURRENT", "${NOT_EXPANDED_HERE}", "key_secret.current: still has the placeholder"),
        ("SCENECAST_KEY_SECRET__CURRENT", "CHANGE_ME_CHANGE_ME", "key_secret.current: still has the placeholder"),
        ("SCENECAST_KEY_SECRET__CURRENT", "aaaaaaaaaaaaaaaaaaaaaa", "key_secret"),
        ("SCENECAST_KEY_SECRET__CURRENT", "internal-secret-of-16\n", "key_secret"),
        ("SCENECAST_BUS__URL", "redis://gateway:$(PASSWORD)@h:6379", "bus.url: still has the placeholder"),
        ("SCENECAST_ORIGINS", "https://*.example.com", "origins"),
        ("SCENECAST_TRUSTED_PROXIES", "0.0.0.0/0", "trusted_proxies"),
        ("SCENECAST_TRUSTED_PROXIES", "10.0.0.0/8,::/0", "trusted_proxies"),
        ("SCENECAST_LIMITS__CONNECTIONS", "0", "limits.connections"),
        ("SCENECAST_LIMITS__CONNECTIONS_PER_SECOND", "-1", "limits.connections_per_second"),
        ("SCENECAST_LIMITS__CALLS", "0", "limits.calls"),
        ("SCENECAST_LIMITS__SCENES_PER_ADDRESS", "many", "limits.scenes_per_address"),
        ("SCENECAST_LIMITS__SCENES_PER_PERSON", "5", "scenes_per_person"),
        ("SCENECAST_KEY_SECRET__CURRENT", "too short", "key_secret"),
        ("SCENECAST_INTERNAL_SECRET__PREVIOUS", "too short", "internal_secret"),
        ("SCENECAST_LISTEN__PUBLIC", "everywhere", "listen.public"),
        ("SCENECAST_ORIGINS", "www.example.com", "origins"),
        ("SCENECAST_TRUSTED_PROXIES", "10.0.0.0/40", "trusted_proxies"),
        ("SCENECAST_COMPATIBLE__PATH_SOCKET__ACCOUNT", "Demo!", "compatible.path_socket.account"),
        ("SCENECAST_COMPATIBLE__QR_ON_OPEN__ACCOUNT", "demo", "listen"),
        ("SCENECAST_COMPATIBLE__PATH_SOCKETS__ACCOUNT", "demo", "path_sockets"),
        ("SCENECAST_DRAIN__COMPATIBLE", "long", "drain.compatible"),
        ("SCENECAST_REBALANCE", "often", "rebalance"),
        ("SCENECAST_TYPO", "1", "typo"),
    ] {
        let error = load_with(&[(name, value)]).unwrap_err();
        assert!(error.contains(named), "{name}={value}: {error}");
    }
}

#[test]
fn an_error_shows_no_value_whatever_setting_a_secret_was_put_into() {
    // These hold names of files, hosts and accounts.
    let shown = ["origins", "trusted_proxies", "ca"];
    let sample = std::fs::read_to_string(SAMPLE).unwrap();
    for place in settings_in(&sample).iter().filter(|place| !shown.iter().any(|name| place.ends_with(name))) {
        let variable = format!("SCENECAST_{}", place.replace('.', "__").to_uppercase());
        let mut refused = 0;
        for value in ["hush-4711", "redis://u:hush-4711@h", "471147114711", "4711 ", "<4711>", "localhost:4711"] {
            for variable in [variable.clone(), format!("{variable}__CURRENT"), format!("{variable}__X__Y")] {
                let Err(error) = load_with(&[(&variable, value)]) else { continue };
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
    let missing = load::<GatewayConfig>(None, []).unwrap_err().texts();
    let expected = ["bus.url", "callback.url", "key_secret", "internal_secret", "origins"].map(|place| {
        let variable = place.replace('.', "__").to_uppercase();
        format!("{place}: is missing; set it in the file, or by SCENECAST_{variable}")
    });
    assert_eq!(missing, expected);
    for required in GatewayConfig::REQUIRED {
        // Other variables have set the current ones.
        let current = if required.place().ends_with("secret") { ".current" } else { "" };
        let place = format!("{}{current}", required.place());
        let variable = format!("SCENECAST_{}", place.to_uppercase().replace('.', "__"));
        let error = load_with(&[(&variable, "${HUSH}"), ("SCENECAST_DRAIN__NOTICE", "301")]).unwrap_err();
        assert!(error.contains(&format!("{place}: still has")) && error.contains("drain.notice: must be"), "{error}");
        assert_eq!(error.matches("(set by ").count(), 2, "nothing else: {error}");
    }
    let mistakes = [
        ("SCENECAST_SCENE_LIFE", "5"),
        ("SCENECAST_LIMITS__UNREAD", "0"),
        ("SCENECAST_DRAIN__NOTICE", "301"),
        ("SCENECAST_LISTEN__ADMIN", "0.0.0.0:8080"),
        ("SCENECAST_KEY_SECRET__CURRENT", "internal-secret-of-16"),
    ];
    let error = load_with(&mistakes).unwrap_err();
    for named in [
        "scene_life: must be 10 to 1800 seconds (set by SCENECAST_SCENE_LIFE)",
        "limits.unread: must be 1 to 600 seconds (set by SCENECAST_LIMITS__UNREAD)",
        "drain.notice: must be 0 to 300 seconds (set by SCENECAST_DRAIN__NOTICE)",
        "listen.admin: has the port of listen.public",
        "key_secret: is the secret of internal_secret, too",
    ] {
        assert!(error.contains(named), "{named}: {error}");
    }
}
