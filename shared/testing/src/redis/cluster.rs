//! A real Redis Cluster of a test's own.

use std::{collections::BTreeMap, ops::RangeInclusive};

use futures_util::future::join_all;

use crate::{
    redis::{
        launch::{ServerKind, ServerSettings},
        partition::place,
        server::{RedisServer, together},
    },
    tls::CertificateAuthority,
    until,
};

/// How long a node may be silent until the others call it failed. Redis's own 15 s are longer than WeChat tries.
const NODE_TIMEOUT_MS: &str = "2000";
const SLOTS: usize = 16_384;

/// Primaries that share the slots, and their replicas. Nodes have numbers: first come those that began
/// as primaries, then those that began as their replicas, in turn.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

/// How a node sees itself.
struct NodeView {
    id: String,
    is_primary: bool,
    primary: String,
    epoch: u64,
    slots: Vec<RangeInclusive<u16>>,
}

impl RedisCluster {
    /// Three primaries with a replica each, in step with each other.
    pub async fn start() -> Self {
        Self::start_with(3, 1).await
    }

    /// So many primaries, with so many replicas each.
    pub async fn start_with(primaries: usize, replicas: usize) -> Self {
        Self::start_nodes(primaries, replicas, |_| ServerSettings::default(), None).await
    }

    /// The same, where everybody speaks TLS only.
    pub async fn start_with_tls(primaries: usize, replicas: usize, authority: &CertificateAuthority) -> Self {
        let settings = ServerSettings { tls: true, ..ServerSettings::default() };
        Self::start_nodes(primaries, replicas, |_| settings.clone(), Some(authority)).await
    }

    /// Three primaries with a replica each, of which any can be cut off from all others.
    pub async fn start_divisible() -> Self {
        Self::start_nodes(3, 1, |n| ServerSettings { place: Some(place(n)), ..ServerSettings::default() }, None).await
    }

    async fn start_nodes(
        primaries: usize,
        replicas: usize,
        settings: impl Fn(usize) -> ServerSettings,
        authority: Option<&CertificateAuthority>,
    ) -> Self {
        let nodes = (0..primaries * (1 + replicas)).map(|n| start_node(settings(n), authority));
        let cluster = Self { nodes: join_all(nodes).await };
        for (n, node) in cluster.nodes.iter().enumerate() {
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]).await;
            if n < primaries {
                let (first, last) = (n * SLOTS / primaries, (n + 1) * SLOTS / primaries - 1);
                node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await;
            }
        }
        for node in &cluster.nodes[1..] {
            cluster.meet(node).await;
        }
        for (n, replica) in cluster.nodes[primaries..].iter().enumerate() {
            let primary = cluster.id(n % primaries).await;
            until("the replica knows its primary", async || {
                replica.cli(&["CLUSTER", "REPLICATE", &primary]).await.is_ok()
            })
            .await;
        }
        cluster.until_ok().await;
        cluster
    }

    /// Its address, by all of its nodes, as the default user, who may do everything.
    pub fn url(&self) -> String {
        together(&self.nodes[0].url(), "cluster", &self.nodes[1..])
    }

    /// The same, as this user.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        together(&self.nodes[0].url_for(user, password), "cluster", &self.nodes[1..])
    }

    /// Its nodes, whatever they are now.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// One of them.
    pub fn node(&self, number: usize) -> &RedisServer {
        &self.nodes[number]
    }

    /// One of them, to stop or start it.
    pub fn node_mut(&mut self, number: usize) -> &mut RedisServer {
        &mut self.nodes[number]
    }

    /// Makes a user on all nodes.
    pub async fn add_user(&self, user: &str, password: &str, rules: &str) {
        join_all(self.nodes.iter().map(|node| node.add_user(user, password, rules))).await;
    }

    /// The slot of a key.
    pub fn slot_of(key: &str) -> u16 {
        scenecast_redis::Slot::of(key).number()
    }

    /// Which node has this slot; waits until one that is up has it. Of two, the one of the newer epoch.
    pub async fn primary_of(&self, slot: u16) -> usize {
        let mut primary = None;
        until("a node that is up has the slot", async || {
            let owners = self.views().await.into_iter().filter(|(_, view)| view.has(slot));
            primary = owners.max_by_key(|(_, view)| view.epoch).map(|(number, _)| number);
            primary.is_some()
        })
        .await;
        primary.expect("it was waited for")
    }

    /// Which nodes are primaries with slots.
    pub async fn primaries(&self) -> Vec<usize> {
        self.views()
            .await
            .into_iter()
            .filter(|(_, view)| view.is_primary && !view.slots.is_empty())
            .map(|(n, _)| n)
            .collect()
    }

    /// Which node that is up is a replica of that one.
    pub async fn replica_of(&self, primary: usize) -> usize {
        let id = self.id(primary).await;
        let views = self.views().await;
        views.into_iter().find(|(_, view)| view.primary == id).expect("it has a replica").0
    }

    /// Makes this replica take its primary's place, with all that it has; done when all agree that it has.
    /// Redis 7.0 takes the votes of an earlier election for those of one within eight seconds, so no node can
    /// do this twice in that time.
    pub async fn fail_over_to(&self, replica: usize) {
        // Before all know it for a replica that is in step, it would stand for election in vain.
        self.until_ok().await;
        self.nodes[replica].ask(&["CLUSTER", "FAILOVER"]).await;
        self.until_primary(replica).await;
        self.until_ok().await;
    }

    /// Done when this node is a primary.
    pub async fn until_primary(&self, node: usize) {
        until("the replica is a primary", async || self.view(node).await.is_primary).await;
    }

    /// Adds a primary without slots, and answers its number.
    pub async fn add_primary(&mut self) -> usize {
        let node = start_node(ServerSettings::default(), None).await;
        self.meet(&node).await;
        self.nodes.push(node);
        self.until_ok().await;
        self.nodes.len() - 1
    }

    /// Takes the last node out, which has no slots any more, and ends it.
    pub async fn remove_last(&mut self) {
        let (last, id) = (self.nodes.len() - 1, self.id(self.nodes.len() - 1).await);
        for node in self.nodes[..last].iter().filter(|node| node.is_up()) {
            node.ask(&["CLUSTER", "FORGET", &id]).await;
        }
        self.nodes.pop();
    }

    /// Moves so many slots from one primary to another with Redis's own tool.
    pub async fn reshard(&self, from: usize, to: usize, slots: usize) {
        let (address, slots) = (format!("127.0.0.1:{}", self.any().port()), slots.to_string());
        let (from, to) = (self.id(from).await, self.id(to).await);
        let command = ["--cluster", "reshard", &address, "--cluster-from", &from, "--cluster-to", &to];
        let options = ["--cluster-slots", &slots, "--cluster-yes"];
        self.any().ask(&[&command[..], &options].concat()).await;
        self.until_ok().await;
    }

    /// Done when all nodes that are up agree who they are and who replicates whom, have all slots between
    /// them, and the replicas are in step.
    pub async fn until_ok(&self) {
        let up: Vec<_> = self.nodes.iter().filter(|node| node.is_up()).collect();
        until("the Cluster is well", async || {
            let roles = join_all(up.iter().map(|node| roles(node))).await;
            roles[0].len() == up.len() && roles.iter().all(|view| *view == roles[0])
        })
        .await;
        for node in up {
            until("a node is in step", async || {
                let well = node.ask(&["CLUSTER", "INFO"]).await.contains("cluster_state:ok");
                let replication = node.info("replication").await;
                well && replication.get("master_link_status").is_none_or(|status| status == "up")
            })
            .await;
        }
    }

    /// The name by which nodes know this one.
    pub(crate) async fn id(&self, node: usize) -> String {
        self.view(node).await.id
    }

    fn any(&self) -> &RedisServer {
        self.nodes.iter().find(|node| node.is_up()).expect("one node is up")
    }

    async fn meet(&self, node: &RedisServer) {
        let [port, port_for_nodes] = [node.port(), node.port_for_nodes()].map(|port| port.to_string());
        self.any().ask(&["CLUSTER", "MEET", &node.place().to_string(), &port, &port_for_nodes]).await;
    }

    async fn views(&self) -> Vec<(usize, NodeView)> {
        let up = (0..self.nodes.len()).filter(|node| self.nodes[*node].is_up());
        join_all(up.map(async |node| (node, self.view(node).await))).await
    }

    async fn view(&self, node: usize) -> NodeView {
        let members = self.nodes[node].ask(&["CLUSTER", "NODES"]).await;
        members.lines().find_map(NodeView::of_myself).expect("a node knows itself")
    }
}

impl NodeView {
    /// Reads a line of `CLUSTER NODES`: id, address, flags, primary, ping, pong, epoch, link, slots.
    fn of_myself(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let [id, _, flags, primary, _, _, epoch, _] = std::array::from_fn(|_| fields.next().unwrap_or_default());
        flags.contains("myself").then(|| Self {
            id: id.to_owned(),
            is_primary: flags.contains("master"),
            primary: primary.to_owned(),
            epoch: epoch.parse().expect("an epoch is a number"),
            // A slot that is being moved is said once more, in brackets.
            slots: fields.filter(|slots| !slots.starts_with('[')).map(range).collect(),
        })
    }

    fn has(&self, slot: u16) -> bool {
        self.is_primary && self.slots.iter().any(|slots| slots.contains(&slot))
    }
}

/// Whom each node replicates and which slots it has, as this one knows it; but for those that have failed or
/// haven't come yet.
async fn roles(node: &RedisServer) -> BTreeMap<String, Vec<String>> {
    let members = node.ask(&["CLUSTER", "NODES"]).await;
    let known = members.lines().filter(|line| !line.contains("fail") && !line.contains("handshake"));
    let words = known.map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    words.map(|words| (words[0].clone(), [&words[3..4], &words[8..]].concat())).collect()
}

/// Reads `first-last`, or the only one.
fn range(slots: &str) -> RangeInclusive<u16> {
    let slot = |text: &str| text.parse::<u16>().expect("a slot is a number");
    let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
    slot(first)..=slot(last)
}

async fn start_node(settings: ServerSettings, authority: Option<&CertificateAuthority>) -> RedisServer {
    let arguments = ["--cluster-node-timeout", NODE_TIMEOUT_MS].map(str::to_owned).to_vec();
    RedisServer::start_as(ServerSettings { arguments, kind: ServerKind::Node, ..settings }, authority).await
}
