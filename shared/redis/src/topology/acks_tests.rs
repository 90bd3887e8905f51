//! What the setting means, and which acknowledgements are enough.

use super::*;

fn server(host: &str) -> Server {
    Server::new(host, 6379)
}

#[test]
fn where_a_primary_has_replicas_one_of_them_must_acknowledge() {
    let none = || RequiredReplicas::count(0);
    for (setting, candidates, up, known, required) in [
        ("auto", none(), 0, 0, RequiredAcks::count(0)),
        ("auto", none(), 0, 1, RequiredAcks::Unattainable(AckObstacle::NoReplica)),
        ("auto", none(), 1, 1, RequiredAcks::count(1)),
        ("auto", RequiredReplicas::count(2), 2, 3, RequiredAcks::count(2)),
        ("0", none(), 0, 2, RequiredAcks::count(0)),
        ("0", RequiredReplicas::count(2), 2, 2, RequiredAcks::count(2)),
        ("1", none(), 0, 0, RequiredAcks::Unattainable(AckObstacle::NoReplica)),
        ("2", RequiredReplicas::count(1), 1, 2, RequiredAcks::Unattainable(AckObstacle::NoReplica)),
        ("2", RequiredReplicas::count(1), 2, 2, RequiredAcks::count(2)),
    ] {
        let min: MinReplicas = setting.parse().unwrap();
        assert_eq!(min.required(candidates, up, known), required, "{setting}, {up} of {known} up");
    }
}

#[test]
fn a_setting_that_is_no_number_of_replicas_is_refused() {
    for text in ["", "-1", "101", "1.5", "Auto", "none", "99999999999999999999"] {
        assert!(text.parse::<MinReplicas>().is_err(), "{text}");
    }
}

#[test]
fn a_replica_that_would_not_be_promoted_does_not_stand_in_for_one_that_would() {
    let required = RequiredReplicas::named([server("10.0.0.1")].into());
    assert!(!required.are_met_by(&[]));
    assert!(!required.are_met_by(&[server("10.0.0.2")]));
    assert!(required.are_met_by(&[server("10.0.0.2"), server("10.0.0.1")]));
    assert!(!required.are_met_by(&[Server::new("10.0.0.1", 6380)]));
    assert!(required.are_met_by(&[server("redis-1.example")]), "a name can't be compared with an address");
    let both = RequiredReplicas::named([server("10.0.0.1"), server("10.0.0.2")].into());
    assert!(!both.are_met_by(&[server("redis-1.example")]), "but it is one server only");
}
