//! Reads answers to `ROLE`.

use crate::{command::array_items, reply::Reply};

/// Whether this answer is a primary's.
pub(crate) fn is_primary(role: &Reply) -> bool {
    array_items(role).first().and_then(Reply::as_str).is_some_and(|role| role == "master")
}

/// How many replicas a node has; 0 if it is a replica itself.
pub(crate) fn replica_count(role: &Reply) -> usize {
    if is_primary(role) { array_items(role).get(2).map_or(0, |replicas| array_items(replicas).len()) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_role_tells_a_primary_and_its_replicas() {
        let role = |role: &str, rest: Vec<Reply>| {
            Reply::Array([Reply::from(role), Reply::Integer(42)].into_iter().chain(rest).collect())
        };
        let replica = Reply::Array(vec!["10.0.0.2".into(), "6379".into(), "42".into()]);
        for (role, primary, replicas) in [
            (role("master", vec![Reply::Array(vec![replica.clone(), replica])]), true, 2),
            (role("master", vec![Reply::Array(vec![])]), true, 0),
            (role("slave", vec![Reply::Integer(6379), "connected".into(), Reply::Integer(42)]), false, 0),
            (Reply::Null, false, 0),
        ] {
            assert_eq!((is_primary(&role), replica_count(&role)), (primary, replicas), "{role:?}");
        }
    }
}
