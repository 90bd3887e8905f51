//! Who is asked for the slot table, by layout, and how.

use std::{collections::HashSet, pin::pin};

use fred::types::config::Server;
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    address::Layout,
    command::{RedisCommand, send_all},
    connection::pool::ConnectionPool,
    error::{RedisError, RedisErrorKind},
    reply::Reply,
    role::PrimaryRole,
    topology::{
        acks::{AckObstacle, MinReplicas, RequiredAcks, RequiredReplicas},
        cluster::{ClusterState, ClusterView},
        limits::{ANSWER_LIMIT, STRAGGLER_LIMIT},
        problem::TopologyProblem,
        sentinel_poll::SentinelPoll,
        slots::{Primary, SlotTable},
    },
};

/// Where the slot table comes from.
pub(crate) enum TopologySource {
    /// The address names all primaries, so their slots are fixed. Each is asked only how many replicas it has.
    Fixed(FixedPrimaries),
    Sentinels(Box<SentinelPoll>),
    /// The nodes of a Cluster; `seeds` are asked while no other node is known or answers.
    Cluster {
        seeds: Vec<Server>,
        state: ClusterState,
    },
}

/// What a source tells.
pub(crate) struct TopologyAnswer {
    /// `None` if it can't tell now.
    pub(crate) table: Option<SlotTable>,
    /// What is in the way.
    pub(crate) problems: Vec<TopologyProblem>,
}

impl TopologyAnswer {
    fn known(table: SlotTable) -> Self {
        Self { table: Some(table), problems: vec![] }
    }

    fn unknown(problems: Vec<TopologyProblem>) -> Self {
        Self { table: None, problems }
    }
}

/// Primaries that nobody watches over.
pub(crate) struct FixedPrimaries {
    nodes: Vec<Server>,
    min_replicas: MinReplicas,
    may_ask_role: bool,
    /// Those that have had a replica. A primary doesn't remember replicas that are gone.
    replicated: HashSet<Server>,
}

impl TopologySource {
    /// The source for this layout. `connections` lead to sentinels, and are used only if the layout has any.
    pub(crate) fn new(layout: &Layout, connections: ConnectionPool, min_replicas: MinReplicas) -> Self {
        match layout.clone() {
            Layout::Independent(nodes) => {
                Self::Fixed(FixedPrimaries { nodes, min_replicas, may_ask_role: true, replicated: HashSet::new() })
            }
            Layout::Sentinel { sentinels, service } => {
                Self::Sentinels(Box::new(SentinelPoll::new(sentinels, service, connections, min_replicas)))
            }
            Layout::Cluster { seeds } => Self::Cluster { seeds, state: ClusterState::new(min_replicas) },
        }
    }

    /// What is known before any server was asked.
    pub(crate) fn initial_table(&self) -> SlotTable {
        match self {
            Self::Fixed(FixedPrimaries { nodes, .. }) => {
                let primary = |node: &Server| Primary { node: node.clone(), epoch: 0, required_acks: None };
                SlotTable::rendezvous(nodes.iter().map(primary).collect())
            }
            Self::Sentinels(_) | Self::Cluster { .. } => SlotTable::empty(),
        }
    }

    /// Asks for the table, over the connections in `nodes`. `ask_all` asks every node of a Cluster, because the table
    /// has probably changed; otherwise one is enough.
    pub(crate) async fn query(&mut self, current: &SlotTable, nodes: &ConnectionPool, ask_all: bool) -> TopologyAnswer {
        match self {
            Self::Fixed(primaries) => TopologyAnswer::known(primaries.update_required_acks(current, nodes).await),
            Self::Sentinels(sentinels) => {
                let (primary, problems) = sentinels.primary().await;
                let Some(mut primary) = primary else { return TopologyAnswer::unknown(problems) };
                if !current.has_primary(&primary.node)
                    && let Err(error) = confirm_promotion(&primary.node, nodes).await
                {
                    return match without_acknowledgements(current) {
                        Some(table) => TopologyAnswer { table: Some(table), problems },
                        None => TopologyAnswer::unknown(vec![error.into()]),
                    };
                }
                if sentinels.may_overlook_replicas(&primary) {
                    primary.required_acks = required_by_role(&primary.node, nodes).await;
                }
                TopologyAnswer { table: Some(SlotTable::rendezvous(vec![primary])), problems }
            }
            Self::Cluster { seeds, state } => {
                let mut asked = current.nodes();
                if !ask_all && !asked.is_empty() {
                    // Each node knows the whole Cluster. A random one is asked, because any one may be cut off.
                    asked = vec![asked.swap_remove(rand::random_range(0..asked.len()))];
                }
                let (mut views, mut problems) = ask_cluster_nodes(nodes, &asked).await;
                if views.is_empty() {
                    asked = [current.nodes(), seeds.clone()].concat();
                    (views, problems) = ask_cluster_nodes(nodes, &asked).await;
                }
                if views.is_empty() {
                    return TopologyAnswer::unknown(problems);
                }
                let table = state.merge(views, Instant::now().into_std());
                let problems = if table.has_all_slots() { vec![] } else { vec![TopologyProblem::SlotsWithoutNode] };
                TopologyAnswer { table: Some(table), problems }
            }
        }
    }
}

impl FixedPrimaries {
    /// Asks each primary how many replicas it has. A primary that doesn't answer keeps what it had.
    async fn update_required_acks(&mut self, current: &SlotTable, nodes: &ConnectionPool) -> SlotTable {
        let asked = current.primaries().map(|primary| ask(nodes, &primary.node, [RedisCommand::role()]));
        let answers = join_all(asked).await;
        let forbidden = current.primaries().zip(&answers).find(|(_, answer)| is_forbidden(answer));
        if let Some((primary, _)) = forbidden
            && self.may_ask_role
        {
            tracing::warn!(
                node = %primary.node,
                "this pod can't run ROLE at Redis, so logins don't wait for replicas and a failover can lose them. Grant its \
                 user +role; if a proxy doesn't know the command, go to Redis without it"
            );
            self.may_ask_role = false;
        }
        let mut required = Vec::with_capacity(answers.len());
        for (primary, answer) in current.primaries().zip(&answers) {
            required.push(match answer {
                // No primary: the address leads to a replica for now, which knows nothing of the primary's replicas.
                Ok([role]) => PrimaryRole::parse(role).map(|role| self.required_acks(&primary.node, &role)),
                answer if is_forbidden(answer) => Some(RequiredAcks::count(0)),
                Err(_) => primary.required_acks.clone(),
            });
        }
        current.clone().with_required_acks(required)
    }

    fn required_acks(&mut self, node: &Server, role: &PrimaryRole) -> RequiredAcks {
        let up = role.replica_count();
        if up > 0 {
            self.replicated.insert(node.clone());
        }
        let known = usize::from(self.replicated.contains(node));
        // Nothing says which replica would be promoted, so one must be enough.
        self.min_replicas.required(RequiredReplicas::count(up.min(1)), up, known)
    }
}

fn is_forbidden<T>(answer: &Result<T, RedisError>) -> bool {
    const REFUSALS: [RedisErrorKind; 2] = [RedisErrorKind::NotPermitted, RedisErrorKind::UnknownCommand];
    answer.as_ref().is_err_and(|error| REFUSALS.contains(&error.kind()))
}

/// Asks a node that sentinels name whether it is a primary. It may not know yet; and sentinels that are cut off may
/// name one that was replaced.
async fn confirm_promotion(node: &Server, nodes: &ConnectionPool) -> Result<(), RedisError> {
    let [role] = ask(nodes, node, [RedisCommand::role()]).await?;
    if PrimaryRole::parse(&role).is_some() {
        return Ok(());
    }
    let message = format!("sentinels name {node} as the primary, but it says that it is a replica");
    Err(RedisError::new(RedisErrorKind::NoPrimary, message))
}

/// What a primary of which sentinels know no replica needs: one of the replicas that it knows itself. Sentinels forget
/// them when they are reset, and find them again seconds later. `None` if it doesn't say.
async fn required_by_role(node: &Server, nodes: &ConnectionPool) -> Option<RequiredAcks> {
    match ask(nodes, node, [RedisCommand::role()]).await {
        Ok([role]) => PrimaryRole::parse(&role).map(|role| RequiredAcks::count(role.replica_count().min(1))),
        answer if is_forbidden(&answer) => Some(RequiredAcks::count(0)),
        Err(_) => None,
    }
}

/// The table that was known, at whose primaries nothing counts any more: sentinels name another one already. `None` if
/// there are none.
fn without_acknowledgements(current: &SlotTable) -> Option<SlotTable> {
    let obstacles: Vec<_> =
        current.primaries().map(|_| Some(RequiredAcks::Unattainable(AckObstacle::FailingOver))).collect();
    (!obstacles.is_empty()).then(|| current.clone().with_required_acks(obstacles))
}

/// The views of the nodes that answered, and why others didn't.
async fn ask_cluster_nodes(nodes: &ConnectionPool, asked: &[Server]) -> (Vec<ClusterView>, Vec<TopologyProblem>) {
    let views = asked.iter().map(async |node| {
        let command = |subcommand| RedisCommand::new("CLUSTER", [subcommand]);
        let answers = ask(nodes, node, [command("SLOTS"), command("NODES")]).await;
        let [slots, lines] = answers.map_err(|error| TopologyProblem::at_node(node, error))?;
        let view = ClusterView::parse(slots, &lines.into_string().unwrap_or_default(), node);
        view.ok_or_else(|| RedisError::malformed().into())
    });
    collect(views).await
}

/// Waits for answers. Returns those that came in time, and the other problems, for use if there was none.
async fn collect<T>(
    answers: impl Iterator<Item = impl Future<Output = Result<T, TopologyProblem>>>,
) -> (Vec<T>, Vec<TopologyProblem>) {
    let mut answers: FuturesUnordered<_> = answers.collect();
    let mut collected = vec![];
    let mut problems = vec![];
    let mut limit = pin!(sleep(ANSWER_LIMIT));
    loop {
        tokio::select! {
            Some(answer) = answers.next() => match answer {
                Ok(answer) => {
                    if collected.is_empty() {
                        limit.as_mut().reset(Instant::now() + STRAGGLER_LIMIT);
                    }
                    collected.push(answer);
                }
                Err(problem) => problems.push(problem),
            },
            () = &mut limit, if !answers.is_empty() => {
                problems.push(TopologyProblem::NoAnswer);
                return (collected, problems);
            }
            else => return (collected, problems),
        }
    }
}

async fn ask<const N: usize>(
    nodes: &ConnectionPool,
    node: &Server,
    commands: [RedisCommand; N],
) -> Result<[Reply; N], RedisError> {
    let connection = nodes.get(node);
    let deadline = Instant::now() + ANSWER_LIMIT;
    let permit = connection.permit(deadline).await?;
    let answers = timeout_at(deadline, send_all(&permit.client, &commands, false)).await;
    let answers: Vec<_> = answers.map_err(|_| RedisError::timed_out(node))?.into_iter().collect::<Result<_, _>>()?;
    Ok(answers.try_into().expect("send_all returns one answer for each command"))
}
