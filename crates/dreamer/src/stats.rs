//! The tests behind the word *tested*: exact or conservative, in logarithms, defined on every input.

/// ln P(X >= k) for a Poisson variable of mean `mean`: how surprising k or more events are. In logarithms, so that of
/// two very surprising counts the more surprising one is told.
pub fn ln_poisson_tail(k: u64, mean: f64) -> f64 {
    if k == 0 || mean == f64::INFINITY {
        return 0.0;
    }
    if mean.is_nan() || mean <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let ln_term = |i: u64| i as f64 * mean.ln() - mean - ln_gamma(i as f64 + 1.0);
    if k as f64 <= mean {
        // Terms rise up to here: those below k, from the greatest on.
        let below: f64 = (0..k).rev().map(|i| ln_term(i).exp()).take_while(|t| *t > 1e-18).sum();
        return (1.0 - below).clamp(f64::MIN_POSITIVE, 1.0).ln();
    }
    // Terms fall from here on, each by mean / i; summed as multiples of the first.
    let (mut term, mut sum, mut i) = (1.0, 1.0, k);
    while term > sum * 1e-16 {
        i += 1;
        term *= mean / i as f64;
        sum += term;
    }
    (ln_term(k) + f64::ln(sum)).min(0.0)
}

/// P(X >= k), as above.
pub fn poisson_tail(k: u64, mean: f64) -> f64 {
    ln_poisson_tail(k, mean).exp()
}

/// P(X >= k) of n fair coins: the sign test (Arbuthnot 1710).
pub fn sign_test(k: u64, n: u64) -> f64 {
    let half = n as f64 * 0.5_f64.ln();
    (k..=n).map(|i| (ln_choose(n, i) + half).exp()).sum::<f64>().clamp(0.0, 1.0)
}

/// Fisher's exact test (Fisher 1922) of a 2x2 table `[[a, b], [c, d]]`, one-sided: the chance, margins given,
/// of a first cell of `a` or more.
pub fn fisher_greater(a: u64, b: u64, c: u64, d: u64) -> f64 {
    let (row, column, total) = (a + b, a + c, a + b + c + d);
    let log_all = ln_choose(total, column);
    let most = row.min(column);
    (a..=most)
        .filter(|x| column - x <= total - row)
        .map(|x| (ln_choose(row, x) + ln_choose(total - row, column - x) - log_all).exp())
        .sum::<f64>()
        .clamp(0.0, 1.0)
}

/// One stratum of a 2x2 table: with and without the feature, failed and successful.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stratum {
    pub with_failed: u64,
    pub with_succeeded: u64,
    pub without_failed: u64,
    pub without_succeeded: u64,
}

impl Stratum {
    /// Whether it can say anything: both margins vary.
    pub fn is_informative(&self) -> bool {
        let failed = self.with_failed + self.without_failed;
        let succeeded = self.with_succeeded + self.without_succeeded;
        let with = self.with_failed + self.with_succeeded;
        let without = self.without_failed + self.without_succeeded;
        failed > 0 && succeeded > 0 && with > 0 && without > 0
    }
}

/// The Cochran-Mantel-Haenszel test over strata (Mantel and Haenszel 1959), with continuity correction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stratified {
    /// Two-sided, chi-squared with one degree of freedom; 1 where no stratum is informative.
    pub p: f64,
    /// The common odds ratio of failure, with half a session added on both sides (so that it is finite).
    pub odds_ratio: f64,
    pub strata: usize,
}

pub fn cochran_mantel_haenszel(strata: &[Stratum]) -> Stratified {
    let (mut excess, mut variance, mut for_, mut against, mut informative) = (0.0, 0.0, 0.0, 0.0, 0);
    for s in strata.iter().filter(|s| s.is_informative()) {
        let [a, b, c, d] =
            [s.with_failed, s.with_succeeded, s.without_failed, s.without_succeeded].map(|count| count as f64);
        let total = a + b + c + d;
        let (row, column) = (a + b, a + c);
        excess += a - row * column / total;
        variance += row * (total - row) * column * (total - column) / (total * total * (total - 1.0));
        for_ += a * d / total;
        against += b * c / total;
        informative += 1;
    }
    let odds_ratio = (for_ + 0.5) / (against + 0.5);
    if variance <= 0.0 {
        return Stratified { p: 1.0, odds_ratio, strata: informative };
    }
    let deviation = (excess.abs() - 0.5_f64).max(0.0);
    Stratified { p: erfc((deviation * deviation / variance / 2.0).sqrt()), odds_ratio, strata: informative }
}

/// The adjusted p values (q) of Benjamini and Hochberg 1995, in the order given: taking all with q at most x
/// keeps the expected share of false finds at x. `tests` counts every test made, also those whose p is not in
/// the list because it was plainly 1.
pub fn benjamini_hochberg(p: &[f64], tests: usize) -> Vec<f64> {
    let tests = tests.max(p.len()) as f64;
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut q = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (rank, index) in order.iter().enumerate().rev() {
        least = least.min(p[*index] * tests / (rank + 1) as f64).min(1.0);
        q[*index] = least;
    }
    q
}

/// The same permutations in every run: a counter put through the SplitMix64 mix (Steele et al. 2014).
#[derive(Debug, Clone)]
pub struct Shuffler(u64);

impl Shuffler {
    pub fn new(seed: u64) -> Shuffler {
        Shuffler(seed)
    }

    /// Fisher and Yates, from the end.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let pick = (u128::from(self.next()) * (last as u128 + 1)) >> 64;
            items.swap(last, pick as usize);
        }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The p value of a permutation test (Phipson and Smyth 2010): the true labelling counts as one of them, so
/// that it is never 0.
pub fn permutation_p(as_extreme: u64, permutations: u64) -> f64 {
    (as_extreme + 1) as f64 / (permutations + 1) as f64
}

/// The middle value; the mean of the two middle ones of an even number; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// The standard deviation; 0 of fewer than two values.
pub fn deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// The median distance from the median.
pub fn median_deviation(values: &[f64]) -> f64 {
    let middle = median(values);
    median(&values.iter().map(|v| (v - middle).abs()).collect::<Vec<_>>())
}

fn ln_choose(n: u64, k: u64) -> f64 {
    if k > n {
        return f64::NEG_INFINITY;
    }
    ln_gamma(n as f64 + 1.0) - ln_gamma(k as f64 + 1.0) - ln_gamma((n - k) as f64 + 1.0)
}

/// ln Γ(x) for x >= 1/2 (Lanczos 1964, g = 7, 9 terms: 15 digits).
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let sum =
        TERMS.iter().enumerate().fold(0.999_999_999_999_809_9, |sum, (i, term)| sum + term / (x + i as f64 + 1.0));
    let t = x + 7.5;
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// The complementary error function for x >= 0, by its continued fraction or series (Abramowitz and Stegun
/// 7.1.5, 7.1.14).
fn erfc(x: f64) -> f64 {
    if x < 2.0 {
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while f64::abs(term) > 1e-17 {
            n += 1.0;
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        return 1.0 - sum * 2.0 / std::f64::consts::PI.sqrt();
    }
    let mut fraction = x;
    for k in (1..=60).rev() {
        fraction = x + f64::from(k) / 2.0 / fraction;
    }
    (-x * x).exp() / (fraction * std::f64::consts::PI.sqrt())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-6 * b.abs().max(1e-6)
    }

    #[test]
    fn known_values_come_out() {
        assert!(close(poisson_tail(3, 1.0), 1.0 - 2.5 * (-1.0_f64).exp()));
        assert!(close(poisson_tail(1, 1e-9), 1e-9));
        assert!(ln_poisson_tail(400, 2.0) < ln_poisson_tail(390, 2.0) && poisson_tail(400, 2.0) == 0.0);
        // Fisher's tea: 3 of 4 cups right on both sides.
        assert!(close(fisher_greater(3, 1, 1, 3), 17.0 / 70.0));
        assert!(close(sign_test(5, 5), 1.0 / 32.0));
        assert!(close(erfc(1.0), 0.157_299_207));
        assert!(close(erfc(3.0), 2.209_049_7e-5));
        assert_eq!(median(&[3.0, 1.0, 2.0, 10.0]), 2.5);
        assert_eq!(median_deviation(&[1.0, 2.0, 3.0, 10.0]), 1.0);
        assert!(close(deviation(&[1.0, 3.0]), 2.0_f64.sqrt()));
    }

    #[test]
    fn extremes_do_no_harm() {
        for mean in [0.0, -1.0, f64::NAN, 1e-300, 1e6, f64::INFINITY] {
            for k in [0, 1, 5, 1_000_000] {
                let p = poisson_tail(k, mean);
                assert!((0.0..=1.0).contains(&p), "{k} {mean} {p}");
            }
        }
        assert_eq!(cochran_mantel_haenszel(&[]).p, 1.0);
        assert_eq!(fisher_greater(0, 0, 0, 0), 1.0);
        assert!(benjamini_hochberg(&[], 0).is_empty());
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn strata_that_disagree_with_the_pool_are_heard() {
        // Simpson: pooled, the feature looks harmful (36 of 40 fail with it, 4 of 40 without); within each
        // task it makes no difference.
        let hard = Stratum { with_failed: 35, with_succeeded: 1, without_failed: 35, without_succeeded: 1 };
        let easy = Stratum { with_failed: 1, with_succeeded: 35, without_failed: 1, without_succeeded: 35 };
        let result = cochran_mantel_haenszel(&[hard, easy]);
        assert!(result.p > 0.9 && result.odds_ratio < 1.5, "{result:?}");
        let real = Stratum { with_failed: 9, with_succeeded: 1, without_failed: 1, without_succeeded: 9 };
        let result = cochran_mantel_haenszel(&[real, real]);
        assert!(result.p < 1e-4 && result.odds_ratio > 10.0 && result.strata == 2, "{result:?}");
    }

    #[test]
    fn a_shuffle_is_a_fair_permutation() {
        let mut firsts = [0_u32; 4];
        let mut shuffler = Shuffler::new(1);
        for _ in 0..4_000 {
            let mut items = [0, 1, 2, 3];
            shuffler.shuffle(&mut items);
            firsts[items[0]] += 1;
            items.sort_unstable();
            assert_eq!(items, [0, 1, 2, 3]);
        }
        assert!(firsts.iter().all(|count| (850..1_150).contains(count)), "{firsts:?}");
    }

    proptest! {
        #[test]
        fn the_poisson_tail_falls_with_k_and_rises_with_the_mean(k in 0_u64..300, mean in 0.01_f64..300.0) {
            let p = poisson_tail(k, mean);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert!(poisson_tail(k + 1, mean) <= p + 1e-12);
            prop_assert!(poisson_tail(k, mean * 1.1) >= p - 1e-12);
        }

        #[test]
        fn fisher_is_a_probability_and_falls_with_the_first_cell(a in 0_u64..40, b in 0_u64..40, c in 0_u64..40, d in 0_u64..40) {
            let p = fisher_greater(a, b, c, d);
            prop_assert!((0.0..=1.0).contains(&p));
            if b > 0 && c > 0 {
                prop_assert!(fisher_greater(a + 1, b - 1, c - 1, d + 1) <= p + 1e-9);
            }
        }

        #[test]
        fn the_stratified_test_is_a_probability(cells in prop::collection::vec(prop::array::uniform4(0_u64..50), 0..6)) {
            let strata: Vec<Stratum> = cells.iter().map(|[a, b, c, d]| Stratum {
                with_failed: *a, with_succeeded: *b, without_failed: *c, without_succeeded: *d,
            }).collect();
            let result = cochran_mantel_haenszel(&strata);
            prop_assert!((0.0..=1.0).contains(&result.p) && result.odds_ratio.is_finite());
        }

        #[test]
        fn q_is_never_below_p_and_keeps_its_order(p in prop::collection::vec(0.0_f64..=1.0, 0..40), more in 0_usize..40) {
            let q = benjamini_hochberg(&p, p.len() + more);
            for i in 0..p.len() {
                prop_assert!(q[i] >= p[i] - 1e-12 && q[i] <= 1.0);
                for j in 0..p.len() {
                    prop_assert!(p[i] > p[j] || q[i] <= q[j]);
                }
            }
        }
    }
}
