//! What `time_lag` promises, as tests.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::*;
use crate::script::{Script, assert_order_is_nothing, mined, session};

const SPAN_S: i64 = 1_500;
const DECOYS: [&str; 12] = [
    "deploy service=web version=v{n} status=complete",
    "ALERT name=DiskFilling state=firing percent={n}",
    "ALERT name=QueueBacklog state=firing depth={n}",
    "backup job=nightly gib={n}",
    "cron job=compaction seconds={n}",
    "autoscale group=web size={n}",
    "dns_refresh zone=internal records={n}",
    "kafka_rebalance group=orders members={n}",
    "config_reload service=gateway revision={n}",
    "cert_renewal host=edge-{n} days_left=7",
    "login_rate_limited tenant=t{n}",
    "health_check_flap target=edge-{n} count=2",
];

fn line(second: i64, text: &str) -> (i64, String) {
    let time = Timestamp::from_second(second).unwrap();
    (second, format!("{time} {text}"))
}

/// Sessions whose one tool result is a monitoring feed of decoys; planted, a spike in each and an alert about a
/// minute later; else as many spikes and alerts, anywhere.
fn feeds(seed: u64, sessions: usize, planted: bool) -> Vec<Script> {
    let mut rng = StdRng::seed_from_u64(seed);
    let feed = |i: usize| {
        let start = 1_790_000_000 + i as i64 * 86_400;
        let mut lines: Vec<(i64, String)> = (0..30)
            .map(|_| {
                let decoy = DECOYS.choose(&mut rng).unwrap().replace("{n}", &rng.random_range(1..90).to_string());
                line(start + rng.random_range(0..SPAN_S), &decoy)
            })
            .collect();
        let spike = start + rng.random_range(0..SPAN_S - 120);
        let alert = if planted { spike + rng.random_range(54..=66) } else { start + rng.random_range(0..SPAN_S) };
        lines.push(line(spike, &format!("cpu_spike host=web-{} percent=9{}", rng.random_range(1..7), i % 10)));
        lines
            .push(line(alert, &format!("ALERT name=LatencyHigh state=firing p99_ms={}", rng.random_range(900..3_000))));
        lines.sort();
        let text: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
        session(["a", "b", "c"][i % 3]).user("what happened?").ok("monitoring", "{}", &text.join("\n"))
    };
    (0..sessions).map(feed).collect()
}

#[test]
fn an_alert_a_minute_after_a_spike_is_found_among_decoys_and_nothing_else_is() {
    for seed in 0..6 {
        let found = mined(mine, &feeds(seed, 20, true));
        assert_eq!(found.len(), 1, "seed {seed}: {found:#?}");
        let Probe::TimeLag { first, then, lag_min_s, lag_max_s } = &found[0].probe else { panic!("{found:?}") };
        assert_eq!(first, "cpu_spike host=<*> percent=<*>");
        assert_eq!(then, "ALERT name=LatencyHigh state=firing p99_ms=<*>");
        assert!((35.0..60.0).contains(lag_min_s) && (60.0..90.0).contains(lag_max_s), "{lag_min_s} {lag_max_s}");
        assert_eq!(found[0].tier, Tier::Tested);
        assert!(found[0].support.sessions >= 18, "seed {seed}: {:?}", found[0].support);
        assert!(found[0].advice.is_some());
    }
}

#[test]
fn in_the_null_twin_nothing_is_found() {
    let found: usize = (0..20).map(|seed| mined(mine, &feeds(seed, 24, false)).len()).sum();
    assert_eq!(found, 0, "false finds over 20 stores");
}

#[test]
fn too_few_sessions_are_no_pattern() {
    assert_eq!(mined(mine, &feeds(1, 3, true)), []);
}

#[test]
fn a_chain_is_told_by_its_links() {
    // Deploy, 40 s later an error burst, 90 s after that an alert: deploy -> alert follows from these.
    let mut rng = StdRng::seed_from_u64(5);
    let feed = |i: i64| {
        let start = 1_790_000_000 + i * 86_400;
        let deploy = start + rng.random_range(60..900);
        let burst = deploy + rng.random_range(36..=44);
        let alert = burst + rng.random_range(84..=96);
        let lines = [
            line(start, "feed opened"),
            line(deploy, "deploy service=web version=v7"),
            line(burst, "error_burst service=web count=40"),
            line(alert, "ALERT name=ErrorsHigh state=firing"),
            line(start + SPAN_S, "feed closed"),
        ];
        session(["a", "b"][i as usize % 2]).ok("monitoring", "{}", &lines.map(|(_, line)| line).join("\n"))
    };
    let sessions: Vec<Script> = (0..24).map(feed).collect();
    let found: Vec<String> = mined(mine, &sessions).into_iter().map(|c| c.key).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|key| key.starts_with("deploy") && key.contains("|error_burst")), "{found:?}");
    assert!(found.iter().any(|key| key.starts_with("error_burst") && key.contains("|ALERT")), "{found:?}");
}

#[test]
fn timed_environment_events_count_as_lines_do() {
    let run = |i: i64| {
        let start = 1_790_000_000 + i * 86_400;
        let spike = start + 100 + 37 * (i * i % 17);
        session(["a", "b"][i as usize % 2])
            .at(start)
            .environment("watch begins")
            .at(spike)
            .environment("cpu at 95 on web-1")
            .at(spike + 60 + i % 3)
            .environment("latency alert fires")
            .at(start + SPAN_S)
            .environment("watch ends")
    };
    let found = mined(mine, &(0..12).map(run).collect::<Vec<_>>());
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].title.contains("latency alert fires"), "{}", found[0].title);
}

#[test]
fn a_feed_that_two_sessions_read_happened_once() {
    let mut sessions = feeds(3, 3, true);
    let again: Vec<Script> = sessions.iter().map(|s| s.clone().says("read by another session")).collect();
    sessions.extend(again);
    assert_eq!(sessions.len(), 6);
    assert_eq!(mined(mine, &sessions), [], "three spikes are too few, however often they are read");
}

#[test]
fn calls_and_their_results_are_no_events() {
    let run = |i: i64| {
        session(["a", "b"][i as usize % 2])
            .at(1_790_000_000 + i * 999)
            .ok("look", "{}", "ok")
            .at(1_790_000_005 + i * 999)
            .ok("act", "{}", "ok")
    };
    assert_eq!(mined(mine, &(0..12).map(run).collect::<Vec<_>>()), []);
}

#[test]
fn a_heartbeat_is_no_event() {
    let beat = |session: i64| {
        let line = |i: i64| format!("{} beat", Timestamp::from_second(session * 86_400 + 3 * i).unwrap());
        super::read(
            Digest([0; 32]),
            &crate::script::session("a")
                .ok("feed", "{}", &(0..OF_KIND_MAX as i64 + 1).map(line).collect::<Vec<_>>().join("\n"))
                .transcript()
                .events,
        )
    };
    assert_eq!(beat(1), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn the_order_of_sessions_is_nothing(seed in any::<u64>()) {
        assert_order_is_nothing(mine, &feeds(7, 12, true), seed);
    }
}
