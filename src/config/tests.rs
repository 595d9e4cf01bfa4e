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
        file_path: FILE.into(),
        ..Layers::default()
    }
}

fn told(layers: &Layers) -> String {
    Config::understand(layers).unwrap_err().to_string()
}

fn of_system(pairs: &[(&str, &str)]) -> impl Iterator<Item = (OsString, OsString)> {
    variables(pairs)
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
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
        "REPRISE_LOGFORMAT: there is no such setting; did you mean REPRISE_LOG_FORMAT?",
        "lisen in reprise.toml: there is no such setting; did you mean listen?",
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
    let shown = format!("{layers:?}");
    assert!(!shown.contains("canary"), "{shown}");
    let wrong = environment(&[("REPRISE_UPSTREAM", "https://u:canary@example.com/v1")]);
    let told = told(&wrong);
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
fn a_refusal_says_where_both_values_came_from() {
    let mut layers = environment(&[("OPENAI_API_KEY", "k")]);
    layers.file = variables(&[("listen", "[::]:80")]);
    let told = told(&layers);
    assert!(told.contains("from listen in reprise.toml"), "{told}");
    assert!(told.contains("from OPENAI_API_KEY"), "{told}");
}

#[test]
fn a_borrowed_name_never_overrides_what_was_said_to_this_program() {
    let mut layers = environment(&[("REDIS_URL", "redis://localhost")]);
    layers.file = variables(&[("backend", "memory")]);
    let config = Config::understand(&layers).unwrap();
    assert!(matches!(config.backend.choice, BackendChoice::Memory));
}

#[test]
fn an_empty_variable_counts_as_not_said() {
    let layers = environment(&[("REPRISE_LISTEN", ""), ("REPRISE_UPSTREAM_API_KEY", "")]);
    let config = Config::understand(&layers).unwrap();
    assert_eq!(config.server.listen.port(), 8080);
    assert!(config.upstream.api_key.is_none());
}

#[test]
fn values_with_which_nothing_would_work_are_refused() {
    for (name, value) in [
        ("REPRISE_CONNECTIONS_MAX", "0"),
        ("REPRISE_CONNECTIONS_MAX", "18446744073709551615"),
        ("REPRISE_HEADER_TIMEOUT", "0s"),
        ("REPRISE_BACKEND_READ_TIMEOUT", "0ms"),
        ("REPRISE_COMPLETION_TTL", "1000years"),
        ("REPRISE_CACHE_MAX_BYTES", "10"),
        ("REPRISE_REQUEST_MAX_BYTES", "0"),
        ("REPRISE_REDIS_PREFIX", "{a}"),
        ("REPRISE_REDIS_DATABASE", "-1"),
        ("REPRISE_BACKEND", "redis://:pw@[bad"),
        ("REPRISE_UPSTREAM", "https://api.openai.com"),
        ("REPRISE_UPSTREAM", "https://example.com/v1?key=k"),
        ("REPRISE_UPSTREAM_API_KEY", "two words"),
        ("REPRISE_UPSTREAM_API_KEY", "line\n"),
    ] {
        let told = told(&environment(&[(name, value)]));
        assert!(told.contains(&format!("from {name}")), "{name}: {told}");
    }
}

#[test]
fn a_url_is_shown_without_what_may_be_secret() {
    let backend = Setting::named("backend").unwrap();
    for (value, shown) in [
        ("memory", Some("memory")),
        ("redis://h:1/2", Some("redis://h:1/2")),
        ("redis://u:canary@h:1", Some("redis://***@h:1")),
        ("redis://:can@ry?x@h/1", Some("redis://***@h/1")),
        ("unix:///s?pass=canary", Some("unix:///s?***")),
        ("u:canary@h", None),
    ] {
        assert_eq!(read::showable(backend, value).as_deref(), shown, "{value}");
    }
}

#[test]
fn what_is_in_force_is_told_with_its_source() {
    let layers = environment(&[
        ("OPENAI_API_KEY", "sk-canary"),
        ("REPRISE_UPSTREAM", "http://127.0.0.1:1/v1"),
    ]);
    let told = describe(&layers);
    let of = |name: &str| {
        let (_, value, source) = told.iter().find(|(known, ..)| *known == name).unwrap();
        (value.clone(), source.to_string())
    };
    assert_eq!(
        of("upstream_api_key"),
        ("set".to_owned(), "OPENAI_API_KEY".to_owned())
    );
    assert_eq!(of("upstream_kind").0, "compatible");
    assert_eq!(of("cache_secret").0, "not set");
    assert_eq!(of("ttl_max"), ("30d".to_owned(), "default".to_owned()));
}

#[test]
fn the_provider_whose_prices_count_is_the_upstream() {
    let provider = |pairs: &[(&str, &str)]| {
        let config = Config::understand(&environment(pairs)).unwrap();
        config.prices.provider
    };
    let upstream = |base| provider(&[("REPRISE_UPSTREAM", base)]);
    assert_eq!(provider(&[]).as_deref(), Some("openai"));
    assert_eq!(upstream("mock").as_deref(), Some("openai"));
    let azure = upstream("https://mine.openai.azure.com/openai/v1");
    assert_eq!(azure.as_deref(), Some("azure"));
    assert_eq!(upstream("http://127.0.0.1:1/v1"), None);
    let gateway = provider(&[
        ("REPRISE_UPSTREAM", "https://llm.example/openai"),
        ("REPRISE_UPSTREAM_KIND", "azure"),
    ]);
    assert_eq!(gateway.as_deref(), Some("azure"));
    let said = provider(&[
        ("REPRISE_UPSTREAM", "http://127.0.0.1:1/v1"),
        ("REPRISE_PRICE_PROVIDER", "mistral"),
    ]);
    assert_eq!(said.as_deref(), Some("mistral"));
    let told = told(&environment(&[("REPRISE_PRICE_PROVIDER", "nobody")]));
    assert!(
        told.contains("\"nobody\" from REPRISE_PRICE_PROVIDER"),
        "{told}"
    );
}

#[test]
fn prices_are_read_from_a_file_and_what_is_wrong_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prices.toml");
    let layers = environment(&[("REPRISE_PRICES", path.to_str().unwrap())]);
    assert!(told(&layers).contains("prices.toml: "));
    std::fs::write(&path, "[models.mine]\ninput = 1\noutput = 2\n").unwrap();
    let config = Config::understand(&layers).unwrap();
    assert!(config.prices.overrides.of("mine").is_some());
    std::fs::write(&path, "[models.mine]\ninput = -1\noutput = nan\n").unwrap();
    let told = told(&layers);
    for part in ["input is negative", "output is not a number"] {
        let part = format!("prices.toml: model \"mine\": {part}");
        assert!(told.contains(&part), "{told}");
    }
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
    let said = of_system(&[("REPRISE_DATA_DIR", "/nowhere")]);
    let layers = gather_from(Variables::new(), said, folder.path()).unwrap();
    let config = Config::understand(&layers).unwrap();
    assert_eq!(
        (config.server.listen.port(), config.flight.orphans_max),
        (9, 3)
    );
    assert_eq!(config.log.filter, "warn");
}

#[test]
fn what_is_wrong_in_files_is_told_with_all_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join(".env"),
        "REPRISE_UPSTREAM_API_KEY=can ary\nREPRISE_LOG_FORMAT=xml\ncanary\n",
    )
    .unwrap();
    std::fs::write(
        folder.path().join(FILE),
        "listen = [1]\norphans_max = 1.5\nconfig = \"x\"\nttl_max = \"soon\"\n",
    )
    .unwrap();
    let said = of_system(&[("REPRISE_CACHE_MAX_BYTES", "much")]);
    let errors = gather_from(Variables::new(), said, folder.path()).unwrap_err();
    let told = errors.to_string();
    for part in [
        ".env: line 1 cannot be understood",
        ".env: line 3 cannot be understood",
        "\"xml\" from REPRISE_LOG_FORMAT in .env",
        "listen in ",
        "orphans_max in ",
        "config in ",
        "ttl_max: \"soon\"",
        "\"much\" from REPRISE_CACHE_MAX_BYTES",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert!(
        !told.contains("can ary") && !told.contains("canary"),
        "{told}"
    );
    std::fs::write(
        folder.path().join(FILE),
        "log = \"warn\"\nlisten = canary\n",
    )
    .unwrap();
    let errors = gather_from(Variables::new(), of_system(&[]), folder.path()).unwrap_err();
    let told = errors.to_string();
    assert!(
        told.contains("line 2") && !told.contains("canary\n"),
        "{told}"
    );
}

#[test]
fn a_file_that_was_named_has_to_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let named = variables(&[("config", "/nowhere/reprise.toml")]);
    let errors = gather_from(named, of_system(&[]), folder.path()).unwrap_err();
    assert!(errors.to_string().contains("/nowhere/reprise.toml"));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_an_error_only_if_it_is_ours() {
    use std::os::unix::ffi::OsStringExt;
    let folder = tempfile::tempdir().unwrap();
    let binary = || OsString::from_vec(vec![0xff]);
    let others = std::iter::once(("LS_COLORS".into(), binary()));
    assert!(gather_from(Variables::new(), others, folder.path()).is_ok());
    let ours = std::iter::once(("REPRISE_LISTEN".into(), binary()));
    let errors = gather_from(Variables::new(), ours, folder.path()).unwrap_err();
    assert!(errors.to_string().contains("REPRISE_LISTEN"));
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
fn a_flag_without_a_value_is_an_error_not_the_default() {
    let empty = ["reprise", "--upstream", ""];
    assert!(command_line::command().try_get_matches_from(empty).is_err());
}

#[test]
fn the_policy_has_the_same_defaults_here_and_there() {
    let config = Config::understand(&environment(&[])).unwrap();
    assert_eq!(
        format!("{:?}", config.policy),
        format!("{:?}", PolicyOptions::default())
    );
}

/// The lines of a comment that say what a setting is for.
fn described(setting: &Setting) -> String {
    let also = setting
        .also
        .map(|variable| format!(" ({variable} is honoured too)"))
        .unwrap_or_default();
    let flag = if setting.is_secret() {
        " (has no flag)"
    } else {
        ""
    };
    format!("# {}{also}{flag}.", setting.help)
}

/// The part of an example that follows its head, and the head.
fn without_head(example: &str) -> (&str, &str) {
    example.split_once("\n\n").unwrap()
}

/// With `REPRISE_BLESS` in the environment the example is written instead of
/// compared.
#[expect(clippy::disallowed_methods, reason = "a switch of the tests alone")]
fn compare(file: &str, example: &str, wanted: &str) {
    let (head, body) = without_head(example);
    if std::env::var_os("REPRISE_BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        std::fs::write(path, format!("{head}\n\n{wanted}")).unwrap();
    } else {
        assert_eq!(
            body, wanted,
            "{file}: REPRISE_BLESS=1 cargo test --lib config"
        );
    }
}

#[test]
fn the_example_of_env_has_every_setting_with_its_default() {
    let entry = |setting: &Setting| {
        let line = format!("#{}={}", setting.variable(), setting.default);
        format!("{}\n{line}\n", described(setting))
    };
    let wanted: Vec<String> = SETTINGS.iter().map(entry).collect();
    compare(
        ".env.example",
        include_str!("../../.env.example"),
        &wanted.join("\n"),
    );
}

#[test]
fn the_example_of_the_file_has_every_setting_with_its_default() {
    let entry = |setting: &Setting| {
        let value = match setting.kind {
            Kind::Count | Kind::Truth if !setting.default.is_empty() => setting.default.to_owned(),
            Kind::Count => "0".to_owned(),
            Kind::Address
            | Kind::Url
            | Kind::Text
            | Kind::Secret
            | Kind::Path
            | Kind::Duration
            | Kind::Bytes
            | Kind::Truth => format!("{:?}", setting.default),
        };
        format!("{}\n#{} = {value}\n", described(setting), setting.name)
    };
    let wanted: Vec<String> = SETTINGS
        .iter()
        .filter(|setting| setting.is_of_file())
        .map(entry)
        .collect();
    compare(
        "reprise.example.toml",
        include_str!("../../reprise.example.toml"),
        &wanted.join("\n"),
    );
}

#[test]
fn the_example_of_the_file_can_be_taken_as_it_stands() {
    let taken: String = include_str!("../../reprise.example.toml")
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
        .fold(String::new(), |text, line| text + line + "\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    std::fs::write(&path, taken).unwrap();
    let mut layers = environment(&[]);
    layers.file = files::toml(&path, &mut Vec::new());
    assert_eq!(layers.file.len(), SETTINGS.len() - 1);
    let config = Config::understand(&layers).unwrap();
    assert_eq!(config.server.listen.port(), 8080);
}
