//! Which calls are not made, and until when.

use scenecast_metrics::Metrics;
use scenecast_wechat::ApiError;

use super::*;

const CALL: &str = "/cgi-bin/qrcode/create";

fn circuit() -> (Circuit, Clock, Metrics) {
    let (clock, metrics) = (Clock::default(), Metrics::new());
    let gauge = metrics.gauge_vec("wechat_circuit_open", "Calls.", &["account", "call", "why"]);
    (Circuit::new("demo".parse().unwrap(), clock.clone(), gauge), clock, metrics)
}

fn refusal(number: i64) -> CallError {
    ApiError::Refused { code: ErrorCode::from_number(number), number, message: String::new() }.into()
}

#[test]
fn each_code_has_its_pause() {
    for (numbers, of_account, of_person) in [
        (&[-1][..], None, None),
        (&[40003, 43004, 46004, 40029, 40163, 40226, 45011, 12345, 99999], Some(A_MINUTE), None),
        (&[47001, 40053, 41030, 40129, 40169, 40097, 45029, 40159], Some(A_MINUTE), None),
        (&[40001, 40014, 41001, 42001], Some(A_MINUTE), Some(A_MINUTE)),
        (&[40013, 40125, 40243, 41002, 41004, 40164, 45035, 61004], Some(A_MINUTE), Some(A_MINUTE)),
        (&[50002, 50007], Some(AN_HOUR), None),
        (&[45009, 89503, 48001, 48004, 50001, 61007], Some(AN_HOUR), Some(AN_HOUR)),
    ] {
        for number in numbers {
            let code = ErrorCode::from_number(*number);
            assert_eq!(pause(code, CallSubject::Account), of_account, "{number}");
            assert_eq!(pause(code, CallSubject::Person), of_person, "{number}");
        }
    }
}

/// Whether a call would begin now. It gets no answer.
fn begin(circuit: &Circuit, call: &'static str) -> Result<(), CallError> {
    circuit.begin(call).map(drop)
}

/// A call that has begun whether or not there is a pause.
fn begun(circuit: &Circuit) -> BegunCall {
    circuit.0.calls.lock().begin(CALL)
}

/// Records an answer to a new call, and gives the error that its caller gets.
fn record(circuit: &Circuit, subject: CallSubject, error: CallError) -> CallError {
    record_of(circuit, begun(circuit), subject, error)
}

fn record_of(circuit: &Circuit, call: BegunCall, subject: CallSubject, error: CallError) -> CallError {
    circuit.record::<()>(call, subject, Err(error)).unwrap_err()
}

fn not_made(code: ErrorCode) -> Result<(), CallError> {
    Err(CallError::NotMade(PauseReason::Refused(code)))
}

const UNANSWERED: CallError = CallError::NotMade(PauseReason::Unanswered);

#[tokio::test]
async fn a_refused_call_is_not_made_until_its_pause_is_over_and_other_calls_are() {
    let (circuit, clock, metrics) = circuit();
    assert_eq!(begin(&circuit, CALL), Ok(()));
    for _ in 0..2 {
        assert_eq!(record(&circuit, CallSubject::Account, refusal(45009)), refusal(45009), "its caller is told why");
    }
    assert_eq!(begin(&circuit, CALL), not_made(ErrorCode::DayQuota));
    assert_eq!(begin(&circuit, "/cgi-bin/user/info"), Ok(()));
    let shown = format!("scenecast_wechat_circuit_open{{account=\"demo\",call=\"{CALL}\",why=\"day_quota\"}} 1");
    assert!(metrics.text().contains(&shown), "{}", metrics.text());
    clock.advance(AN_HOUR);
    assert_eq!(begin(&circuit, CALL), Ok(()));
    assert!(!metrics.text().contains("circuit_open"), "{}", metrics.text());
}

#[tokio::test]
async fn a_call_without_an_answer_is_left_alone_from_the_third_time_on_and_then_one_is_tried() {
    let (circuit, clock, metrics) = circuit();
    let shown = format!("scenecast_wechat_circuit_open{{account=\"demo\",call=\"{CALL}\",why=\"unanswered\"}} 1");
    for hiccup in [CallError::TooSlow, refusal(-1)] {
        assert_eq!(record(&circuit, CallSubject::Account, hiccup.clone()), hiccup);
        assert_eq!(begin(&circuit, CALL), Ok(()), "{hiccup}");
    }
    assert_eq!(record(&circuit, CallSubject::Account, ApiError::Malformed(3).into()), UNANSWERED);
    for pause in [2, 4, 8, 16, 30, 30] {
        assert!(metrics.text().contains(&shown), "{}", metrics.text());
        clock.advance(Duration::from_secs(pause - 1));
        assert_eq!(begin(&circuit, CALL), Err(UNANSWERED), "{pause}");
        clock.advance(Duration::from_secs(1));
        assert_eq!(circuit.check(CALL), Ok(()), "{pause}");
        assert!(!metrics.text().contains("circuit_open"), "{}", metrics.text());
        assert_eq!(begin(&circuit, CALL), Ok(()), "{pause}");
        assert_eq!(begin(&circuit, CALL), Err(UNANSWERED), "one call is tried, and no other");
        assert_eq!(record(&circuit, CallSubject::Account, CallError::TooSlow), UNANSWERED);
    }
    clock.advance(Duration::from_secs(30));
    assert_eq!(begin(&circuit, CALL), Ok(()));
    clock.advance(TRIAL);
    assert_eq!(begin(&circuit, CALL), Ok(()), "the caller of the one before has gone");
    assert_eq!(circuit.record(begun(&circuit), CallSubject::Account, Ok(())), Ok(()));
    assert!(!metrics.text().contains("circuit_open"), "{}", metrics.text());
    for _ in 0..2 {
        assert_eq!(record(&circuit, CallSubject::Account, CallError::TooSlow), CallError::TooSlow, "counted anew");
        assert_eq!(begin(&circuit, CALL), Ok(()));
    }
}

#[tokio::test]
async fn calls_that_were_on_their_way_when_a_pause_began_or_an_answer_came_do_not_count() {
    let (circuit, clock, _) = circuit();
    let [first, second, third, in_the_pause, in_the_trial, after_the_answer] = std::array::from_fn(|_| begun(&circuit));
    let too_slow = |call| record_of(&circuit, call, CallSubject::Account, CallError::TooSlow);
    assert_eq!([first, second, third].map(too_slow), [CallError::TooSlow, CallError::TooSlow, UNANSWERED]);
    assert_eq!(too_slow(in_the_pause), UNANSWERED);
    clock.advance(Duration::from_secs(2));
    let trial = circuit.begin(CALL).unwrap();
    assert_eq!(too_slow(in_the_trial), UNANSWERED, "the trial is still under way");
    clock.advance(Duration::from_secs(1));
    assert_eq!(circuit.record(trial, CallSubject::Account, Ok(())), Ok(()));
    for _ in 0..3 {
        assert_eq!(too_slow(after_the_answer), CallError::TooSlow);
        assert_eq!(begin(&circuit, CALL), Ok(()));
    }
}

#[tokio::test]
async fn any_answer_of_wechats_ends_a_row_of_unanswered_calls() {
    let (circuit, clock, _) = circuit();
    for _ in 0..2 {
        record(&circuit, CallSubject::Account, CallError::TooSlow);
    }
    record(&circuit, CallSubject::Person, refusal(40003));
    for _ in 0..2 {
        assert_eq!(record(&circuit, CallSubject::Account, CallError::TooSlow), CallError::TooSlow);
    }
    assert_eq!(record(&circuit, CallSubject::Account, CallError::TooSlow), UNANSWERED);
    clock.advance(Duration::from_secs(2));
    assert_eq!(begin(&circuit, CALL), Ok(()));
    record(&circuit, CallSubject::Account, refusal(48001));
    assert_eq!(begin(&circuit, CALL), not_made(ErrorCode::Forbidden), "WeChat's refusal counts");
}

#[tokio::test]
async fn odd_input_of_one_person_stops_no_call() {
    let (circuit, ..) = circuit();
    for error in [ApiError::Malformed(3).into(), refusal(43004), refusal(65535)] {
        for _ in 0..5 {
            assert_eq!(record(&circuit, CallSubject::Person, error.clone()), error);
            assert_eq!(begin(&circuit, CALL), Ok(()), "{error}");
        }
    }
}

#[tokio::test]
async fn a_pause_ends_when_another_pod_has_got_what_the_call_is_for() {
    let (circuit, _, metrics) = circuit();
    record(&circuit, CallSubject::Account, refusal(40164));
    circuit.end(CALL);
    assert_eq!(begin(&circuit, CALL), Ok(()));
    assert!(!metrics.text().contains("circuit_open"), "{}", metrics.text());
}

#[tokio::test]
async fn an_account_that_was_removed_shows_nothing() {
    let (circuit, _, metrics) = circuit();
    record(&circuit, CallSubject::Account, refusal(48001));
    drop(circuit);
    assert!(!metrics.text().contains("circuit_open"), "{}", metrics.text());
}
