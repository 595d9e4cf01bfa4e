//! The commands beside `serve`.

use std::process::{Command, Output};

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
