//! Trace contexts as text, in the form of W3C's `traceparent`.

use std::collections::HashMap;

use opentelemetry::{
    Context,
    propagation::TextMapPropagator,
    trace::{SpanContext, TraceContextExt},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;

const TRACEPARENT: &str = "traceparent";

/// The span that a text names, in another process or request. `None` if it is no trace context.
pub(crate) fn parse(traceparent: &str) -> Option<SpanContext> {
    if !has_form(traceparent.as_bytes()) {
        return None;
    }
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    let named = context.span().span_context().clone();
    named.is_valid().then_some(named)
}

/// Whether the fields have their lengths, which the library doesn't check. Later versions may have more fields.
fn has_form(text: &[u8]) -> bool {
    const DASHES: [usize; 3] = [2, 35, 52];
    let is_whole = match text.get(55) {
        None => text.len() == 55,
        Some(next) => *next == b'-' && !text.starts_with(b"00"),
    };
    is_whole && DASHES.iter().all(|dash| text[*dash] == b'-')
}

/// The same, if that span is recorded: what belongs to it is recorded, too.
pub(crate) fn parse_sampled(traceparent: &str) -> Option<SpanContext> {
    parse(traceparent).filter(SpanContext::is_sampled)
}

/// This span's context as text.
pub(crate) fn to_text(context: &Context) -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(context, &mut carrier);
    carrier.remove(TRACEPARENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trace_context_names_a_span() {
        let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let named = parse_sampled(sampled).unwrap();
        assert_eq!(named.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(to_text(&Context::new().with_remote_span_context(named)).as_deref(), Some(sampled));
        assert!(parse(unsampled).is_some() && parse_sampled(unsampled).is_none());
        let huge = format!("{sampled}-{}", "x".repeat(100_000));
        for hostile in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b71692033310-01",
            "00-00af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
            &format!("{sampled}0"),
            &format!("{sampled}-"),
            &format!("{sampled}-1"),
            &sampled.replace('-', "_"),
            &huge,
        ] {
            assert_eq!(parse(hostile), None, "{}", &hostile[..hostile.len().min(60)]);
        }
        assert_eq!(to_text(&Context::new()), None);
    }
}
