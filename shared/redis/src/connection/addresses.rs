//! Finds the IP addresses of a server's name, apart from the client.
//!
//! The client gives each attempt to connect two seconds, its own look-up of the name included. A resolver that lost a
//! packet answers after five. So names are resolved here, where nothing else waits for it, and an address that was good
//! once is used until there is another.
//!
//! See docs/decisions/075-names-are-resolved-outside-of-connect-limits.md.

use std::{io, net::IpAddr, pin::pin, time::Duration};

use fred::types::config::Server;
use tokio::{
    net::lookup_host,
    sync::Notify,
    time::{sleep, timeout},
};

use crate::connection::unreachable::UnreachableCause;

/// A look-up that takes longer is said in the log.
const SLOW_LOOKUP: Duration = Duration::from_secs(2);
/// The pause after a look-up that failed, while no address is known.
const RETRY_DELAY: Duration = Duration::from_millis(300);

/// The addresses of one server, one of which is in use.
pub(crate) struct ServerAddresses {
    node: Server,
    /// `None` if the server is known by its address, which never changes.
    name: Option<ResolvedName>,
}

/// A name that was resolved at least once.
struct ResolvedName {
    in_use: IpAddr,
}

impl ServerAddresses {
    /// Resolves the server's name, however long that takes. `report` is told why it takes long.
    pub(crate) async fn find(node: &Server, report: impl Fn(&UnreachableCause)) -> Self {
        let is_address = node.host.parse::<IpAddr>().is_ok();
        let name = if is_address { None } else { Some(ResolvedName::find(node, report).await) };
        Self { node: node.clone(), name }
    }

    /// The server at the address in use. Its certificate still has to be for its name.
    pub(crate) fn in_use(&self) -> Server {
        let Some(name) = &self.name else { return self.node.clone() };
        let mut server = Server::new(name.in_use.to_string(), self.node.port);
        server.tls_server_name = Some(self.node.host.clone());
        server
    }

    /// Looks the name up again after each notification on `attempt_failed`. Returns when another address is in use.
    pub(crate) async fn until_another(&mut self, attempt_failed: &Notify, report: impl Fn(&UnreachableCause)) {
        let Some(name) = &mut self.name else { return std::future::pending().await };
        loop {
            attempt_failed.notified().await;
            match look_up(&self.node, &report).await {
                Ok(addresses) if name.learn(&addresses) => return,
                Ok(_) => {}
                Err(error) => report(&UnreachableCause::NameResolution(error.to_string())),
            }
        }
    }
}

impl ResolvedName {
    async fn find(node: &Server, report: impl Fn(&UnreachableCause)) -> Self {
        loop {
            match look_up(node, &report).await {
                Ok(addresses) => return Self { in_use: addresses[0] },
                Err(error) => report(&UnreachableCause::NameResolution(error.to_string())),
            }
            sleep(RETRY_DELAY).await;
        }
    }

    /// Takes a new answer in, after the address in use has failed. Returns whether another one is in use now.
    fn learn(&mut self, addresses: &[IpAddr]) -> bool {
        let before = self.in_use;
        let position = addresses.iter().position(|address| *address == before);
        self.in_use = addresses[position.map_or(0, |position| (position + 1) % addresses.len())];
        self.in_use != before
    }
}

/// The addresses of a server's name; at least one.
async fn look_up(node: &Server, report: impl Fn(&UnreachableCause)) -> io::Result<Vec<IpAddr>> {
    let answer = patiently(lookup_host((&*node.host, node.port)), report).await?;
    let addresses: Vec<_> = answer.map(|address| address.ip()).collect();
    if addresses.is_empty() { Err(io::Error::other("the name has no address")) } else { Ok(addresses) }
}

/// Waits for the answer, and reports if that takes long.
async fn patiently<T>(lookup: impl Future<Output = T>, report: impl Fn(&UnreachableCause)) -> T {
    let mut lookup = pin!(lookup);
    if let Ok(answer) = timeout(SLOW_LOOKUP, &mut lookup).await {
        return answer;
    }
    report(&UnreachableCause::SlowNameResolution);
    lookup.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failed_attempt_another_address_of_the_name_is_used() {
        let [a, b, c] = [1, 2, 3].map(|last| IpAddr::from([10, 0, 0, last]));
        for (in_use, found, next) in [
            (a, vec![a], a),
            (a, vec![b], b),
            (a, vec![a, b], b),
            (b, vec![a, b], a),
            // Resolvers change the order from answer to answer.
            (b, vec![b, a], a),
            (c, vec![a, b], a),
        ] {
            let mut name = ResolvedName { in_use };
            assert_eq!((name.learn(&found), name.in_use), (next != in_use, next), "{in_use} {found:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_may_take_longer_than_an_attempt_to_connect() {
        for (seconds, told) in [(1, 0), (5, 1), (30, 1)] {
            let slow = std::cell::Cell::new(0);
            let lookup = async { sleep(Duration::from_secs(seconds)).await };
            patiently(lookup, |cause| {
                assert_eq!(cause, &UnreachableCause::SlowNameResolution);
                slow.set(slow.get() + 1);
            })
            .await;
            assert_eq!(slow.get(), told, "{seconds}");
        }
    }

    #[tokio::test]
    async fn a_name_is_connected_to_by_address_and_checked_by_name() {
        let by_name = ServerAddresses::find(&Server::new("localhost", 7000), |cause| panic!("{cause}")).await.in_use();
        assert!(by_name.host.parse::<IpAddr>().unwrap().is_loopback());
        assert_eq!((by_name.port, by_name.tls_server_name.as_deref()), (7000, Some("localhost")));
        for address in ["10.0.0.1", "fd00::1"] {
            let node = Server::new(address, 7000);
            assert_eq!(ServerAddresses::find(&node, |cause| panic!("{cause}")).await.in_use(), node);
        }
    }
}
