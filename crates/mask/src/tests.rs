//! What is masked, and what must not be.

use std::path::Path;

use proptest::prelude::*;

use super::*;

/// Built from parts, so that no scanner takes this file for a leak.
fn planted() -> Vec<(&'static str, String, String)> {
    let a = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3z";
    let of = |kind, before: &str, secret: String, after: &str| (kind, format!("{before}{secret}{after}"), secret);
    vec![
        of("aws_access_key", "id ", format!("AKIA{}", "ABCDEFGH23456722"), " ok"),
        of("password", "aws_secret_access_key = ", format!("{a}+/ab12"), "\n"),
        of("github_token", "git clone x ", format!("ghp_{a}ab"), ""),
        of("github_token", "", format!("github_pat_{a}"), ""),
        of("gitlab_token", "token ", format!("glpat-{a}"), ""),
        of("slack_token", "use ", format!("xoxb-123456789012-{a}"), "."),
        of("slack_webhook", "https://hooks.slack.com/services/", format!("T0000/B0000/{a}"), ""),
        of("stripe_key", "", format!("sk_live_{a}"), ""),
        of("google_key", "key=", format!("AIza{a}x"), "&q=1"),
        of("anthropic_key", "ANTHROPIC_API_KEY ", format!("sk-ant-api03-{a}"), ""),
        of("openai_key", "", format!("sk-proj-{a}"), ""),
        of("openai_key", "", format!("sk-{a}"), ""),
        of("reverie_token", "", format!("rv1_{a}"), ""),
        of("jwt", "cookie ", format!("eyJ{a}.eyJ{a}.{a}"), ""),
        of(
            "private_key",
            "x ",
            format!("-----BEGIN RSA PRIVATE KEY-----\n{a}\n{a}\n-----END RSA PRIVATE KEY-----"),
            " y",
        ),
        of("private_key", "cut ", format!("-----BEGIN OPENSSH PRIVATE KEY-----\\n{a}\\n{a}"), "\""),
        of("url_userinfo", "postgres://", format!("app:{}", "s3cr:et!"), "@db.internal/orders"),
        of("bearer", "Authorization: Bearer ", a.to_owned(), "\r\n"),
        of("password", "password=", "hunter".to_owned(), " next"),
        of("password", "DB_PASSWORD: ", "hunter2".to_owned(), "\n"),
        of("password", r#"{"password": ""#, r#"a\"b c"#.to_owned(), r#"", "n": 1}"#),
        of("password", r#"{\"password\": \""#, "a b".to_owned(), r#"\", \"n\": 1}"#),
        of("password", "'api_key': '", "q\"uoted".to_owned(), "'"),
        of("password", "psql --password ", "hunter2".to_owned(), " -h x"),
        of("password", "client_secret=", "abc.def~1".to_owned(), "&x=1"),
        of("token", r#""token": ""#, a.to_owned(), "\""),
        of("token", "session_token=", a.to_owned(), ""),
        of("social_security_number", "SSN: ", "123-45-6789".to_owned(), ""),
        of("payment_card", "card ", "4111 1111 1111 1111".to_owned(), " exp"),
        of("payment_card", "", "378282246310005".to_owned(), ","),
    ]
}

#[test]
fn every_pattern_compiles() {
    assert!(TABLE.is_some());
}

#[test]
fn planted_secrets_are_masked_and_nothing_around_them() {
    for (kind, text, secret) in planted() {
        let (masked, count) = mask(&text);
        assert_eq!(masked, text.replace(&secret, &format!("[masked:{kind}]")), "{text}");
        assert_eq!(count, 1, "{text}");
    }
}

#[test]
fn secrets_within_json_are_masked_as_they_are_outside() {
    for (kind, text, secret) in planted() {
        let text = format!("first line\n{text}");
        let expected = text.replace(&secret, &format!("[masked:{kind}]"));
        let json = serde_json::json!({ "content": &text }).to_string();
        let parsed: serde_json::Value = serde_json::from_str(&mask(&json).0).unwrap();
        assert_eq!(parsed["content"], expected, "{json}");
    }
}

#[test]
fn ordinary_text_and_ids_stay_as_they_are() {
    for text in [
        "credit_card_4421486, certificate_7504069 and gift_card_7091239",
        "order #W2378156, item 1151293680, reservation HATRAV",
        "mail mia.li3818@example.com or call 555-123-4567",
        "6086499569123455 items; 4111111111111112 is no card; id_4111111111111111 is an id",
        "at 1718359200000 ms, 1718359200000000000 ns, trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b, 2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d",
        "I forgot my password: please reset it. def login(password: str, token: Optional[str])",
        "password = os.environ[\"DB_PASSWORD\"]; api_key=get_key(); secret=${VAULT}; PASSWORD=****",
        "PWD=/srv/app OLDPWD=/srv; private_key: /etc/ssl/key.pem; password_file=/run/secrets/db",
        r#"{"max_tokens": 4096, "input_tokens": 20, "token": "EOF", "next_page_token": "aB3dE5fG7hJ9kL1mN3pQ5rS7"}"#,
        r#"{"password": null, "secret": true, "token": "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d"}"#,
        "https://example.com/a:b@c and git@github.com:org/repo.git",
        "basic internationalization, bearer of bad news, sk-learn, key: value",
    ] {
        assert_eq!(mask(text), (Cow::Borrowed(text), 0));
    }
}

#[test]
fn a_masked_number_leaves_the_json_well_formed() {
    let (masked, count) = mask(r#"{"password": 12345678, "pwd":"pw1"}"#);
    assert_eq!((masked.as_ref(), count), (r#"{"password": "[masked:password]", "pwd":"[masked:password]"}"#, 2));
    let (masked, _) = mask(r#"{"a": "{\"password\": 12345678}"}"#);
    assert_eq!(masked, r#"{"a": "{\"password\": \"[masked:password]\"}"}"#);
}

#[test]
fn the_runs_of_tau_bench_and_state_bench_are_untouched() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let fixture = std::fs::read_to_string(root.join("tests/fixtures/tau_bench/gpt-4o-airline.json")).unwrap();
    assert_eq!(mask(&fixture).1, 0);
    for path in [
        "tau_bench_airline/gpt-4o-airline.jsonl",
        "tau_bench_retail/tool_calling.jsonl",
        "tau_bench_retail/assertions_agent.jsonl",
        "state_bench/travel.jsonl",
        "state_bench/customer_support.jsonl",
    ] {
        let Ok(file) = std::fs::read_to_string(root.join("../shared/data").join(path)) else {
            println!("skipped: ../shared/data/{path} is not here");
            continue;
        };
        for line in file.lines() {
            let (masked, count) = mask(line);
            let at = masked.find("[masked:").unwrap_or_default();
            assert_eq!(count, 0, "{path}: {}", masked.get(at.saturating_sub(80)..at + 80).unwrap_or_default());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn masking_again_finds_nothing(parts in prop::collection::vec((0usize..30, "[ a-z=:,\"'\\\\{}\\[\\]\n]{0,12}"), 0..5)) {
        let planted = planted();
        let text: String = parts.iter().map(|(i, filler)| format!("{}{filler}", planted[*i].1)).collect();
        let (once, _) = mask(&text);
        let (twice, count) = mask(&once);
        prop_assert_eq!((&once, 0), (&twice, count));
    }

    #[test]
    fn json_stays_json(key in "(password|api_key|token|note|secret)", value in ".{0,40}", number in any::<u32>(), which in 0usize..30) {
        let secret = &planted()[which].1;
        let json = serde_json::json!({ &key: value, "n": { &key: number }, "s": secret, "again": serde_json::json!({ &key: secret }).to_string() });
        let text = json.to_string();
        let (masked, _) = mask(&text);
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&masked);
        prop_assert!(parsed.is_ok(), "{text}\n{masked}");
    }
}
