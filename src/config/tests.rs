//! Precedence, and everything that can be wrong.

use std::time::Duration;

use super::*;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn environment(pairs: &[(&str, &str)]) -> Layers {
    let mut environment = variables(pairs);
    environment
        .entry("REPRISE_DATA_DIR".to_owned())
        .or_insert_with(|| "/nowhere".to_owned());
    Layers {
        environment,
        ..Layers::default()
    }
}

#[test]
fn nothing_said_gives_the_defaults() {
    let config = Config::understand(&environment(&[])).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.upstream.kind, UpstreamKind::OpenAi);
    assert_eq!(config.policy.completion_ttl, Duration::from_hours(24 * 7));
    assert_eq!(config.backend.cache_bytes_max, 1 << 30);
    assert!(matches!(config.backend.choice, BackendChoice::Embedded));
}

#[test]
fn a_flag_counts_before_the_environment_before_dot_env_before_the_file() {
    let mut layers = environment(&[("REPRISE_LISTEN", "127.0.0.1:2")]);
    layers.flags = variables(&[("listen", "127.0.0.1:1")]);
    layers.dot_env = variables(&[("REPRISE_LISTEN", "127.0.0.1:3"), ("REPRISE_LOG", "warn")]);
    layers.file = variables(&[
        ("listen", "127.0.0.1:4"),
        ("log", "debug"),
        ("orphans_max", "5"),
    ]);
    let port = |layers: &Layers| Config::understand(layers).unwrap().server.listen.port();
    assert_eq!(port(&layers), 1);
    layers.flags.clear();
    assert_eq!(port(&layers), 2);
    layers.environment.remove("REPRISE_LISTEN");
    assert_eq!(port(&layers), 3);
    layers.dot_env.remove("REPRISE_LISTEN");
    assert_eq!(port(&layers), 4);
    let config = Config::understand(&layers).unwrap();
    assert_eq!(
        (config.log.filter.as_str(), config.flight.orphans_max),
        ("warn", 5)
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_name() {
    let mut layers = environment(&[
        ("REPRISE_LISTEN", "nowhere"),
        ("REPRISE_COMPLETION_TTL", "soon"),
        ("REPRISE_CACHE_MAX_BYTES", "much"),
        ("REPRISE_UPSTREAM", "ftp://example.com"),
        ("REPRISE_LOGFORMAT", "json"),
    ]);
    layers.file = variables(&[("lisen", "x")]);
    let told = Config::understand(&layers).unwrap_err().to_string();
    for part in [
        "listen: \"nowhere\" from REPRISE_LISTEN",
        "completion_ttl",
        "cache_max_bytes",
        "upstream:",
        "did you mean REPRISE_LOG_FORMAT?",
        "did you mean listen?",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let layers = environment(&[
        ("REPRISE_UPSTREAM_API_KEY", "sk-canary"),
        ("REPRISE_CACHE_SECRET", "canary-two"),
        ("REPRISE_BACKEND", "redis://user:canary-three@localhost"),
    ]);
    let config = Config::understand(&layers).unwrap();
    let shown = format!("{config:?} {:?}", describe(&layers));
    assert!(!shown.contains("canary"), "{shown}");
    let wrong = environment(&[("REPRISE_UPSTREAM", "https://u:canary@example.com/v1")]);
    let told = Config::understand(&wrong).unwrap_err().to_string();
    assert!(!told.contains("canary"), "{told}");
}

#[test]
fn the_common_names_of_others_are_honoured() {
    let layers = environment(&[
        ("OPENAI_API_KEY", "sk-x"),
        ("REDIS_URL", "redis://localhost"),
        ("REDIS_DB", "3"),
    ]);
    let config = Config::understand(&layers).unwrap();
    assert!(config.upstream.api_key.is_some());
    assert!(matches!(
        config.backend.choice,
        BackendChoice::Redis {
            database: Some(3),
            ..
        }
    ));
}

#[test]
fn a_key_is_not_lent_to_whoever_can_reach_the_address() {
    let mut pairs = vec![
        ("REPRISE_LISTEN", "0.0.0.0:8080"),
        ("REPRISE_UPSTREAM_API_KEY", "k"),
    ];
    let told = Config::understand(&environment(&pairs))
        .unwrap_err()
        .to_string();
    assert!(told.contains("REPRISE_ALLOW_OPEN=true"), "{told}");
    pairs.push(("REPRISE_ALLOW_OPEN", "true"));
    assert!(Config::understand(&environment(&pairs)).is_ok());
}

#[test]
fn files_are_read_from_the_working_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "REPRISE_LOG=warn\nOTHER=1\n").unwrap();
    std::fs::write(
        folder.path().join(FILE),
        "listen = \"127.0.0.1:9\"\norphans_max = 3\n",
    )
    .unwrap();
    let said = variables(&[("REPRISE_DATA_DIR", "/nowhere")]);
    let layers = gather_from(Variables::new(), said.clone(), folder.path()).unwrap();
    let config = Config::understand(&layers).unwrap();
    assert_eq!(
        (config.server.listen.port(), config.flight.orphans_max),
        (9, 3)
    );
    assert_eq!(config.log.filter, "warn");
    std::fs::write(folder.path().join(FILE), "listen = [1]\n").unwrap();
    assert!(gather_from(Variables::new(), said, folder.path()).is_err());
}

#[test]
fn the_command_line_has_every_setting_that_is_no_secret() {
    command_line::command().debug_assert();
    let matches = command_line::command()
        .try_get_matches_from(["reprise", "serve", "--completion-ttl", "1h"])
        .unwrap();
    let (task, flags) = command_line::understand(&matches);
    assert!(matches!(task, command_line::Task::Serve));
    assert_eq!(flags.get("completion_ttl").map(String::as_str), Some("1h"));
    let secret = ["reprise", "--upstream-api-key", "k"];
    assert!(
        command_line::command()
            .try_get_matches_from(secret)
            .is_err()
    );
}

#[test]
fn the_example_names_every_setting_with_its_default() {
    let example = include_str!("../../.env.example");
    for setting in &SETTINGS {
        let line = format!("#{}={}", setting.variable(), setting.default);
        assert!(
            example.lines().any(|known| known == line),
            ".env.example lacks {line}"
        );
    }
}
