//! Environment variables, which are laid over the file. No I/O.
//!
//! | variable | sets |
//! |---|---|
//! | `SCENECAST_BUS__URL` | `url` in `[bus]`: `__` separates the levels, and capitals are small letters |
//! | `SCENECAST_ACCOUNTS__DEMO_MINI__SECRET` | `accounts.demo-mini.secret`: `_` stands for a dash where the file has the name with one, and in new names of accounts and mini programs |
//! | `SCENECAST_API_KEYS__SHOP__ACCOUNTS` | a list: its items are separated by commas |
//!
//! An empty variable sets nothing. If what it could set is missing, the error says that it is empty.
//!
//! See docs/decisions/080-we-read-settings-ourselves.md.

use std::{collections::BTreeMap, net::IpAddr};

use toml::{Table, Value};

use super::{
    error::{ConfigError, ConfigWarning},
    place::{is_within, join},
};

const PREFIX: &str = "SCENECAST_";
/// Names the file, so it is no setting.
const CONFIG_FILE: &str = "SCENECAST_CONFIG";
/// The tables whose names have dashes and no underscores.
const DASHED_NAMES: [&str; 2] = ["accounts", "mini_programs"];

const NAMES_NO_SETTING: &str =
    "this variable names no setting; `__` stands between two names, as in SCENECAST_BUS__URL; unset it";

/// Which variable has set which setting.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// The names of the variables, by the place of what they set.
    by_place: BTreeMap<String, String>,
    /// The same of those that are empty.
    empty: BTreeMap<String, String>,
}

impl Variables {
    /// Lays the variables over these settings. Also returns which of them contradict each other, or name no setting.
    pub(super) fn lay_over(
        settings: &mut Table,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> (Self, Vec<ConfigError>) {
        let ours = env.into_iter().filter(|(name, value)| is_setting(name, value));
        let by_name: BTreeMap<String, String> = ours.collect();
        let mut variables = Self::default();
        let mut errors = vec![];
        for (name, value) in by_name {
            let path = name[PREFIX.len()..].to_ascii_lowercase();
            let path: Vec<_> = path.split("__").collect();
            if value.is_empty() {
                variables.empty.insert(place_in(settings, &path), name);
                continue;
            }
            if path.contains(&"") {
                errors.push(ConfigError::at(&name, NAMES_NO_SETTING));
                continue;
            }
            let place = set(settings, &mut vec![], &path, value);
            if let Some(other) = variables.contradicting(&place) {
                errors.push(ConfigError::at(&place, format_args!("{other} and {name} exclude each other; unset one")));
            }
            variables.by_place.insert(place, name);
        }
        (variables, errors)
    }

    /// A variable that has set this setting, or one of which it is a part.
    fn contradicting(&self, place: &str) -> Option<&str> {
        self.by_place.iter().find(|(set, _)| is_within(place, set)).map(|(_, name)| name.as_str())
    }

    /// The variables that have set this setting, a part of it, or what it is a part of.
    pub(super) fn behind(&self, place: &str) -> Vec<&str> {
        let concerns = |set: &str| is_within(set, place) || is_within(place, set);
        self.by_place.iter().filter(|(set, _)| concerns(set)).map(|(_, name)| name.as_str()).collect()
    }

    /// The empty variables that could have set this setting, or a part of it.
    pub(super) fn empty_behind(&self, place: &str) -> Vec<&str> {
        self.empty.iter().filter(|(set, _)| is_within(set, place)).map(|(_, name)| name.as_str()).collect()
    }
}

/// The variable that sets this setting.
pub(super) fn variable_for(place: &str) -> String {
    format!("{PREFIX}{}", place.replace('.', "__").replace('-', "_").to_ascii_uppercase())
}

/// Sets the value below `table`, whose place is `above`. Returns the place of the value.
fn set(table: &mut Table, above: &mut Vec<String>, path: &[&str], value: String) -> String {
    let (name, rest) = path.split_first().expect("a text has at least one part");
    let name = name_in(table, above, name);
    above.push(name.clone());
    if rest.is_empty() {
        table.insert(name, Value::String(value));
        return place(above);
    }
    let below = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
    if !below.is_table() {
        *below = Value::Table(Table::new());
    }
    set(below.as_table_mut().expect("it was made one"), above, rest, value)
}

/// The place of what a variable could set.
fn place_in(settings: &Table, path: &[&str]) -> String {
    let mut below = Some(settings);
    let mut names: Vec<String> = vec![];
    for written in path {
        let name = name_in(below.unwrap_or(&Table::new()), &names, written);
        below = below.and_then(|table| table.get(&name)?.as_table());
        names.push(name);
    }
    place(&names)
}

fn place(names: &[String]) -> String {
    names.iter().fold(String::new(), |above, name| join(&above, name))
}

/// The name in this table that a variable means, which can't have a dash.
fn name_in(table: &Table, above: &[String], written: &str) -> String {
    let with_dashes = || table.keys().find(|name| name.replace('-', "_") == written);
    match (table.contains_key(written), with_dashes(), above) {
        (true, ..) => written.to_owned(),
        (_, Some(name), _) => name.clone(),
        (.., [above]) if DASHED_NAMES.contains(&above.as_str()) => written.replace('_', "-"),
        _ => written.to_owned(),
    }
}

fn is_setting(name: &str, value: &str) -> bool {
    has_prefix(name) && name != CONFIG_FILE && !is_for_service(name, value)
}

fn has_prefix(name: &str) -> bool {
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Whether this is a variable that Kubernetes sets for a Service whose name begins with `scenecast`, or Docker for a
/// container that is linked by such a name. The name of a Service may have two dashes in a row, so `__` doesn't tell it
/// from a setting.
fn is_for_service(name: &str, value: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_port_name = |rest: &str| {
        let name = rest.strip_prefix('_').unwrap_or_default();
        !name.is_empty() && !name.starts_with('_') && !name.contains("__")
    };
    let is_address = || ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    if name.ends_with("_SERVICE_HOST") {
        return value.parse::<IpAddr>().is_ok();
    }
    if let Some((_, rest)) = name.rsplit_once("_SERVICE_PORT") {
        return (rest.is_empty() || is_port_name(rest)) && is_number(value);
    }
    if name.ends_with("_PORT") && is_address() {
        return true;
    }
    // Docker: its name is /consumer/alias, and …_ENV_… are its own variables.
    let is_container = || value.starts_with('/') && value.matches('/').count() == 2;
    let before_levels = name.split_once("__").map_or(name, |(before, _)| before);
    if before_levels.contains("_ENV_") || (before_levels == name && name.ends_with("_NAME") && is_container()) {
        return true;
    }
    // …_PORT_8080_TCP, and the same with one of these after it; Docker adds the first and the last of several ports.
    let ends = ["_PROTO", "_ADDR", "_PORT_START", "_PORT_END", "_PORT", "_START", "_END"];
    let name = ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let protocol = ["_TCP", "_UDP", "_SCTP"].iter().find_map(|end| name.strip_suffix(end));
    protocol.and_then(|rest| rest.rsplit_once("_PORT_")).is_some_and(|(_, port)| is_number(port))
}

/// Variables with our prefix that are ignored because Kubernetes or Docker sets them.
pub fn environment_warnings(env: impl IntoIterator<Item = (String, String)>) -> Vec<ConfigWarning> {
    let ignored = env.into_iter().filter(|(name, value)| has_prefix(name) && is_for_service(name, value));
    let mut names: Vec<_> = ignored.map(|(name, _)| name).collect();
    names.sort();
    let Some(first) = names.first() else { return vec![] };
    let problem = format!(
        "{} variables that Kubernetes sets for Services, or Docker for links, are ignored, such as {first}; \
         `enableServiceLinks: false` in the pod's spec, or a network in place of links, leaves them out",
        names.len()
    );
    vec![ConfigWarning::at("environment", problem)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_over(file: &str, env: &[(&str, &str)]) -> (Table, Variables, Vec<String>) {
        let mut settings = toml::from_str(file).unwrap();
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (variables, errors) = Variables::lay_over(&mut settings, env);
        (settings, variables, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_variable_reaches_names_with_dashes() {
        for (file, variable, place) in [
            ("", "SCENECAST_ACCOUNTS__DEMO_MINI__SECRET", "accounts.demo-mini.secret"),
            ("", "SCENECAST_MINI_PROGRAMS__A_B_C__APP_ID", "mini_programs.a-b-c.app_id"),
            ("", "SCENECAST_ACCOUNTS__DEMO-MINI__SECRET", "accounts.demo-mini.secret"),
            ("", "SCENECAST_API_KEYS__THE_SHOP__KEY", "api_keys.the_shop.key"),
            ("[api_keys.the-shop]", "SCENECAST_API_KEYS__THE_SHOP__KEY", "api_keys.the-shop.key"),
            ("[api_keys.the_shop]", "SCENECAST_API_KEYS__THE_SHOP__KEY", "api_keys.the_shop.key"),
            ("[api_keys.a-b]\n[api_keys.a_b]", "SCENECAST_API_KEYS__A_B__KEY", "api_keys.a_b.key"),
            ("[accounts.a-b.texts]", "SCENECAST_ACCOUNTS__A_B__TEXTS__LOGGED_IN", "accounts.a-b.texts.logged_in"),
            ("", "SCENECAST_KEY_SECRET", "key_secret"),
            ("", "scenecast_key_secret", "key_secret"),
        ] {
            let (settings, variables, errors) = laid_over(file, &[(variable, "x")]);
            assert!(errors.is_empty(), "{errors:?}");
            assert_eq!(variables.behind(place), [variable], "{variable}: {settings:?}");
        }
        assert_eq!(
            variable_for("accounts.demo-mini.aes_key.current"),
            "SCENECAST_ACCOUNTS__DEMO_MINI__AES_KEY__CURRENT"
        );
    }

    #[test]
    fn an_empty_variable_sets_nothing() {
        let (settings, variables, errors) =
            laid_over("[bus]\nurl = 'a'", &[("SCENECAST_BUS__URL", ""), ("SCENECAST_", "")]);
        assert_eq!((settings["bus"]["url"].as_str(), errors.len()), (Some("a"), 0));
        assert_eq!((variables.behind("bus"), variables.empty_behind("bus")), (vec![], vec!["SCENECAST_BUS__URL"]));
        assert!(variables.empty_behind("bus.url.x").is_empty() && variables.empty_behind("bu").is_empty());
    }

    #[test]
    fn variables_that_contradict_each_other_are_named() {
        for pair in [
            ["SCENECAST_BUS", "SCENECAST_BUS__URL"],
            ["SCENECAST_BUS__URL", "scenecast_bus__url"],
            ["SCENECAST_ACCOUNTS__A-B__TOKEN", "SCENECAST_ACCOUNTS__A_B__TOKEN"],
        ] {
            let (.., errors) = laid_over("", &pair.map(|name| (name, "hush")));
            assert!(matches!(&*errors, [one] if pair.iter().all(|name| one.contains(name))), "{errors:?}");
            assert!(!errors[0].contains("hush"), "{errors:?}");
        }
        let (.., errors) = laid_over("", &[("SCENECAST_BUS__URL", "a"), ("SCENECAST_BUS__URLS", "b")]);
        assert!(errors.is_empty(), "{errors:?}");
    }

    #[test]
    fn what_kubernetes_and_docker_set_is_told_from_settings() {
        for (name, value) in [
            ("SCENECAST_PORT", "tcp://10.0.0.1:80"),
            ("SCENECAST_SERVICE_HOST", "10.0.0.1"),
            ("SCENECAST_SERVICE_HOST", "fd00::1"),
            ("SCENECAST_GATEWAY_SERVICE_PORT", "80"),
            ("SCENECAST_GATEWAY_SERVICE_PORT_HTTP", "80"),
            ("SCENECAST_GATEWAY_SERVICE_PORT_HTTP_ADMIN", "80"),
            ("SCENECAST_GATEWAY_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("SCENECAST_GATEWAY_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("SCENECAST_GATEWAY_PORT_80_UDP_PROTO", "udp"),
            ("SCENECAST_GATEWAY_PORT_80_SCTP_PORT", "80"),
            ("SCENECAST__PR_12_PORT", "tcp://10.0.0.1:80"),
            ("SCENECAST__PR_12_SERVICE_HOST", "10.0.0.1"),
            ("SCENECAST_A__B_PORT_80_TCP_PORT", "80"),
            ("SCENECAST_GATEWAY_NAME", "/proxy/scenecast-gateway"),
            ("SCENECAST_GATEWAY_ENV_PATH", "/usr/bin"),
            ("SCENECAST_GATEWAY_ENV_SCENECAST_CONFIG", "/etc/scenecast/gateway.toml"),
            ("SCENECAST_GATEWAY_ENV_SCENECAST_LISTEN__ADMIN", "[::]:9090"),
            ("SCENECAST_GATEWAY_PORT_7300_TCP_START", "tcp://172.17.0.2:7300"),
            ("SCENECAST_GATEWAY_PORT_7300_TCP_PORT_END", "7306"),
        ] {
            assert!(!is_setting(name, value), "{name}={value}");
            let warnings = environment_warnings([(name.to_owned(), value.to_owned())]);
            assert!(matches!(&*warnings, [one] if one.to_string().contains(name)), "{warnings:?}");
        }
        for (name, value) in [
            ("SCENECAST_BUS__PORT", "6379"),
            ("SCENECAST_VERSION", "1.2"),
            ("SCENECAST__PR_12_PORT", "80"),
            ("SCENECAST_API_KEYS__A_SERVICE_PORT__KEY", "12345678"),
            ("SCENECAST_API_KEYS__SERVICE_HOST", "shop"),
            ("SCENECAST_X_PORT_HTTP_TCP", "x"),
            ("SCENECAST_ACCOUNTS__MY_ENV_2__SECRET", "hush"),
            ("SCENECAST_API_KEYS__SHOP__NAME", "/a/b"),
            ("SCENECAST_NAME", "shop"),
        ] {
            assert!(is_setting(name, value), "{name}={value}");
            assert!(environment_warnings([(name.to_owned(), value.to_owned())]).is_empty(), "{name}");
        }
        assert!(!is_setting("SCENECAST_CONFIG", "/etc/x.toml") && !is_setting("SCENE", "x") && !is_setting("", "x"));
    }
}
