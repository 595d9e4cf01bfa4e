//! Usage as files: asked for, watched, downloaded, deleted; by the operator alone.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{
    ADMIN, House, Reply, Request, Response, Scratch, Store, answer, eventually, in_time,
    on_each_store, question,
};

const PATH: &str = "/admin/v1/exports";

async fn send(house: &House, method: &str, path: &str) -> Response {
    let request = Request::new(method, path).bearer(ADMIN);
    house.send(&request).await
}

async fn ask(house: &House, body: &Value) -> Response {
    let request = Request::post(PATH, body.to_string()).bearer(ADMIN);
    house.send(&request).await
}

/// An export of everything there is, day by day.
fn everything(format: &str, group_by: &Value) -> Value {
    // In 2096, so that the day that runs is in it.
    json!({"format": format, "start": 0, "end": 3_976_214_400_u64, "group_by": group_by})
}

/// Makes an export, and waits until it is complete.
async fn complete(house: &House, body: &Value) -> Value {
    let made = ask(house, body).await;
    assert_eq!(made.status, 202, "{}", made.text());
    let location = made.header("location").unwrap().to_owned();
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("{PATH}/{id}"));
    eventually("the export is complete", || async {
        let told = send(house, "GET", &location).await.json();
        assert_ne!(told["status"], "failed", "{told}");
        (told["status"] == "complete").then_some(told)
    })
    .await
}

async fn content(house: &House, export: &Value) -> Response {
    let id = export["id"].as_str().unwrap();
    send(house, "GET", &format!("{PATH}/{id}/content")).await
}

/// Asks something, and waits until the ledger has it; then what it has of the model.
async fn counted(house: &House, model: &str) -> Response {
    let mut said = answer("x", "counted");
    said["model"] = json!(model);
    house.upstream.next(Reply::json(200, said.to_string()));
    let asked = question("to be counted");
    assert_eq!(house.ask(&asked).await.status, 200);
    assert_eq!(house.ask(&asked).await.status, 200);
    eventually("both requests are in the ledger", || async {
        let export = complete(house, &everything("ndjson", &json!(["operation"]))).await;
        let lines = content(house, &export).await.text();
        let row: Value = serde_json::from_str(lines.lines().next()?).unwrap();
        (row["requests"] == 2).then_some(())
    })
    .await;
    let export = complete(house, &everything("csv", &json!(["outcome", "model"]))).await;
    content(house, &export).await
}

/// What Python's own reader makes of a file.
fn read_by_python(file: &[u8]) -> Value {
    let folder = Scratch::new();
    let path = folder.path().join("export.csv");
    std::fs::write(&path, file).unwrap();
    let python =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/python/newest/bin/python");
    let script = "import csv, json, sys\n\
        with open(sys.argv[1], newline='', encoding='utf-8') as f:\n    \
        print(json.dumps(list(csv.DictReader(f, strict=True))))";
    let output = Command::new(&python)
        .args(["-c", script])
        .arg(&path)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

on_each_store! {
    async fn nothing_counted_is_a_file_without_rows(store) {
        let house = House::start(store).await;
        for (format, media, start) in [
            ("csv", "text/csv; charset=utf-8", &b"start_time,end_time,model,requests,"[..]),
            ("ndjson", "application/x-ndjson", b""),
            ("parquet", "application/vnd.apache.parquet", b"PAR1"),
        ] {
            if format == "parquet" && !cfg!(feature = "parquet") {
                let refused = ask(&house, &everything(format, &json!([]))).await;
                let error = &refused.json()["error"];
                assert_eq!((refused.status, &error["param"]), (400, &json!("format")));
                assert!(error["message"].as_str().unwrap().contains("parquet"), "{error}");
                continue;
            }
            let export = complete(&house, &everything(format, &json!(["model"]))).await;
            assert_eq!((&export["progress"], &export["rows"]), (&json!(1.0), &json!(0)));
            let file = content(&house, &export).await;
            assert_eq!(file.status, 200, "{}", file.text());
            assert_eq!(file.header("content-type"), Some(media));
            assert!(file.body.starts_with(start), "{format}: {}", file.text());
            assert_eq!(json!(file.body.len()), export["bytes"]);
            assert_eq!(file.header("content-length").unwrap(), file.body.len().to_string());
            let name = format!("attachment; filename=\"reprise-usage-1970-01-01-2096-01-01.{format}\"");
            assert_eq!(file.header("content-disposition"), Some(name.as_str()));
        }
    }

    async fn what_was_counted_is_in_the_file(store) {
        let house = House::start(store).await;
        let file = counted(&house, "=model-of-a-formula").await;
        let rows = read_by_python(&file.body);
        let rows = rows.as_array().unwrap();
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert_eq!((&rows[0]["outcome"], &rows[0]["hits"]), (&json!("hit"), &json!("1")));
        assert_eq!((&rows[1]["outcome"], &rows[1]["misses"]), (&json!("miss"), &json!("1")));
        assert_eq!(rows[0]["model"], "'=model-of-a-formula");
        assert!(rows[0]["start_time"].as_str().unwrap().ends_with("T00:00:00Z"));
        assert_ne!(rows[0]["total_p50_ms"], "");
    }

    async fn an_export_is_watched_listed_and_deleted(store) {
        let house = House::start(store).await;
        let first = complete(&house, &everything("csv", &json!([]))).await;
        let second = complete(&house, &everything("ndjson", &json!([]))).await;
        let listed = send(&house, "GET", PATH).await.json();
        assert_eq!(listed["object"], "list");
        let mut ids: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
        ids.sort_by_key(|id| **id != second["id"]);
        assert_eq!(ids, [&second["id"], &first["id"]]);
        let day = 24 * 60 * 60;
        let finished = first["finished_at"].as_u64().unwrap();
        assert_eq!(first["expires_at"].as_u64(), Some(finished + day));

        let path = format!("{PATH}/{}", first["id"].as_str().unwrap());
        assert_eq!(send(&house, "DELETE", &path).await.status, 204);
        for (method, gone) in [("GET", path.clone()), ("DELETE", path.clone()), ("GET", format!("{path}/content"))] {
            let seen = send(&house, method, &gone).await;
            assert_eq!((seen.status, seen.error_code()), (404, "not_found".to_owned()));
        }
        let listed = send(&house, "GET", PATH).await.json();
        assert_eq!(listed["data"], json!([second]));
    }

    async fn a_file_has_a_tag_and_a_head(store) {
        let house = House::start(store).await;
        let export = complete(&house, &everything("csv", &json!([]))).await;
        let path = format!("{PATH}/{}/content", export["id"].as_str().unwrap());
        let whole = send(&house, "GET", &path).await;
        let head = send(&house, "HEAD", &path).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in ["content-length", "content-type", "content-disposition", "etag"] {
            assert_eq!(head.header(name), whole.header(name), "{name}");
        }
        let tag = whole.header("etag").unwrap();
        let known = Request::new("GET", &path).bearer(ADMIN).header("if-none-match", tag);
        let again = house.send(&known).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
    }

    async fn nobody_but_the_operator_gets_anywhere(store) {
        let house = House::start(store).await;
        let export = complete(&house, &everything("csv", &json!([]))).await;
        let id = export["id"].as_str().unwrap();
        for (method, path) in [
            ("POST", PATH.to_owned()),
            ("GET", PATH.to_owned()),
            ("GET", format!("{PATH}/{id}")),
            ("GET", format!("{PATH}/{id}/content")),
            ("DELETE", format!("{PATH}/{id}")),
        ] {
            let request = Request::new(method, &path);
            for request in [request.clone(), request.bearer("sk-somebody-else")] {
                let refused = house.send(&request).await;
                assert_eq!((refused.status, refused.error_code()), (401, "invalid_admin_key".to_owned()));
            }
        }
        assert_eq!(content(&house, &export).await.status, 200);
        assert_eq!(house.upstream.calls(), 0, "the provider was asked");
    }

    async fn what_makes_no_sense_is_said_where(store) {
        let house = House::start(store).await;
        for (param, body) in [
            (json!("format"), json!({"format": "xlsx", "start": 0})),
            (json!("start"), json!({"format": "csv", "start": "soon"})),
            (json!("end"), json!({"format": "csv", "start": 86_400, "end": 0})),
            (json!("end"), json!({"format": "csv", "start": 0, "end": 1})),
            (json!("granularity"), json!({"format": "csv", "start": 0, "granularity": "year"})),
            (json!("group_by"), json!({"format": "csv", "start": 0, "group_by": ["color"]})),
            (json!("limit"), json!({"format": "csv", "start": 0, "limit": 1})),
            (Value::Null, json!([])),
        ] {
            let refused = ask(&house, &body).await;
            assert_eq!((refused.status, refused.error_code()), (400, "invalid_parameter".to_owned()));
            assert_eq!(refused.json()["error"]["param"], param, "{body}");
        }
        let unknown = ["exp_1", "exp_00000000000000000000000000000000", "%FF", "..%2Fexport"];
        for id in unknown {
            assert_eq!(send(&house, "GET", &format!("{PATH}/{id}")).await.status, 404, "{id}");
        }
        assert_eq!(send(&house, "PUT", PATH).await.status, 405);
    }

    async fn an_export_outlives_the_process_that_made_it(store) {
        let mut house = House::start(store).await;
        let export = complete(&house, &everything("csv", &json!([]))).await;
        let before = content(&house, &export).await;
        house.app.terminate();
        assert!(house.app.exited().await);
        house.start_again().await;
        let after = content(&house, &export).await;
        assert_eq!((after.status, &after.body), (200, &before.body));
    }
}
