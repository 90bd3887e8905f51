//! In which order contestants are measured: forwards and backwards in turn (A-B-B-A), so that what changes slowly on the
//! machine hits all alike.

use super::contestant::Contestant;

/// Each contestant once in each round. Every second round runs backwards.
pub fn interleaved(contestants: &[Contestant], rounds: u32) -> Vec<Contestant> {
    let round = |number: u32| {
        let mut order = contestants.to_vec();
        if number % 2 == 1 {
            order.reverse();
        }
        order
    };
    (0..rounds).flat_map(round).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_round_runs_backwards() {
        let [one, other] = [Contestant::Nchan, Contestant::Ws];
        assert_eq!(interleaved(&[one, other], 3), [one, other, other, one, one, other]);
        assert!(interleaved(&[one, other], 0).is_empty() && interleaved(&[], 2).is_empty());
    }
}
