//! Which configurations are valid.

use scenecast_service::config::load;

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

#[test]
fn an_error_names_the_invalid_value() {
    for (name, value, named) in [
        ("SCENECAST_BUS__URL", "memory:", "bus.url"),
        ("SCENECAST_BUS__URL", "redis://", "bus.url"),
        ("SCENECAST_BUS__CA", "/nowhere/ca.pem", "bus.ca, /nowhere/ca.pem"),
        ("SCENECAST_CALLBACK__URL", "callback:8082", "callback.url"),
        ("SCENECAST_SCENE_LIFE", "5", "scene_life"),
        ("SCENECAST_LIMITS__CONNECTIONS", "0", "limits.connections"),
        ("SCENECAST_LIMITS__CONNECTIONS_PER_SECOND", "-1", "limits.connections_per_second"),
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
