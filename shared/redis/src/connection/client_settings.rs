//! The client library's client for one server, as we set it up.

use std::time::Duration;

use fred::{
    clients::Client,
    types::{
        Builder, RespVersion,
        config::{Config, ReconnectPolicy, Server, ServerConfig, TcpConfig},
    },
};

use crate::connection::hello::hello_word;

/// How long a command may take. Later, whether it was carried out is undecided.
pub(crate) const COMMAND_LIMIT: Duration = Duration::from_secs(2);
/// The client's own delay before it would connect again: a day. It is replaced as soon as its connection ends. Without a
/// policy of its own it would keep the commands that reach it after its end, in place of failing them.
const A_DAY_MS: u32 = 86_400_000;

/// What the clients of one connection have in common.
pub(crate) struct ClientSettings {
    pub(crate) config: Config,
    pub(crate) message_capacity: usize,
}

impl ClientSettings {
    /// A client that makes one connection to this server.
    pub(crate) fn client_of(&self, server: Server) -> Client {
        let message_capacity = self.message_capacity;
        let mut config = Config { server: ServerConfig::Centralized { server }, ..self.config.clone() };
        config.username = config.username.as_deref().map(hello_word);
        config.password = config.password.as_deref().map(hello_word);
        config.version = RespVersion::RESP3;
        // Its first attempt to connect is its last.
        config.fail_fast = true;
        Builder::from_config(config)
            .with_connection_config(|connection| {
                connection.connection_timeout = COMMAND_LIMIT;
                connection.internal_command_timeout = COMMAND_LIMIT;
                // A script call is one small packet. To wait for more to send would only delay it.
                connection.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
            })
            .with_performance_config(|performance| {
                performance.default_command_timeout = COMMAND_LIMIT;
                performance.broadcast_channel_capacity = message_capacity;
            })
            .set_policy(ReconnectPolicy::new_constant(0, A_DAY_MS))
            .build()
            .expect(
                "the configuration comes from an address that was parsed, and uses no option that a build can refuse",
            )
    }
}
