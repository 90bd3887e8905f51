//! The IP addresses of a server, which the client is given in place of its name.
//!
//! The client gives each attempt to connect two seconds, its own look-up of the name included. A resolver that lost a
//! packet answers after five. So names are resolved here, before each attempt, and an address that was good once is used
//! while the name server says nothing.
//!
//! See docs/decisions/075-names-are-resolved-outside-of-connect-limits.md.

use std::net::IpAddr;

use fred::types::config::Server;
use scenecast_names::{NameError, NameResolver};

/// The addresses of one server.
pub(crate) struct ServerAddresses {
    names: NameResolver,
    node: Server,
    last_good: Option<IpAddr>,
}

impl ServerAddresses {
    pub(crate) fn new(names: NameResolver, node: Server) -> Self {
        Self { names, node, last_good: None }
    }

    /// The server at each of its addresses, in the order in which to try them. Its certificate still has to be for its
    /// name. Fails if the name was never resolved.
    pub(crate) async fn look_up(&self) -> Result<Vec<Server>, NameError> {
        if self.is_known_by_address() {
            return Ok(vec![self.node.clone()]);
        }
        let mut addresses = self.names.resolve(&self.node.host).await?.to_vec();
        move_to_front(&mut addresses, self.last_good);
        Ok(addresses.into_iter().map(|address| self.at(address)).collect())
    }

    /// Remembers that it could be used at this address, so that it is tried there first.
    pub(crate) fn remember(&mut self, server: &Server) {
        self.last_good = server.host.parse().ok();
    }

    /// Returns when a look-up that was too slow for the last [`ServerAddresses::look_up`] says that the server isn't at
    /// this address any more; otherwise never.
    pub(crate) fn moved_from(&self, server: &Server) -> impl Future<Output = ()> + use<> {
        let late = self.names.in_progress(&self.node.host);
        let address = server.host.parse::<IpAddr>().ok();
        async move {
            if let Some(look_up) = late
                && let Ok(addresses) = look_up.await
                && !address.is_some_and(|address| addresses.contains(&address))
            {
                return;
            }
            std::future::pending::<()>().await;
        }
    }

    fn is_known_by_address(&self) -> bool {
        self.node.host.parse::<IpAddr>().is_ok()
    }

    fn at(&self, address: IpAddr) -> Server {
        let mut server = Server::new(address.to_string(), self.node.port);
        server.tls_server_name = Some(self.node.host.clone());
        server
    }
}

/// Name servers change the order of a name's addresses from answer to answer.
fn move_to_front(addresses: &mut [IpAddr], first: Option<IpAddr>) {
    if let Some(position) = addresses.iter().position(|address| Some(*address) == first) {
        addresses[..=position].rotate_right(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(host: &str) -> ServerAddresses {
        ServerAddresses::new(NameResolver::system(), Server::new(host, 7000))
    }

    #[test]
    fn the_address_that_was_good_is_tried_first_if_the_name_still_has_it() {
        let [a, b, c] = [1, 2, 3].map(|last| IpAddr::from([10, 0, 0, last]));
        for (last_good, found, order) in
            [(None, [a, b], [a, b]), (Some(a), [a, b], [a, b]), (Some(b), [a, b], [b, a]), (Some(c), [a, b], [a, b])]
        {
            let mut addresses = found;
            move_to_front(&mut addresses, last_good);
            assert_eq!(addresses, order, "{last_good:?}");
        }
    }

    #[tokio::test]
    async fn a_name_is_connected_to_by_address_and_checked_by_name() {
        let by_name = system("localhost").look_up().await.unwrap().remove(0);
        assert!(by_name.host.parse::<IpAddr>().unwrap().is_loopback());
        assert_eq!((by_name.port, by_name.tls_server_name.as_deref()), (7000, Some("localhost")));
        for address in ["10.0.0.1", "fd00::1"] {
            assert_eq!(system(address).look_up().await.unwrap(), [Server::new(address, 7000)]);
        }
    }
}
