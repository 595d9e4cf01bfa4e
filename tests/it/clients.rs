//! The SDKs that people use against the real binary: what they make of a miss and of
//! a hit is the same.
//!
//! They are installed under `target/` by `./test`; without them these tests
//! fail, because a skipped promise looks like a kept one.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::azure::azure;
use crate::support::{ADMIN, House, Store, in_time, on_each_store};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Runs a script of an SDK against the house, and shows what it said if it failed.
async fn run(house: &House, program: &Path, script: Option<&Path>) {
    assert!(
        program.exists(),
        "{} is not installed: run ./test, which installs it",
        program.display()
    );
    let output = Command::new(program)
        .args(script)
        .env("BASE_URL", format!("http://{}/v1", house.client().0))
        .env(
            "UPSTREAM_CONTROL",
            format!("http://{}/control", house.upstream.address()),
        )
        .env("ADMIN_KEY", ADMIN)
        .env("NODE_PATH", root().join("target/clients/node/node_modules"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let name = script.unwrap_or(program).display();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}:\n{said}{complained}");
    assert!(said.contains("pass "), "{name} checked nothing");
}

/// A script with OpenAI's newest SDK for Python and what is built on it.
async fn newest(house: &House, script: &str) {
    python(house, "newest", script).await;
}

/// A script with what needs an older SDK.
async fn others(house: &House, script: &str) {
    python(house, "others", script).await;
}

async fn python(house: &House, environment: &str, script: &str) {
    let program = format!("target/clients/python/{environment}/bin/python");
    let script = root().join("tests/clients/python").join(script);
    run(house, &root().join(program), Some(&script)).await;
}

async fn node(house: &House, script: &str) {
    let installed = root().join("target/clients/node");
    let script = installed.join(script);
    run(house, &installed.join("bin/node"), Some(&script)).await;
}

async fn rust(house: &House, program: &str) {
    let built = root().join("target/clients/rust/debug");
    run(house, &built.join(program), None).await;
}

async fn sixty_a_minute(store: Store) -> House {
    let setup = House::with(store);
    setup
        .set("REPRISE_DEFAULT_REQUESTS_PER_MINUTE", "60")
        .start()
        .await
}

on_each_store! {
    async fn the_python_sdk_cannot_tell_a_hit_from_a_miss(store) {
        let house = House::start(store).await;
        newest(&house, "check.py").await;
    }

    async fn the_node_sdk_cannot_tell_a_hit_from_a_miss(store) {
        let house = House::start(store).await;
        node(&house, "check.mjs").await;
    }

    async fn the_python_sdk_cannot_tell_a_stored_response(store) {
        let house = House::start(store).await;
        newest(&house, "responses.py").await;
    }

    async fn the_node_sdk_cannot_tell_a_stored_response(store) {
        let house = House::start(store).await;
        node(&house, "responses.mjs").await;
    }

    async fn anthropics_python_sdk_cannot_tell_a_hit_from_a_miss(store) {
        let house = House::start(store).await;
        newest(&house, "messages.py").await;
    }

    async fn anthropics_node_sdk_cannot_tell_a_hit_from_a_miss(store) {
        let house = House::start(store).await;
        node(&house, "messages.mjs").await;
    }

    async fn the_python_sdk_gets_every_bit_of_a_vector(store) {
        let house = House::start(store).await;
        newest(&house, "embeddings.py").await;
    }

    async fn azures_python_client_cannot_tell_a_hit_from_a_miss(store) {
        let house = azure(store, &[]).await;
        newest(&house, "azure.py").await;
    }

    async fn azures_node_client_cannot_tell_a_hit_from_a_miss(store) {
        let house = azure(store, &[]).await;
        node(&house, "azure.mjs").await;
    }

    async fn the_python_sdk_reads_usage_and_costs(store) {
        let house = House::start(store).await;
        newest(&house, "usage.py").await;
    }

    async fn the_node_sdk_reads_usage_and_costs(store) {
        let house = House::start(store).await;
        node(&house, "usage.mjs").await;
    }

    async fn the_python_sdk_waits_for_a_limit(store) {
        let house = sixty_a_minute(store).await;
        newest(&house, "limits.py").await;
    }

    async fn the_node_sdk_waits_for_a_limit(store) {
        let house = sixty_a_minute(store).await;
        node(&house, "limits.mjs").await;
    }

    async fn the_node_sdk_gets_every_bit_of_a_vector(store) {
        let house = House::start(store).await;
        node(&house, "embeddings.mjs").await;
    }
}

// What is built on the official SDKs meets the same answers: one store shows what it makes
// of them.
macro_rules! on_one_store {
    ($(async fn $name:ident($house:ident) $body:expr;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            in_time(async {
                let house = House::start(Store::Embedded).await;
                let $house = &house;
                $body.await;
            })
            .await;
        }
    )+};
}

on_one_store! {
    async fn agents_cannot_tell_a_hit_from_a_miss(house) newest(house, "agents_sdk.py");
    async fn agents_cannot_tell_a_stored_response(house) newest(house, "agents_responses.py");
    async fn langchain_cannot_tell_a_hit_from_a_miss(house) others(house, "langchain_sdk.py");
    async fn llama_index_cannot_tell_a_hit_from_a_miss(house) others(house, "llama_index_sdk.py");
    async fn litellm_cannot_tell_a_hit_from_a_miss(house) others(house, "litellm_sdk.py");
    async fn instructor_cannot_tell_a_hit_from_a_miss(house) others(house, "instructor_sdk.py");
    async fn vercel_cannot_tell_a_hit_from_a_miss(house) node(house, "vercel.mjs");
    async fn langchain_for_node_cannot_tell_a_hit_from_a_miss(house) node(house, "langchain.mjs");
    async fn async_openai_cannot_tell_a_hit_from_a_miss(house) rust(house, "async_openai");
}
