//! Why a text is no address of Redis. Nothing of the text is shown but the name of a parameter: it may have a password.

/// What is wrong with `bus.url`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisAddressError {
    /// `memory:` at a pod.
    #[error("memory: works only where everything runs in one process; this pod needs the URL of a Redis")]
    Memory,
    /// It begins with something else than one of our schemes.
    #[error(
        "must begin with redis://, redis-sentinel://, redis-cluster:// or redis-shards://, or with the same and rediss for \
         TLS, in small letters; the whole is redis://[user:password@]host:port[/db], and other layouts have their nodes"
    )]
    Scheme,
    /// No host is between the scheme, or the `@`, and the port.
    #[error("names no host; write it between :// (or the @ after the password) and the port")]
    NoHost,
    /// The host has characters that no name and no address has.
    #[error("the host must be a name, an IPv4 address, or an IPv6 address in brackets, such as [fd00::1]")]
    Host,
    /// Several hosts with commas, as other clients take them.
    #[error("has more than one host; name one, and the others by ?node=host:port&node=host:port")]
    SeveralHosts,
    /// What is after the host's colon is no port.
    #[error(
        "the port must be a number from 1 to 65535; an IPv6 address needs brackets around it, such as [fd00::1]:6379, and a \
         password needs the @ between it and the host"
    )]
    Port,
    /// The password ends the part of the URL where it is.
    #[error(
        "a /, ? or # stands before the @, so the password is cut off there; write / as %2F, ? as %3F, # as %23, @ as %40, : \
         as %3A and % as %25 in user and password"
    )]
    RawDelimiter,
    /// A `%` without two hexadecimal digits after it, or with what they encode not in UTF-8.
    #[error(
        "a % must have two hexadecimal digits after it, which encode UTF-8; write a % that belongs to a password as %25 (%40 \
         is @, %2F is /, %23 is #, %C3%A4 is ä)"
    )]
    PercentEncoding,
    /// Something comes after a `#`.
    #[error("has a #, after which nothing is read; write %23 for one that belongs to a password, or take it away")]
    Fragment,
    /// What comes after the port is no number of a database.
    #[error("after the port only the number of a database can come, /0 to /255")]
    Database,
    /// A database's number where there is none.
    #[error("a Cluster and shards have no database numbers; remove what comes after the port")]
    NoDatabases,
    /// A parameter that this layout doesn't have.
    #[error("has no parameter {name} here; {known}")]
    UnknownParameter {
        /// As it is written, if it can't be a part of a password.
        name: String,
        /// Which there are.
        known: String,
    },
    /// A parameter twice that is read once.
    #[error("has the parameter {0} twice")]
    RepeatedParameter(&'static str),
    /// The sentinels aren't told which primary is meant.
    #[error("lacks ?sentinelServiceName=name: the name under which the sentinels know the primary (often mymaster)")]
    NoServiceName,
    /// `sentinelTls` is neither.
    #[error("must have sentinelTls=true or sentinelTls=false")]
    SentinelTls,
    /// A `node` is no server.
    #[error("must write each node as host:port, with brackets around an IPv6 address")]
    Node,
    /// A user of Redis without a password: what is left where the variable of a password was never set.
    #[error("names a user of Redis without a password; put it between the user and the @")]
    NoPassword,
    /// The same for the sentinels.
    #[error("names a user of the sentinels without a password; put it into sentinelPassword")]
    NoSentinelPassword,
    /// A `+`, which means a blank in a query.
    #[error("a + in sentinelUsername or sentinelPassword would be a blank; write + as %2B, or a blank as %20")]
    Plus,
    /// TLS needs the system's certificates.
    #[error("can't read the system's CA certificates; install ca-certificates")]
    NoCertificates,
    /// The client library doesn't understand it for a reason of its own.
    #[error("can't be read as redis://[user:password@]host:port[/db], or as the address of another layout")]
    Unreadable,
}
