//! What is sent to Redis: commands as plain data, so that whoever routes them needn't know them.

use fred::{
    clients::Client,
    error::Error,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, Value, config::Options},
};

use crate::reply::Reply;

/// One command. Clones share its arguments.
#[derive(Debug, Clone)]
pub(crate) struct RedisCommand {
    verb: &'static str,
    args: Vec<Value>,
}

impl RedisCommand {
    pub(crate) fn new(verb: &'static str, args: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        Self { verb, args: args.into_iter().map(Into::into).collect() }
    }

    pub(crate) fn and(mut self, args: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Asks a node whether it is a primary, and who follows it.
    pub(crate) fn role() -> Self {
        Self { verb: "ROLE", args: vec![] }
    }

    /// Lets the next command of the same connection work on a slot that is on its way to this node.
    fn asking() -> Self {
        Self { verb: "ASKING", args: vec![] }
    }

    /// It doesn't block the client: what may wait in Redis has a connection of its own.
    pub(crate) async fn send(self, client: &Client) -> Result<Reply, Error> {
        client.custom(custom(self.verb), self.args).await
    }
}

/// Commands for one node, in this order and with nothing between them. Answers as many outcomes.
pub(crate) async fn send_all(client: &Client, commands: &[RedisCommand], asking: bool) -> Vec<Result<Reply, Error>> {
    if let ([command], false) = (commands, asking) {
        return vec![command.clone().send(client).await];
    }
    pipelined(client, commands, asking, &Options::default()).await
}

/// The same, and never in parts: where the connection ends, the client would send what has no answer yet again
/// on the next one, though it means nothing there without what came before it.
pub(crate) async fn send_together(
    client: &Client,
    commands: &[RedisCommand],
    asking: bool,
) -> Vec<Result<Reply, Error>> {
    pipelined(client, commands, asking, &Options { max_attempts: Some(1), ..Options::default() }).await
}

async fn pipelined(
    client: &Client,
    commands: &[RedisCommand],
    asking: bool,
    options: &Options,
) -> Vec<Result<Reply, Error>> {
    let pipeline = client.pipeline();
    let queue = pipeline.with_options(options);
    let put = async |command: RedisCommand| queue.custom::<(), _>(custom(command.verb), command.args).await;
    for command in commands {
        let queued = async {
            if asking {
                put(RedisCommand::asking()).await?;
            }
            put(command.clone()).await
        };
        if let Err(error) = queued.await {
            return vec![Err(error); commands.len()];
        }
    }
    let mut answers = pipeline.try_all().await;
    let sent = if asking { 2 * commands.len() } else { commands.len() };
    if answers.len() != sent {
        // The client answers what befell them all only once.
        let error = answers.into_iter().find_map(Result::err).unwrap_or_else(Error::new_canceled);
        return vec![Err(error); commands.len()];
    }
    if asking {
        answers = answers.into_iter().skip(1).step_by(2).collect();
    }
    answers
}

/// What an array has; nothing, if it isn't one.
pub(crate) fn items(reply: &Reply) -> &[Reply] {
    if let Reply::Array(items) = reply { items } else { &[] }
}

fn custom(verb: &'static str) -> CustomCommand {
    // A node's client has no choice of nodes.
    CustomCommand::new_static(verb, ClusterHash::Random, false)
}
