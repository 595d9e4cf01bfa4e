//! The commands beside `serve`.

use std::process::{Command, Output, Stdio};

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::{House, Request, Scratch, Store, free_port, in_time, question};

/// Runs the binary with these variables and no others.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let folder = Scratch::new();
    Command::new(env!("CARGO_BIN_EXE_reprise"))
        .args(arguments)
        .env_clear()
        .env("HOME", folder.path())
        .envs(environment.iter().copied())
        .current_dir(folder.path())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let bytes = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn every_mistake_in_the_configuration_is_told_at_once() {
    let wrong = [
        ("REPRISE_LISTEN", "nowhere"),
        ("REPRISE_UPSTREAM", "not a url"),
        ("REPRISE_COMPLETION_TTL", "soon"),
        ("REPRISE_CACHE_MAX_BYTES", "many"),
        ("REPRISE_LOG_FORMAT", "xml"),
    ];
    for command in ["check-config", "serve"] {
        let output = run(&[command], &wrong);
        assert!(!output.status.success(), "`{command}` takes nonsense");
        let said = said(&output);
        for (name, _) in wrong {
            assert!(
                said.contains(name),
                "`{command}` does not name {name}:\n{said}"
            );
        }
    }
}

#[test]
fn a_good_configuration_is_called_good() {
    let output = run(
        &["check-config"],
        &[("REPRISE_UPSTREAM", "http://127.0.0.1:1/v1")],
    );
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_secret_in_a_wrong_value_is_not_repeated() {
    let output = run(
        &["check-config"],
        &[
            ("REPRISE_BACKEND", "redis://:canary@[bad"),
            ("REPRISE_UPSTREAM_API_KEY", "canary\n"),
        ],
    );
    assert!(!said(&output).contains("canary"), "{}", said(&output));
}

#[test]
fn help_lists_the_commands() {
    let said = said(&run(&["--help"], &[]));
    for command in [
        "serve",
        "demo",
        "mock",
        "check-config",
        "openapi",
        "healthcheck",
    ] {
        assert!(said.contains(command), "`--help` does not know {command}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_healthcheck_tells_a_living_server_from_a_dead_one() {
    in_time(async {
        let house = House::start(Store::Embedded).await;
        let living = house.client().0.to_string();
        let dead = format!("127.0.0.1:{}", free_port());
        assert!(
            run(&["healthcheck"], &[("REPRISE_LISTEN", &living)])
                .status
                .success()
        );
        assert!(
            !run(&["healthcheck"], &[("REPRISE_LISTEN", &dead)])
                .status
                .success()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_built_in_upstream_answers_in_both_forms() {
    in_time(async {
        let house = House::with(Store::Embedded)
            .upstream("mock".to_owned())
            .start()
            .await;
        let asked = question("the built-in upstream");
        let first = house.ask(&asked).await;
        assert_eq!(
            (first.status, first.x_cache()),
            (200, "MISS"),
            "{}",
            first.text()
        );
        assert_eq!(first.json()["object"], "chat.completion");
        assert_eq!(house.ask(&asked).await.body, first.body);
        let other = house.ask_stream(&question("as a stream")).await;
        assert!(other.is_done(), "{}", other.text());
        let models = house
            .send(&Request::new("GET", "/v1/models").bearer("sk-x"))
            .await;
        assert_eq!(models.status, 200);
    })
    .await;
}

#[tokio::test]
async fn the_demo_shows_what_the_upstream_is_spared() {
    in_time(async {
        let folder = Scratch::new();
        let mut demo = tokio::process::Command::new(env!("CARGO_BIN_EXE_reprise"))
            .arg("demo")
            .env_clear()
            .env("HOME", folder.path())
            .env("REPRISE_LISTEN", "127.0.0.1:0")
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
        let mut shown = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("stored:") {
                break;
            }
            shown.push(line);
        }
        for (row, counts) in [
            ("hit: asked again", &["0"][..]),
            ("crowd", &["1"]),
            ("miss: 256 texts", &["1", "256"]),
            ("hit: the same 256", &["0", "0"]),
            ("partial", &["1", "16"]),
        ] {
            let is_it = |line: &&String| line.trim_start().starts_with(row);
            let line = shown.iter().find(is_it).unwrap_or_else(|| {
                panic!("no row {row:?} in {shown:#?}");
            });
            let (_, told) = line.split_once(" ms ").expect("a time");
            assert!(told.split_whitespace().eq(counts.iter().copied()), "{line}");
        }
    })
    .await;
}
