//! Reads the text of `bus.url`: its parts, and which of them is wrong. No I/O.

use std::borrow::Cow;

use fred::types::config::Server;
use url::{Host, ParseError, Url};

use crate::address_error::RedisAddressError;

/// The query parameters that are allowed, by the part of the scheme after `redis`.
const QUERY_PARAMETERS: [(&str, &[&str]); 4] = [
    ("", &[]),
    ("-sentinel", &["node", "sentinelServiceName", "sentinelUsername", "sentinelPassword", "sentinelTls"]),
    ("-cluster", &["node"]),
    ("-shards", &["node"]),
];

/// An address whose parts are good.
pub(crate) struct AddressText {
    /// The part of the scheme after `redis`, without the `s` of TLS.
    pub(crate) kind: &'static str,
    pub(crate) has_tls: bool,
    /// Whether the sentinels are reached over TLS.
    pub(crate) sentinels_have_tls: bool,
    /// The servers in the parameters `node`.
    pub(crate) other_nodes: Vec<Server>,
    /// The URL as the client's parser understands it: that knows neither shards nor nodes with IPv6 addresses. A Cluster's
    /// nodes are written as those of shards. It says nothing of TLS.
    pub(crate) client_url: String,
}

impl AddressText {
    pub(crate) fn parse(text: &str) -> Result<Self, RedisAddressError> {
        if text == "memory:" {
            return Err(RedisAddressError::Memory);
        }
        let (scheme, rest) = text.split_once("://").ok_or(RedisAddressError::Scheme)?;
        let scheme = scheme.strip_prefix("redis").ok_or(RedisAddressError::Scheme)?;
        let (kind, has_tls) = scheme.strip_prefix('s').map_or((scheme, false), |kind| (kind, true));
        let known = QUERY_PARAMETERS.into_iter().find(|(known, _)| *known == kind);
        let (kind, parameters) = known.ok_or(RedisAddressError::Scheme)?;
        check_delimiters(rest)?;
        check_percent_encoding(rest)?;
        let url = Url::parse(&format!("redis{}://{rest}", kind.replace("-shards", "-cluster"))).map_err(host_error)?;
        check_host(&url)?;
        check_database(&url, kind)?;
        check_parameters(&url, parameters)?;
        check_passwords(&url)?;
        if kind == "-sentinel" && parameter(&url, "sentinelServiceName").is_none_or(|name| name.is_empty()) {
            return Err(RedisAddressError::NoServiceName);
        }
        Ok(Self {
            kind,
            has_tls,
            sentinels_have_tls: sentinels_have_tls(&url)?.unwrap_or(has_tls),
            other_nodes: other_nodes(&url)?,
            client_url: without_nodes(url),
        })
    }
}

/// Refuses a `/`, `?` or `#` before the `@`, and any other `#`. A parameter may have an `@`, so one after a `?` counts only
/// where no parameter begins.
fn check_delimiters(rest: &str) -> Result<(), RedisAddressError> {
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let is_query = after.trim_start_matches('/').starts_with('?') && after.split('@').next().is_some_and(has_parameter);
    if after.contains('@') && !is_query && !authority.contains('@') {
        return Err(RedisAddressError::RawDelimiter);
    }
    if let Some((path, _)) = after.strip_prefix('/').and_then(|path| path.split_once('@'))
        && !path.contains('?')
    {
        return Err(RedisAddressError::RawDelimiter);
    }
    if after.contains('#') { Err(RedisAddressError::Fragment) } else { Ok(()) }
}

/// Whether a parameter that is known begins in this text.
fn has_parameter(text: &str) -> bool {
    QUERY_PARAMETERS.into_iter().flat_map(|(_, names)| names).any(|name| text.contains(&format!("{name}=")))
}

fn check_percent_encoding(rest: &str) -> Result<(), RedisAddressError> {
    let mut decoded = vec![];
    let mut bytes = rest.as_bytes();
    while let Some((first, after)) = bytes.split_first() {
        let (byte, after) = match (first, after) {
            (b'%', [one, two, after @ ..]) => {
                let mut byte = [0];
                hex::decode_to_slice([*one, *two], &mut byte).map_err(|_| RedisAddressError::PercentEncoding)?;
                (byte[0], after)
            }
            (b'%', _) => return Err(RedisAddressError::PercentEncoding),
            (byte, after) => (*byte, after),
        };
        decoded.push(byte);
        bytes = after;
    }
    std::str::from_utf8(&decoded).map(drop).map_err(|_| RedisAddressError::PercentEncoding)
}

fn host_error(error: ParseError) -> RedisAddressError {
    match error {
        ParseError::EmptyHost => RedisAddressError::NoHost,
        ParseError::InvalidPort => RedisAddressError::Port,
        ParseError::InvalidIpv4Address
        | ParseError::InvalidIpv6Address
        | ParseError::InvalidDomainCharacter
        | ParseError::IdnaError => RedisAddressError::Host,
        _ => RedisAddressError::Unreadable,
    }
}

fn check_host(url: &Url) -> Result<(), RedisAddressError> {
    match url.host_str() {
        None | Some("") => Err(RedisAddressError::NoHost),
        Some(hosts) if hosts.contains(',') => Err(RedisAddressError::SeveralHosts),
        Some(_) if url.port() == Some(0) => Err(RedisAddressError::Port),
        Some(_) => Ok(()),
    }
}

fn check_database(url: &Url, kind: &str) -> Result<(), RedisAddressError> {
    let number = match url.path() {
        "" | "/" => return Ok(()),
        path => path.trim_start_matches('/'),
    };
    if matches!(kind, "-cluster" | "-shards") {
        return Err(RedisAddressError::NoDatabases);
    }
    number.parse::<u8>().map(drop).map_err(|_| RedisAddressError::Database)
}

/// Each parameter is known, and those that are read once are there once.
fn check_parameters(url: &Url, known: &[&'static str]) -> Result<(), RedisAddressError> {
    let mut seen = vec![];
    for (name, _) in url.query_pairs() {
        let Some(known_name) = known.iter().find(|known| **known == name) else {
            return Err(unknown_parameter(&name, seen.contains(&"sentinelPassword"), known));
        };
        if seen.contains(known_name) && *known_name != "node" {
            return Err(RedisAddressError::RepeatedParameter(known_name));
        }
        seen.push(known_name);
    }
    Ok(())
}

fn unknown_parameter(name: &str, is_after_password: bool, known: &[&str]) -> RedisAddressError {
    let is_name = name.len() <= 32 && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_' || b == b'-');
    // What comes after a raw & in a password looks like a parameter.
    let name = if is_name && !is_after_password { name } else { "of such a name (a & in a password is %26)" };
    let known = match known {
        [] => "redis:// takes none; other layouts have their own scheme, such as redis-cluster://".to_owned(),
        known => format!("there are {}", known.join(", ")),
    };
    RedisAddressError::UnknownParameter { name: name.to_owned(), known }
}

fn parameter<'a>(url: &'a Url, name: &str) -> Option<Cow<'a, str>> {
    url.query_pairs().find(|(parameter, _)| parameter == name).map(|(_, value)| value)
}

/// Refuses a user without a password, and a password that would be read as another one.
fn check_passwords(url: &Url) -> Result<(), RedisAddressError> {
    if !url.username().is_empty() && url.password().is_none_or(str::is_empty) {
        return Err(RedisAddressError::NoPassword);
    }
    let [user, password] = ["sentinelUsername", "sentinelPassword"].map(|name| parameter(url, name));
    let is_user_set = user.is_some_and(|user| !user.is_empty());
    if password.as_deref().map_or(is_user_set, str::is_empty) {
        return Err(RedisAddressError::NoSentinelPassword);
    }
    let mut pairs = url.query().unwrap_or_default().split('&');
    let has_plus = |pair: &str| {
        let written = ["sentinelUsername=", "sentinelPassword="].iter().find_map(|name| pair.strip_prefix(name));
        written.is_some_and(|written| written.contains('+'))
    };
    if pairs.any(has_plus) { Err(RedisAddressError::Plus) } else { Ok(()) }
}

/// The servers in the parameters `node`.
fn other_nodes(url: &Url) -> Result<Vec<Server>, RedisAddressError> {
    let nodes = url.query_pairs().filter(|(name, _)| name == "node");
    nodes.map(|(_, node)| parse_node(&node).ok_or(RedisAddressError::Node)).collect()
}

/// Parses `host:port`.
fn parse_node(node: &str) -> Option<Server> {
    let (host, port) = node.rsplit_once(':')?;
    // Without brackets, an IPv6 address ends in what looks like a port.
    let is_ambiguous = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    let host = Host::parse(host).ok().filter(|_| !is_ambiguous)?.to_string();
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Some(without_brackets(Server::new(host, port)))
}

/// An IPv6 address has brackets in a URL, but must have none when it is resolved.
pub(crate) fn without_brackets(server: Server) -> Server {
    let host = server.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host.map(|host| Server::new(host, server.port)).unwrap_or(server)
}

fn without_nodes(mut url: Url) -> String {
    let others: Vec<_> = url
        .query_pairs()
        .filter(|(name, _)| name != "node")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(others);
    url.into()
}

/// What `sentinelTls` says.
fn sentinels_have_tls(url: &Url) -> Result<Option<bool>, RedisAddressError> {
    let parse = |value: Cow<str>| value.parse().map_err(|_| RedisAddressError::SentinelTls);
    parameter(url, "sentinelTls").map(parse).transpose()
}
