//! Connections and requests within and beyond each limit.

use std::time::Duration;

use scenecast_testing::metric_value;

use super::*;

fn admission(limits: AdmissionLimits) -> (Admission, Metrics) {
    let metrics = Metrics::new();
    let proxies = serde_json::from_str(r#"["192.0.2.1"]"#).unwrap();
    (Admission::new(limits, proxies, Rejections::new(&metrics)), metrics)
}

fn rejected(metrics: &Metrics, why: &str) -> Option<f64> {
    metric_value(&metrics.text(), "scenecast_turned_away_total", &[("why", why)])
}

fn peer(address: [u8; 4]) -> SocketAddr {
    (address, 50_000).into()
}

fn reason(admitted: Option<&Admitted>) -> Option<RejectReason> {
    match admitted.expect("a connection that is served or gets an answer") {
        Admitted::Served { .. } => None,
        Admitted::Rejected { reason, .. } => Some(*reason),
    }
}

#[test]
fn an_address_with_too_many_sockets_is_rejected() {
    let (admission, metrics) =
        admission(AdmissionLimits { connections: 100, sockets_per_address: 2, ..AdmissionLimits::default() });
    let one = peer([203, 0, 113, 1]);
    let held = [(); 3].map(|()| admission.admit(one));
    assert_eq!(held.each_ref().map(|admitted| reason(admitted.as_ref())), [None, None, Some(RejectReason::Sockets)]);
    for address in [[192, 0, 2, 1], [10, 0, 0, 1], [127, 0, 0, 1]] {
        let held = [(); 3].map(|()| admission.admit(peer(address)));
        let all_served = held.iter().all(|admitted| reason(admitted.as_ref()).is_none());
        assert!(all_served, "a proxy's sockets belong to its clients");
    }
    assert_eq!(rejected(&metrics, "sockets"), Some(1.0));
}

#[test]
fn a_connection_beyond_the_pods_rate_is_rejected() {
    let (admission, metrics) =
        admission(AdmissionLimits { connections: 100, connections_per_second: 2, ..AdmissionLimits::default() });
    let reasons = [1, 2, 3].map(|client| reason(admission.admit(peer([203, 0, 113, client])).as_ref()));
    assert_eq!(reasons, [None, None, Some(RejectReason::ConnectRate)]);
    assert_eq!(rejected(&metrics, "connects"), Some(1.0));
}

#[test]
fn an_address_that_connects_too_often_leaves_room_for_others() {
    let limits = AdmissionLimits {
        connections: 100,
        connections_per_second: 10,
        connections_per_second_of_address: 2,
        ..AdmissionLimits::default()
    };
    let (admission, metrics) = admission(limits);
    let flood = [(); 50].map(|()| admission.admit(peer([203, 0, 113, 1])));
    assert_eq!(flood.iter().flatten().count(), 2, "the others are closed without an answer");
    assert_eq!(rejected(&metrics, "hasty"), Some(48.0));
    for client in [2, 3, 4, 5] {
        for _ in 0..2 {
            assert_eq!(reason(admission.admit(peer([203, 0, 113, client])).as_ref()), None);
        }
    }
}

#[test]
fn without_a_free_reject_slot_a_connection_is_closed() {
    let (admission, metrics) = admission(AdmissionLimits { connections: 1, ..AdmissionLimits::default() });
    // It stands for many clients, and has no share.
    let client = peer([10, 0, 0, 1]);
    let mut held: Vec<_> = (0..=MAX_REJECT_SLOTS).map(|_| admission.admit(client)).collect();
    assert_eq!(reason(held[0].as_ref()), None);
    assert_eq!(reason(held[1].as_ref()), Some(RejectReason::Connections));
    assert!(admission.admit(client).is_none());
    assert_eq!(rejected(&metrics, "unheard"), Some(1.0));
    held.remove(0);
    assert_eq!(reason(admission.admit(client).as_ref()), None, "there is room again");
}

#[test]
fn one_address_leaves_reject_slots_to_others() {
    let (admission, metrics) = admission(AdmissionLimits { connections: 0, ..AdmissionLimits::default() });
    let told = |admitted: &[Option<Admitted>]| admitted.iter().flatten().count();
    let share = MAX_REJECT_SLOTS / 8;
    let flood: Vec<_> = (0..1000).map(|_| admission.admit(peer([203, 0, 113, 1]))).collect();
    assert_eq!(told(&flood), share);
    assert_eq!(rejected(&metrics, "unheard"), Some(968.0));
    let out_of_descriptors = || admission.reject(peer([203, 0, 113, 1]), RejectReason::Descriptors);
    assert!(out_of_descriptors().is_none(), "the share is the same for whatever reason");
    let other = admission.admit(peer([203, 0, 113, 2]));
    assert_eq!(reason(other.as_ref()), Some(RejectReason::Connections), "another address is told");
    let of_a_proxy: Vec<_> = (0..MAX_REJECT_SLOTS).map(|_| admission.admit(peer([192, 0, 2, 1]))).collect();
    assert_eq!(told(&of_a_proxy), MAX_REJECT_SLOTS - share - 1, "a proxy stands for many clients");
    drop(flood);
    assert!(out_of_descriptors().is_some(), "its slots are free again");
}

#[tokio::test(start_paused = true)]
async fn delayed_closes_leave_the_reject_slots_to_others() {
    let (admission, _) = admission(AdmissionLimits { connections: 0, ..AdmissionLimits::default() });
    let client = peer([203, 0, 113, 1]);
    // Of many clients, so that it has no share.
    let proxys = Some([10, 0, 0, 1].into());
    let delay = Duration::from_secs(5);
    let mut delayed = tokio::task::JoinSet::new();
    for _ in 0..DELAYED_CLOSES {
        let admitted = admission.admit(client).expect("a delayed close has given its reject slot back");
        delayed.spawn(async move { admitted.overloaded().unwrap().wait_before_close(proxys, delay).await });
        tokio::task::yield_now().await;
    }
    let one_more = admission.admit(client).expect("a reject slot is free");
    let started = tokio::time::Instant::now();
    one_more.overloaded().unwrap().wait_before_close(proxys, delay).await;
    assert_eq!(started.elapsed().as_secs(), 0, "it isn't delayed: too many are already");
    delayed.join_all().await;
    one_more.overloaded().unwrap().wait_before_close(proxys, delay).await;
    assert_eq!(started.elapsed(), 2 * delay);
}
