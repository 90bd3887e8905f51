//! The addresses on which a process listens. No I/O.

use std::net::SocketAddr;

use super::error::ConfigError;

/// Refuses each listener that would have the port of one before it. Each is given with its name in the configuration. Port 0 is any
/// free port, so it is never the same.
pub fn check_listeners(listeners: &[(&str, SocketAddr)]) -> Result<(), ConfigError> {
    ConfigError::all(listeners.iter().enumerate().map(|(n, (place, address))| {
        let same = listeners[..n].iter().find(|(_, other)| overlap(*other, *address));
        same.map_or(Ok(()), |(other, _)| {
            let problem = "each listener needs its own: they are for different clients";
            Err(ConfigError::at(place, format_args!("has the port of {other}, too; {problem}")))
        })
    }))
}

/// Whether a connection to the one could reach the other.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let is_any = |address: SocketAddr| address.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || is_any(one) || is_any(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_listener_with_a_port_of_another_is_named() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let checked = check_listeners(&[("a", at(1)), ("b", at(2)), ("c", at(1)), ("d", at(3)), ("e", at(2))]);
        let texts = checked.unwrap_err().texts();
        assert!(
            matches!(&*texts, [c, e] if c.starts_with("c: has the port of a,") && e.starts_with("e: has the port of b,")),
            "{texts:?}"
        );
    }

    #[test]
    fn two_listeners_with_one_port_are_refused() {
        for (one, other, refused) in [
            ("0.0.0.0:8081", "0.0.0.0:8081", true),
            ("0.0.0.0:8081", "127.0.0.1:8081", true),
            ("[::]:8081", "10.0.0.1:8081", true),
            ("10.0.0.1:8081", "10.0.0.2:8081", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:8081", "0.0.0.0:8082", false),
        ] {
            let listeners = [("listen.public", one.parse().unwrap()), ("listen.admin", other.parse().unwrap())];
            let checked = check_listeners(&listeners);
            assert_eq!(checked.is_err(), refused, "{one} {other}");
            if let Err(error) = checked {
                assert!(error.to_string().starts_with("listen.admin: has the port of listen.public"), "{error}");
            }
        }
    }
}
