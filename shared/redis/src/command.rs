//! Redis commands as plain data, and how they are sent to one server.

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
    name: &'static str,
    args: Vec<Value>,
}

impl RedisCommand {
    pub(crate) fn new(name: &'static str, args: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        Self { name, args: args.into_iter().map(Into::into).collect() }
    }

    /// The command with more arguments after those that it has.
    pub(crate) fn with_args(mut self, args: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// `ROLE`: asks a server whether it is a primary, and for its replicas.
    pub(crate) fn role() -> Self {
        Self { name: "ROLE", args: vec![] }
    }

    /// `TIME`: asks a server for its clock.
    pub(crate) fn time() -> Self {
        Self { name: "TIME", args: vec![] }
    }

    /// `ASKING`: lets the next command on the connection use a slot that is still being moved to the server.
    fn asking() -> Self {
        Self { name: "ASKING", args: vec![] }
    }

    /// Sends it and waits for the answer. Don't send a command that blocks in Redis on a shared connection: all other
    /// commands on the connection would wait, too.
    pub(crate) async fn send(self, client: &Client) -> Result<Reply, Error> {
        // Boxed, because the client library's future has seven kilobytes, and each caller's would have them, too.
        Box::pin(client.custom(custom_command(self.name), self.args)).await
    }
}

/// Sends commands in this order, with no other command between them, and returns an answer for each. With `asking`,
/// `ASKING` goes before each.
pub(crate) async fn send_all(client: &Client, commands: &[RedisCommand], asking: bool) -> Vec<Result<Reply, Error>> {
    if let [command] = commands
        && !asking
    {
        return vec![command.clone().send(client).await];
    }
    Box::pin(send_pipeline(client, commands, asking, &Options::default())).await
}

/// [`send_all`], but never on two connections. If the connection ends half-way, the client would normally send the
/// unanswered commands again on its next connection, without the ones before. This gives up instead.
pub(crate) async fn send_all_on_one_connection(
    client: &Client,
    commands: &[RedisCommand],
    asking: bool,
) -> Vec<Result<Reply, Error>> {
    Box::pin(send_pipeline(client, commands, asking, &Options { max_attempts: Some(1), ..Options::default() })).await
}

async fn send_pipeline(
    client: &Client,
    commands: &[RedisCommand],
    asking: bool,
    options: &Options,
) -> Vec<Result<Reply, Error>> {
    let mut sequence = Vec::with_capacity(2 * commands.len());
    for command in commands {
        if asking {
            sequence.push(RedisCommand::asking());
        }
        sequence.push(command.clone());
    }
    let sent = sequence.len();
    let pipeline = client.pipeline();
    let queue = pipeline.with_options(options);
    for command in sequence {
        if let Err(error) = queue.custom::<(), _>(custom_command(command.name), command.args).await {
            return vec![Err(error); commands.len()];
        }
    }
    let mut answers = pipeline.try_all().await;
    if answers.len() != sent {
        // The client returns one error if it hit the whole pipeline.
        let error = answers.into_iter().find_map(Result::err).unwrap_or_else(Error::new_canceled);
        return vec![Err(error); commands.len()];
    }
    if asking {
        // Each command's answer comes after the one to its ASKING.
        answers = answers.into_iter().skip(1).step_by(2).collect();
    }
    answers
}

/// Sends a command without arguments, and waits for the answer.
pub(crate) async fn send_bare(client: &Client, name: &str) -> Result<Reply, Error> {
    client.custom(CustomCommand::new(name.to_owned(), ClusterHash::Random, false), vec![] as Vec<Value>).await
}

/// The items of an array; an empty slice if the reply is anything else.
pub(crate) fn array_items(reply: &Reply) -> &[Reply] {
    if let Reply::Array(items) = reply { items } else { &[] }
}

fn custom_command(name: &'static str) -> CustomCommand {
    // The cluster hash doesn't matter: each client knows one server only.
    CustomCommand::new_static(name, ClusterHash::Random, false)
}
