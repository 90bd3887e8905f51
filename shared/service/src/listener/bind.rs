//! Binds the address of a listener. `[::]` is all addresses of the machine, whatever the machine has.
//!
//! See docs/decisions/118-all-addresses-are-one-listener.md.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use rustix::{io::Errno, net::sockopt::set_ipv6_v6only};
use tokio::net::{TcpListener, TcpSocket};

/// How many connections the kernel completes before they are accepted: as many as tokio's own listener. More would come at
/// once than can be told why they are rejected.
const BACKLOG: u32 = 128;

/// Binds this address and listens on it. `[::]` is IPv6 and IPv4, also where the machine's `bindv6only` says that it is
/// IPv6 alone; and IPv4 alone where the machine has no IPv6, with a line in the log.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match listen_on(address) {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && is_without_ipv6(&error) => {
            let instead = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            tracing::info!(%address, %instead, %error, "this machine has no IPv6, so the process listens on its IPv4 addresses");
            listen_on(instead)
        }
        bound => bound,
    }
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(v6) => {
            let socket = TcpSocket::new_v6()?;
            set_ipv6_v6only(&socket, !v6.ip().is_unspecified())?;
            socket
        }
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whether this is how a kernel without IPv6 answers to `socket` or `bind`.
fn is_without_ipv6(error: &io::Error) -> bool {
    let error = Errno::from_io_error(error);
    matches!(error, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL | Errno::PROTONOSUPPORT))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn all_addresses_are_reached_by_ipv4_and_ipv6() {
        let listener = bind("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        for address in ["127.0.0.1", "::1"] {
            let (accepted, connected) = tokio::join!(listener.accept(), TcpStream::connect((address, port)));
            connected.unwrap();
            assert_eq!(accepted.unwrap().1.ip().to_canonical(), address.parse::<std::net::IpAddr>().unwrap());
        }
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_no_lack_of_ipv6() {
        let taken = bind("[::]:0".parse().unwrap()).unwrap();
        let port = taken.local_addr().unwrap().port();
        for again in ["[::]", "0.0.0.0", "127.0.0.1", "[::1]"] {
            let error = bind(format!("{again}:{port}").parse().unwrap()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{again}: {error}");
        }
    }

    #[test]
    fn what_a_kernel_without_ipv6_answers_is_told_from_other_errors() {
        for errno in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
            assert!(is_without_ipv6(&errno.into()), "{errno}");
        }
        for errno in [Errno::ADDRINUSE, Errno::ACCESS, Errno::MFILE, Errno::PERM] {
            assert!(!is_without_ipv6(&errno.into()), "{errno}");
        }
    }
}
