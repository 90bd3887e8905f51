//! Why a connection can't be made, in words that tell an operator what to do. No I/O.
//!
//! The client library tells it by the text of its error. Tests with real servers hold that each is recognized.

use std::fmt;

use fred::error::{Error, ErrorKind};

use crate::{
    connection::heartbeat::ExpectedRole,
    error::{error_code, is_forbidden, is_unknown_command, text_of},
};

/// Why an attempt to connect failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum UnreachableCause {
    /// The name has no address, or the resolver says nothing. It has the resolver's words.
    NameResolution(String),
    NothingListens,
    NoRoute,
    /// Connected or not: nothing came back in time.
    NoAnswer {
        tls: bool,
    },
    /// It closes the connection as soon as it is asked something.
    ClosedAtOnce {
        tls: bool,
    },
    NoTls,
    ForeignName,
    UntrustedCertificate,
    /// The server shows the certificate of an authority, its own.
    AuthorityAsServer,
    /// Any other fault of the certificate, in the TLS library's words.
    BadCertificate(String),
    WantsCertificate,
    /// Another fault of TLS.
    Tls(String),
    NotRedis,
    WrongPassword,
    WrongSentinelPassword,
    NoPassword,
    NoSentinelPassword,
    /// Our user may not use a database by its number.
    DatabaseForbidden,
    /// It knows no numbers of databases, as a sentinel.
    NoDatabases,
    /// It has fewer databases.
    NoSuchDatabase,
    /// A node of a Cluster, which has no numbers of databases.
    ClusterNode,
    TooManyClients,
    NoHello,
    /// Redis refuses the connection, in its own words.
    Refused(String),
    Other(String),
}

impl UnreachableCause {
    /// What an error of the client says. `tls` is whether the connection uses TLS, `expected` what it should lead to, and
    /// `was_open` whether the server had accepted it and was not heard of since. `None` if it says nothing.
    pub(crate) fn of(error: &Error, tls: bool, expected: ExpectedRole, was_open: bool) -> Option<Self> {
        let text = error.details();
        let cause = match error.kind() {
            ErrorKind::Canceled if was_open => Self::ClosedAtOnce { tls },
            ErrorKind::Canceled => return None,
            ErrorKind::Timeout => Self::NoAnswer { tls },
            ErrorKind::Protocol | ErrorKind::Parse => Self::NotRedis,
            ErrorKind::IO | ErrorKind::Tls => Self::of_io(text, tls),
            _ => Self::of_answer(error, expected),
        };
        Some(cause)
    }

    /// `text` is an error of the operating system or of the TLS library, as `Debug` writes it.
    fn of_io(text: &str, tls: bool) -> Self {
        const OF_TEXT: [(&str, UnreachableCause); 9] = [
            ("kind: ConnectionRefused", UnreachableCause::NothingListens),
            ("kind: HostUnreachable", UnreachableCause::NoRoute),
            ("kind: NetworkUnreachable", UnreachableCause::NoRoute),
            ("InvalidMessage(InvalidContentType)", UnreachableCause::NoTls),
            ("InvalidCertificate(NotValidForName", UnreachableCause::ForeignName),
            ("InvalidCertificate(UnknownIssuer)", UnreachableCause::UntrustedCertificate),
            ("InvalidCertificate(BadSignature)", UnreachableCause::UntrustedCertificate),
            ("CaUsedAsEndEntity", UnreachableCause::AuthorityAsServer),
            ("CertificateRequired", UnreachableCause::WantsCertificate),
        ];
        const CLOSED: [&str; 4] = ["ConnectionReset", "ConnectionAborted", "BrokenPipe", "UnexpectedEof"];
        if let Some((_, cause)) = OF_TEXT.into_iter().find(|(part, _)| text.contains(part)) {
            return cause;
        }
        if let Some((_, certificate)) = text.split_once("InvalidCertificate(") {
            return Self::BadCertificate(certificate.trim_end_matches([' ', '}', ')']).to_owned());
        }
        if text.contains("kind: TimedOut") {
            return Self::NoAnswer { tls };
        }
        if CLOSED.iter().any(|kind| text.contains(kind)) {
            return Self::ClosedAtOnce { tls };
        }
        if tls && text.contains("kind: InvalidData") {
            Self::Tls(text.to_owned())
        } else {
            Self::Other(text.to_owned())
        }
    }

    /// The server's answer to `HELLO` or `SELECT`.
    fn of_answer(error: &Error, expected: ExpectedRole) -> Self {
        match (error_code(error), expected) {
            ("WRONGPASS", ExpectedRole::Sentinel) => Self::WrongSentinelPassword,
            ("WRONGPASS", _) => Self::WrongPassword,
            ("NOAUTH", ExpectedRole::Sentinel) => Self::NoSentinelPassword,
            ("NOAUTH", _) => Self::NoPassword,
            ("NOPROTO", _) => Self::NoHello,
            _ if error.details().to_ascii_lowercase().contains("select") => Self::of_select(error),
            _ if error.details().starts_with("ERR DB index is out of range") => Self::NoSuchDatabase,
            _ if error.details().starts_with("ERR max number of clients") => Self::TooManyClients,
            _ if is_unknown_command(error) => Self::NoHello,
            _ => Self::Refused(text_of(error).to_owned()),
        }
    }

    /// The server's answer to `SELECT`, which it names.
    fn of_select(error: &Error) -> Self {
        if is_forbidden(error) {
            Self::DatabaseForbidden
        } else if is_unknown_command(error) {
            Self::NoDatabases
        } else if error.details().ends_with("not allowed in cluster mode") {
            Self::ClusterNode
        } else {
            Self::Refused(text_of(error).to_owned())
        }
    }
}

/// Says it to an operator, with what to do.
impl fmt::Display for UnreachableCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NameResolution(error) => {
                return write!(
                    f,
                    "its name can't be resolved ({error}). Check the name in bus.url, and that this pod's DNS answers"
                );
            }
            Self::NothingListens => {
                "nothing listens at its port. Check that Redis runs there, and host and port in bus.url"
            }
            Self::NoRoute => "there is no way to it in the network. Check host in bus.url, network policies and routes",
            Self::NoAnswer { tls: false } => {
                "it doesn't answer within 2 seconds. Check that a firewall or network policy lets this pod reach it, and \
                 whether the server is overloaded"
            }
            Self::NoAnswer { tls: true } => {
                "it doesn't answer to TLS within 2 seconds. If it has no TLS at this port, begin bus.url with redis in \
                 place of rediss, or name its TLS port. Otherwise check that a firewall or network policy lets this pod \
                 reach it"
            }
            Self::ClosedAtOnce { tls: false } => {
                "it closes the connection at once. If it has TLS at this port, begin bus.url with rediss. If it is a \
                 proxy, check that there are servers behind it"
            }
            Self::ClosedAtOnce { tls: true } => {
                "it closes the connection at once. If it is a proxy, check that there are servers behind it. If it wants \
                 certificates of its clients, set tls-auth-clients no there: pods have none"
            }
            Self::NoTls => {
                "it doesn't speak TLS at this port. Begin bus.url with redis in place of rediss, or name its TLS port"
            }
            Self::ForeignName => {
                "its certificate is for another name. Write the host in bus.url as the certificate has it, or give the \
                 server a certificate for this name. (In a Cluster and under Sentinel, servers announce their names: \
                 cluster-announce-hostname, sentinel announce-hostnames)"
            }
            Self::UntrustedCertificate => {
                "its certificate is signed by an authority that this pod doesn't trust. Name the authority's PEM file in \
                 bus.ca"
            }
            Self::AuthorityAsServer => {
                "its certificate is the one of an authority (CA:TRUE), as openssl req -x509 makes it, and no server may use \
                 that. Sign a certificate for the server with it, and name the authority's PEM file in bus.ca"
            }
            Self::BadCertificate(fault) => {
                return write!(f, "its certificate is not valid ({fault}). Give the server another one");
            }
            Self::WantsCertificate => {
                "it wants certificates of its clients, and pods have none. Set tls-auth-clients no there"
            }
            Self::Tls(error) => return write!(f, "TLS with it fails: {error}"),
            Self::NotRedis => {
                "it answers, but not as Redis does. Check host and port in bus.url: a web server, or another service, \
                 may be there"
            }
            Self::WrongPassword => {
                "it refuses the user or the password (WRONGPASS). Compare bus.url with the users of this server; each \
                 server has its own. In a URL, special characters are written as %40. If a sentinel is at this port, begin \
                 bus.url with redis-sentinel"
            }
            Self::WrongSentinelPassword => {
                "it refuses the user or the password for sentinels (WRONGPASS). Compare sentinelUsername and \
                 sentinelPassword in bus.url with the users of this sentinel, which aren't those of Redis. With requirepass \
                 there is no user. If Redis itself is at this port, name the port of a sentinel"
            }
            Self::NoPassword => "it wants a user and a password (NOAUTH). Write them into bus.url, before the @",
            Self::NoSentinelPassword => {
                "it wants a password (NOAUTH), and Redis's own isn't sent to sentinels. Add sentinelPassword, and \
                 sentinelUsername if the sentinel has users, to bus.url. If Redis itself is at this port, name the port of a \
                 sentinel, or begin bus.url with redis in place of redis-sentinel"
            }
            Self::DatabaseForbidden => {
                "its user may not choose a database (SELECT). Remove the number after the port from bus.url: Scenecast needs \
                 a Redis of its own, and deploy/redis/users.acl doesn't grant +select"
            }
            Self::NoDatabases => {
                "it doesn't know SELECT. Remove the number after the port from bus.url. If a sentinel is at this port, begin \
                 bus.url with redis-sentinel"
            }
            Self::NoSuchDatabase => {
                "it has no database with this number. Remove the number after the port from bus.url"
            }
            Self::ClusterNode => {
                "it is a node of a Redis Cluster. Begin bus.url with redis-cluster, and remove the number after the port"
            }
            Self::TooManyClients => {
                "it has as many clients as its maxclients allows. Raise maxclients there, or find who holds so many \
                 connections with CLIENT LIST"
            }
            Self::NoHello => {
                "it doesn't know HELLO 3. Redis 7.0 or newer is needed. If a proxy is there, go to Redis without it"
            }
            Self::Refused(answer) => return write!(f, "it refuses the connection: {answer}"),
            Self::Other(error) => return write!(f, "{error}"),
        };
        f.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(kind: ErrorKind, text: &'static str) -> UnreachableCause {
        UnreachableCause::of(&Error::new(kind, text), true, ExpectedRole::Primary, false).unwrap()
    }

    /// A test with servers holds the others.
    #[test]
    fn faults_that_no_test_server_has_are_recognized() {
        use UnreachableCause::{BadCertificate, NoAnswer, NoRoute, Refused, Tls, UntrustedCertificate};
        let io = |text| cause(ErrorKind::IO, text);
        assert_eq!(io("Os { code: 113, kind: HostUnreachable, message: \"No route to host\" }"), NoRoute);
        assert_eq!(io("Os { code: 110, kind: TimedOut, message: \"timed out\" }"), NoAnswer { tls: true });
        let certificate = |fault: &str| format!("Custom {{ kind: InvalidData, error: InvalidCertificate({fault}) }}");
        let of_certificate = |fault: &str| UnreachableCause::of_io(&certificate(fault), true);
        assert_eq!(of_certificate("Expired"), BadCertificate("Expired".to_owned()));
        assert_eq!(of_certificate("BadSignature"), UntrustedCertificate);
        assert!(matches!(io("Custom { kind: InvalidData, error: AlertReceived(HandshakeFailure) }"), Tls(_)));
        let denied = cause(ErrorKind::Unknown, "DENIED Redis is running in protected mode");
        assert_eq!(denied, Refused("DENIED Redis is running in protected mode".to_owned()));
    }

    #[test]
    fn a_connection_that_this_pod_ends_itself_says_nothing() {
        assert_eq!(UnreachableCause::of(&Error::new_canceled(), false, ExpectedRole::Primary, false), None);
    }
}
