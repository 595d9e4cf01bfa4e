//! What `/openapi.json` promises: clients that are generated from it work, and nothing is
//! found that breaks it.
//!
//! The clients are generated and built under `target/` by `./test`; without them these
//! tests fail.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::support::{ADMIN, House, Store, eventually, free_port, in_time};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn made(path: &str) -> PathBuf {
    let made = root().join("target/clients").join(path);
    assert!(
        made.exists(),
        "{} is not there: run ./test, which makes it",
        made.display()
    );
    made
}

/// Runs a program against the house, and shows what it said if it failed.
async fn run(house: &House, command: &mut Command) {
    let output = command
        .env("BASE_URL", format!("http://{}/v1", house.client().0))
        .env(
            "UPSTREAM_CONTROL",
            format!("http://{}/control", house.upstream.address()),
        )
        .env("ADMIN_KEY", ADMIN)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{said}{complained}");
    assert!(
        said.contains("pass "),
        "{command:?} checked nothing:\n{said}{complained}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_for_python_is_generated_that_works() {
    in_time(async {
        let house = House::start(Store::Embedded).await;
        let mut python = Command::new(made("python/tools/bin/python"));
        python
            .arg(root().join("tests/clients/python/generated.py"))
            .env("PYTHONPATH", made("generated/python"));
        run(&house, &mut python).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_for_typescript_is_generated_that_works() {
    in_time(async {
        let house = House::start(Store::Embedded).await;
        let mut node = Command::new(made("node/bin/node"));
        node.arg(made("node/built/generated.mjs"));
        run(&house, &mut node).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_for_rust_is_generated_that_works() {
    in_time(async {
        let house = House::start(Store::Embedded).await;
        let mut program = Command::new(made("rust/debug/generated"));
        run(&house, &mut program).await;
    })
    .await;
}

/// The built-in upstream, which judges requests as a provider does.
async fn mock() -> (Child, String) {
    let address = format!("127.0.0.1:{}", free_port());
    let child = Command::new(env!("CARGO_BIN_EXE_reprise"))
        .args(["mock", "--listen", &address])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    eventually("the built-in upstream listens", || async {
        tokio::net::TcpStream::connect(&address).await.ok()
    })
    .await;
    (child, format!("http://{address}/v1"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_breaks_the_document() {
    in_time(async {
        let (_mock, upstream) = mock().await;
        let house = House::with(Store::Embedded)
            .upstream(upstream)
            .start()
            .await;
        let mut schemathesis = Command::new(made("python/tools/bin/python"));
        schemathesis
            .arg(root().join("tests/clients/python/conformance.py"))
            .current_dir(made("generated"));
        run(&house, &mut schemathesis).await;
    })
    .await;
}
